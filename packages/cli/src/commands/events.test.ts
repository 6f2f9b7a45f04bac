/**
 * The words of `bioxen events verify`.
 */
import type { VerifierReport } from "@bioxen/log-verifier";
import { expect, it } from "vitest";
import { reportInWords } from "./events.ts";

const report = (more: Partial<VerifierReport> = {}): VerifierReport => ({
  events: 9,
  aggregates: 2,
  lastSeq: 9,
  skipped: 0,
  missingAccepted: 0,
  notChained: 0,
  violations: [],
  violationsLeftOut: 0,
  ...more,
});

it("counts events, aggregates and violations, and names nothing else in a whole log", () => {
  expect(reportInWords(report())).toEqual(["9 events of 2 aggregates, 0 violations"]);
});

it("counts apart what is skipped, was given up, or is older than the digest chain", () => {
  expect(reportInWords(report({ skipped: 3, missingAccepted: 4, notChained: 5 }))).toEqual([
    "9 events of 2 aggregates, 3 skipped, 4 missing and accepted, 5 not chained (older than the digest chain), 0 violations",
  ]);
});

it("names each violation with sequence, subject and rule", () => {
  const message = "event 7 on bioxen.evt.vm.a cannot be read: it is not JSON";
  const violations = [{ seq: 7, subject: "bioxen.evt.vm.a", rule: "unreadable", message }] as const;
  expect(reportInWords(report({ violations }))).toEqual([
    "9 events of 2 aggregates, 1 violations",
    `  #7 bioxen.evt.vm.a: unreadable: ${message}`,
  ]);
});
