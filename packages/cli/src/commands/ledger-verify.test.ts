import type { Rule, Violation } from "@bioxen/log-verifier";
import { expect, it } from "vitest";
import { bookReport } from "./ledger-verify.ts";

const violation = (seq: number, subject: string, rule: Rule): Violation => ({
  seq,
  subject,
  rule,
  message: "x",
});
const reportOf = (...violations: Violation[]) =>
  bookReport({ events: 9, aggregates: 2, lastSeq: 9, violations, violationsLeftOut: 0 });

it("tells of what concerns the books, and where they first do not add up", () => {
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
