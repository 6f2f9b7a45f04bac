/**
 * `bioxen ledger verify`: the checks of the log that concern reservations, allocations and quotas.
 *
 * The command reads the whole log, because only the events of VMs, ledgers and quotas together determine the resources
 * that each VM holds. The accounts must be consistent at every sequence.
 */
import type { Rule, VerifierReport, Violation } from "@bioxen/log-verifier";
import type { Command } from "commander";
import { CommandEnd, EXIT_REFUSED } from "../outcome.ts";
import { say, sayJson, withSession } from "../run.ts";
import { verifyLog } from "./events.ts";

/**
 * Rules of the log verifier that concern accounts: no ledger above its offer, no quota exceeded, no entry without a
 * reservation.
 */
const ACCOUNT_RULES: ReadonlySet<Rule> = new Set<Rule>([
  "unreadable",
  "sequence",
  "amounts",
  "over-offer",
  "unknown-entry",
  "stale-proposer",
  "unissued-token",
  "placed-without-reservation",
  "started-without-reservation",
  "running-without-allocation",
  "two-allocations",
  "over-quota",
  "uncharged",
  "unknown-quota",
]);

export interface AccountReport extends VerifierReport {
  /** Sequence of the first event that violates a rule; null without violations. */
  readonly firstViolationSeq: number | null;
}

/**
 * Returns whether a violation concerns the accounts: its rule is an account rule, or its event is one of a ledger or
 * quota.
 */
function concernsAccounts({ rule, subject }: Violation): boolean {
  return ACCOUNT_RULES.has(rule) || /^(?:ledger|quota)\//.test(subject);
}

export function accountReport(report: VerifierReport): AccountReport {
  const violations = report.violations.filter(concernsAccounts);
  const first = Math.min(...violations.map(({ seq }) => seq));
  return { ...report, violations, firstViolationSeq: Number.isFinite(first) ? first : null };
}

export function addLedgerVerify(ledger: Command): void {
  ledger
    .command("verify")
    .description(
      "check at every sequence that no ledger is above its offer, no quota is exceeded, and no entry lacks a reservation",
    )
    .addHelpText(
      "after",
      "\nExample:\n  bioxen ledger verify --json      exit code 1 with the first violation's sequence",
    )
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const report = accountReport(await verifyLog(session));
        const { events, lastSeq, violations, firstViolationSeq } = report;
        if (json === true) sayJson(report);
        else {
          const end =
            firstViolationSeq === null
              ? "the accounts are consistent at every sequence"
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
