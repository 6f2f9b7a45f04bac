/** The rejection of a request with problems that the schema cannot see. */
import { type Problem, refuse } from "@bioxen/contracts";
import type { VmRejection } from "./vm-decision.ts";

/** Returns a rejection with the code BAD_REQUEST and every problem, each with its path. */
export function badRequest(problems: readonly Problem[]): VmRejection {
  const message = problems.map((p) => `${p.path} ${p.message}`).join("; ");
  return refuse("BAD_REQUEST", message, { details: { problems } });
}
