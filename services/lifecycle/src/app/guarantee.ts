/**
 * What is wrong with a guarantee, beside its names.
 */
import type { Problem, VmType } from "@bioxen/contracts";
import { type Amounts, amountOf } from "@bioxen/kernel";

export function guaranteeProblems(vmType: VmType, request: Amounts, guarantee: Amounts): Problem[] {
  if (vmType !== "basic") {
    return [
      { path: "guarantee", message: `is for cells: a VM of type ${vmType} is never shrunk by preemption` },
    ];
  }
  const problems: Problem[] = [];
  for (const [name, least] of Object.entries(guarantee)) {
    const asked = amountOf(request, name);
    const path = `guarantee.${name}`;
    if (least > asked) problems.push({ path, message: `is ${least}, above the request of ${asked}` });
    if (name === "dnaKilobases" && least < asked) {
      problems.push({ path, message: `must be the request of ${asked}: a genome does not shrink` });
    }
  }
  return problems;
}
