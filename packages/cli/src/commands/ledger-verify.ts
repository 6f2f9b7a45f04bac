/**
 * `bioxen ledger verify`: of all the log can be checked for, what concerns who holds what.
 *
 * The whole log is walked, because what is held, and by whom, stands in the events of VMs, ledgers and quotas together; at every
 * sequence the books must add up.
 */
import type { Rule, VerifierReport, Violation } from "@bioxen/log-verifier";
import type { Command } from "commander";
import { CommandEnd, EXIT_REFUSED } from "../outcome.ts";
import { say, sayJson, withSession } from "../run.ts";
import { verifyLog } from "./events.ts";

/** A book that adds up is above no offer and no quota, and has nothing in it that was not reserved. */
const BOOK_RULES: ReadonlySet<Rule> = new Set<Rule>([
  "unreadable",
  "sequence",
  "amounts",
  "over-offer",
  "unknown-entry",
  "stale-proposer",
  "placed-without-reservation",
  "started-without-reservation",
  "running-without-allocation",
  "two-allocations",
  "over-quota",
  "uncharged",
  "unknown-quota",
]);

export interface BookReport extends VerifierReport {
  /** Where the books first do not add up; null: they do at every sequence. */
  readonly firstViolationSeq: number | null;
}

/** A damaged ledger or quota stream is the books' concern, one of a chassis is not. */
function concernsBooks({ rule, subject }: Violation): boolean {
  return BOOK_RULES.has(rule) || /^(?:ledger|quota)\//.test(subject);
}

export function bookReport(report: VerifierReport): BookReport {
  const violations = report.violations.filter(concernsBooks);
  const first = Math.min(...violations.map(({ seq }) => seq));
  return { ...report, violations, firstViolationSeq: Number.isFinite(first) ? first : null };
}

export function addLedgerVerify(ledger: Command): void {
  ledger
    .command("verify")
    .description(
      "check at every sequence: no ledger above its offer, no quota above, no entry without a reservation",
    )
    .addHelpText(
      "after",
      "\nExample:\n  bioxen ledger verify --json      exit code 1 with the first violation's sequence",
    )
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const report = bookReport(await verifyLog(session));
        const { events, lastSeq, violations, firstViolationSeq } = report;
        if (json === true) sayJson(report);
        else {
          const end =
            firstViolationSeq === null
              ? "the books add up at every sequence"
              : `the first violation is at #${firstViolationSeq}`;
          say(`${events} events up to #${lastSeq}: ${end}`);
          for (const { seq, subject, rule, message } of violations)
            say(`  #${seq} ${subject}: ${rule}: ${message}`);
        }
        if (firstViolationSeq !== null || report.violationsLeftOut > 0)
          throw new CommandEnd(EXIT_REFUSED, "");
      });
    });
}
