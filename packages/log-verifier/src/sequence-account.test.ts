/**
 * Gaps in the sequences of the log, and older seals of it.
 */
import type { UnreadableMessage } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { LogVerifier } from "./index.ts";

const message = (seq: number, digest = `d${seq}`): UnreadableMessage => ({
  seq,
  streamSubject: "bioxen.evt.log.skips",
  digest,
  why: "skipped",
  isNewer: false,
});
const SKIPS = new Map(Array.from({ length: 50 }, (_, i) => [i + 1, `d${i + 1}`]));

function check(seqs: readonly number[], end: number, isNoLoss?: (seq: number) => boolean) {
  const verifier = new LogVerifier(SKIPS, isNoLoss === undefined ? {} : { isNoLoss });
  for (const seq of seqs) verifier.unreadable(message(seq));
  verifier.end(end);
  const { violations, missingAccepted, lastSeq } = verifier.report();
  return {
    found: violations.map(({ seq, rule, message: text }) => `${seq} ${rule}: ${text}`),
    missingAccepted,
    lastSeq,
  };
}

describe("the sequences", () => {
  it("are whole from 1 to the end", () => {
    expect(check([1, 2, 3], 3)).toEqual({ found: [], missingAccepted: 0, lastSeq: 3 });
    expect(check([], 0)).toEqual({ found: [], missingAccepted: 0, lastSeq: 0 });
  });

  it.each([
    ["at the beginning", [11, 12], 12, ["1 sequence: events 1 to 10 are missing"]],
    [
      "in the middle",
      [1, 2, 4, 8],
      8,
      ["3 sequence: event 3 is missing", "5 sequence: events 5 to 7 are missing"],
    ],
    ["at the end", [1, 2], 4, ["3 sequence: events 3 to 4 are missing"]],
    ["everywhere", [], 5, ["1 sequence: events 1 to 5 are missing"]],
  ])("have a gap %s", (_where, seqs, end, found) => {
    expect(check(seqs, end).found).toEqual(found);
  });

  it("count what is no loss, and report the rest of a gap", () => {
    const { found, missingAccepted } = check([1, 9], 10, (seq) => (seq >= 4 && seq <= 6) || seq > 9);
    expect(found).toEqual(["2 sequence: events 2 to 3 are missing", "7 sequence: events 7 to 8 are missing"]);
    expect(missingAccepted).toBe(4);
  });

  it("are not checked in a part of the log", () => {
    const verifier = new LogVerifier(SKIPS, { partial: true });
    for (const seq of [3, 7]) verifier.unreadable(message(seq));
    expect(verifier.report().violations).toEqual([]);
  });
});

describe("an older seal", () => {
  const sealed = (seqs: readonly number[]) => {
    const verifier = new LogVerifier(SKIPS);
    for (const seq of seqs) verifier.unreadable(message(seq));
    return verifier.seal();
  };
  const compare = (seqs: readonly number[], seq: number, digest: string) => {
    const verifier = new LogVerifier(SKIPS);
    verifier.expectSeal({ seq, digest });
    for (const one of seqs) verifier.unreadable(message(one));
    verifier.end(seqs.at(-1) ?? 0);
    return verifier.report().violations.filter(({ rule }) => rule === "seal");
  };

  it("fits the log that it was taken of, however much longer the log is now", () => {
    expect(compare([1, 2, 3], 3, sealed([1, 2, 3]))).toEqual([]);
    expect(compare([1, 2, 3, 4, 5], 3, sealed([1, 2, 3]))).toEqual([]);
  });

  it("differs from a log with other events, with fewer events before it, and with an end before it", () => {
    expect(compare([1, 2, 3, 4], 3, sealed([1, 2, 4]))).toMatchObject([{ seq: 3, rule: "seal" }]);
    expect(compare([2, 3, 4], 3, sealed([1, 2, 3]))).toMatchObject([{ seq: 3 }]);
    expect(compare([1, 2], 3, sealed([1, 2, 3]))).toMatchObject([
      { seq: 2, message: expect.stringContaining("ends before") },
    ]);
  });
});
