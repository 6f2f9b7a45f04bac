/**
 * The words of `bioxen doctor` about the messages of the log.
 */
import { expect, it } from "vitest";
import { problemFindings } from "./doctor-log.ts";

type Problems = Parameters<typeof problemFindings>[0];
const NONE = { count: 0, first: [] };
const message = (seq: number, newer = false) => ({
  seq,
  subject: "bioxen.evt.vm.c1",
  digest: "d",
  problem: newer ? "it was written by a newer BioXen: version 1 does not know the type x" : "it is not JSON",
  newer,
});
const unreadable = (count: number, ...first: Problems["unreadable"]["first"]) => ({ count, first });

it("says that every message can be read, and counts those that are skipped", () => {
  const finding = { check: "log", verdict: "ok", found: "every message can be read" };
  expect(problemFindings({ unreadable: NONE, skipped: NONE })).toEqual([finding]);
  expect(problemFindings({ unreadable: NONE, skipped: { count: 3, first: [] } })).toEqual([
    { ...finding, found: "every message can be read; 3 skipped" },
  ]);
});

it("names an unreadable message, the reason, and the command that skips it", () => {
  expect(problemFindings({ unreadable: unreadable(1, message(7)), skipped: NONE })).toEqual([
    {
      check: "log",
      verdict: "fail",
      found: "event 7 on bioxen.evt.vm.c1 cannot be read: it is not JSON",
      remedy: "bioxen events skip 7 --reason TEXT",
    },
  ]);
});

it("advises an upgrade for a message of a newer release, and a forced skip otherwise", () => {
  const [finding] = problemFindings({ unreadable: unreadable(1, message(7, true)), skipped: NONE });
  expect(finding).toMatchObject({
    found: expect.stringContaining(
      "event 7 on bioxen.evt.vm.c1 cannot be read: it was written by a newer BioXen",
    ),
    remedy: "upgrade this BioXen; or lose what the message says: bioxen events skip 7 --reason TEXT --force",
  });
});

it("counts the messages that it does not name", () => {
  const findings = problemFindings({ unreadable: unreadable(102, message(7)), skipped: NONE });
  expect(findings.at(-1)).toMatchObject({ verdict: "fail", found: "101 further messages cannot be read" });
});
