/**
 * A ceiling for what is lent: its amounts, and what is wrong with it beside its names.
 */
import {
  type Problem,
  RATE_RESOURCES,
  type RequestedAmount,
  requestedAmounts,
  type VmType,
} from "@bioxen/contracts";
import { type Amounts, amountOf } from "@bioxen/kernel";

/** Only what is named: of the rest nothing is lent. */
export function burstAmounts(
  requested: Readonly<Record<string, RequestedAmount | undefined>>,
  full: Amounts,
): Amounts {
  const named = Object.fromEntries(Object.keys(requested).map((name) => [name, 0]));
  return requestedAmounts(requested, full, named);
}

export function burstProblems(vmType: VmType, request: Amounts, burst: Amounts): Problem[] {
  if (vmType !== "basic") {
    return [{ path: "burst", message: `is for cells: nothing is lent to a VM of type ${vmType}` }];
  }
  const problems: Problem[] = [];
  for (const [name, ceiling] of Object.entries(burst)) {
    const path = `burst.${name}`;
    if (!RATE_RESOURCES.some((rate) => rate === name)) {
      problems.push({ path, message: `is not lent: only ${RATE_RESOURCES.join(", ")} are` });
    } else if (ceiling < amountOf(request, name)) {
      problems.push({ path, message: `is ${ceiling}, below the request of ${amountOf(request, name)}` });
    }
  }
  return problems;
}
