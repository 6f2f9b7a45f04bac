/** The rejections of a request with problems that the schema cannot see. */
import { type Problem, refuse } from "@bioxen/contracts";
import type { VmRejection } from "./vm-decision.ts";

/** Returns a rejection with the code BAD_REQUEST and every problem, each with its path. */
export function badRequest(problems: readonly Problem[]): VmRejection {
  return withProblems("BAD_REQUEST", problems);
}

/** Returns a rejection with the code UNSUPPORTED and everything that a VM of this type does not have. */
export function unsupported(problems: readonly Problem[]): VmRejection {
  return withProblems("UNSUPPORTED", problems);
}

function withProblems(code: "BAD_REQUEST" | "UNSUPPORTED", problems: readonly Problem[]): VmRejection {
  const message = problems.map((p) => `${p.path} ${p.message}`).join("; ");
  return refuse(code, message, { details: { problems } });
}
