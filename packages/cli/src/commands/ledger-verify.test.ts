import type { Rule, Violation } from "@bioxen/log-verifier";
import { expect, it } from "vitest";
import { accountReport } from "./ledger-verify.ts";

const violation = (seq: number, subject: string, rule: Rule): Violation => ({
  seq,
  subject,
  rule,
  message: "x",
});
const reportOf = (...violations: Violation[]) =>
  accountReport({
    events: 9,
    aggregates: 2,
    skipped: 0,
    missingAccepted: 0,
    notChained: 0,
    lastSeq: 9,
    violations,
    violationsLeftOut: 0,
  });

it("reports violations of the accounts only, and the sequence of the first", () => {
  expect(reportOf().firstViolationSeq).toBeNull();
  expect(reportOf(violation(3, "vm/a", "transition"), violation(4, "chassis/c", "chain")).violations).toEqual(
    [],
  );
  const report = reportOf(
    violation(8, "ledger/c", "over-offer"),
    violation(5, "vm/a", "running-without-allocation"),
    violation(6, "quota/team", "chain"),
    violation(7, "", "unreadable"),
  );
  expect(report.violations).toHaveLength(4);
  expect(report.firstViolationSeq).toBe(5);
});
