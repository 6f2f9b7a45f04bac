/**
 * Resources that a request names, checked against the type of the VM.
 */
import { type Problem, refuse } from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";
import type { VmRejection } from "./vm-decision.ts";

/**
 * Returns one problem for each name that is not a resource of the VM's type. `full` is the full demand of the type,
 * which has every name.
 */
export function foreignResources(
  field: "resources" | "guarantee" | "burst",
  requested: object,
  full: Amounts,
): Problem[] {
  const foreign = Object.keys(requested).filter((name) => !(name in full));
  return foreign.map((name) => ({
    path: `${field}.${name}`,
    message: "is not a resource of this type of VM",
  }));
}

/** Returns a rejection with the code BAD_REQUEST and every problem, each with its path. */
export function badRequest(problems: readonly Problem[]): VmRejection {
  const message = problems.map((p) => `${p.path} ${p.message}`).join("; ");
  return refuse("BAD_REQUEST", message, { details: { problems } });
}
