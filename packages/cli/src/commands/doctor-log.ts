/**
 * The part of `bioxen doctor` that looks at the messages of the log.
 */
import type { ResultOf } from "@bioxen/contracts";
import { endOf } from "../outcome.ts";
import type { Session } from "../session.ts";
import type { Finding } from "./finding.ts";

/** Returns the findings about messages of the log that no service can read, each with its remedy. */
export async function logFindings(session: Session): Promise<Finding[]> {
  const reply = await session.call("logProblems", {}).catch((thrown: unknown) => endOf(thrown));
  if (!("ok" in reply) || !reply.ok) {
    const found = "cannot be asked for: lifecycle does not reply";
    return [{ check: "log", verdict: "warn", found, remedy: "start lifecycle" }];
  }
  return problemFindings(reply);
}

export function problemFindings({
  unreadable,
  skipped,
}: Pick<ResultOf<"logProblems">, "unreadable" | "skipped">): Finding[] {
  const skips = skipped.count === 0 ? "" : `; ${skipped.count} skipped`;
  if (unreadable.count === 0) {
    return [{ check: "log", verdict: "ok", found: `every message can be read${skips}` }];
  }
  const findings = unreadable.first.map(({ seq, subject, problem, newer }): Finding => {
    const found = `event ${seq} on ${subject} cannot be read: ${problem}`;
    const skip = `bioxen events skip ${seq} --reason TEXT`;
    return {
      check: "log",
      verdict: "fail",
      found,
      remedy: newer ? `upgrade this BioXen; or lose what the message says: ${skip} --force` : skip,
    };
  });
  const rest = unreadable.count - unreadable.first.length;
  if (rest === 0) return findings;
  return [...findings, { check: "log", verdict: "fail", found: `${rest} further messages cannot be read` }];
}
