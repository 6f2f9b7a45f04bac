/**
 * When a log is refused, by what the server says of it and what was known of it.
 */
import { describe, expect, it } from "vitest";
import {
  damageAtGap,
  damageOf,
  type LogRecord,
  type LogState,
  rangesInWords,
  rangesOf,
  subtract,
} from "./log-damage.ts";

const T = "2026-01-01T00:00:00.000000001Z";
const state = (rest: Partial<LogState> = {}): LogState => ({
  created: T,
  lastSeq: 40,
  readableSeq: 40,
  missing: [],
  drift: [],
  ...rest,
});
const record = (rest: Partial<LogRecord> = {}): LogRecord => ({
  created: T,
  lastSeq: 38,
  digest: "d38",
  missing: [],
  ...rest,
});
const problem = (s: LogState | undefined, r: LogRecord | undefined, digest: string | undefined = "d38") =>
  damageOf(s, r, { digest })?.problem;

describe("no damage", () => {
  it.each([
    ["a new server", undefined, undefined],
    ["an empty log", state({ lastSeq: 0, readableSeq: 0 }), undefined],
    ["a log without a record", state(), undefined],
    ["a log that grew since", state(), record()],
    ["the same log", state({ lastSeq: 38, readableSeq: 38 }), record()],
    ["a torn end that was never acknowledged", state({ readableSeq: 38, missing: [[39, 40]] }), record()],
    ["a torn end of a log without a record", state({ readableSeq: 38, missing: [[39, 40]] }), undefined],
    ["events whose loss was accepted", state({ missing: [[5, 9]] }), record({ missing: [[1, 9]] })],
    ["a record from an empty log", state({ created: "later" }), record({ lastSeq: 0, digest: "" })],
    ["a deleted log that was empty", undefined, record({ lastSeq: 0, digest: "" })],
  ] as const)("is found in %s", (_what, s, r) => {
    expect(problem(s, r)).toBeUndefined();
  });
});

describe("damage", () => {
  it.each([
    ["the stream is gone", undefined, record(), /^the event log is gone: .* has 38 events$/, 1],
    [
      "the stream was made again",
      state({ created: "later" }),
      record(),
      /another event log, created later/,
      1,
    ],
    [
      "acknowledged events at the end are gone",
      state({ lastSeq: 37, readableSeq: 37 }),
      record(),
      /^acknowledged events are lost: event 38 was stored, and the event log ends at 37$/,
      38,
    ],
    [
      "an acknowledged event at the end cannot be read",
      state({ lastSeq: 40, readableSeq: 36, missing: [[37, 40]] }),
      record(),
      /events 37 to 38 were stored, and the event log ends at 36$/,
      37,
    ],
    ["all events are gone", state({ lastSeq: 0, readableSeq: 0 }), record(), /events 1 to 38 were stored/, 1],
    [
      "the log does not begin at 1",
      state({ missing: [[1, 10]] }),
      undefined,
      /^events 1 to 10 are missing/,
      1,
    ],
    [
      "an event within is gone",
      state({ missing: [[5, 5]] }),
      record(),
      /^event 5 is missing in the event log$/,
      5,
    ],
    [
      "a limit was lowered",
      state({ missing: [[1, 39]], drift: ["max_msgs is 1 instead of -1"] }),
      record({ lastSeq: 40 }),
      /^events 1 to 39 are missing .*its limits were changed: max_msgs is 1 instead of -1/,
      1,
    ],
    [
      "more is gone than was accepted",
      state({ missing: [[1, 9]] }),
      record({ missing: [[1, 4]] }),
      /^events 5 to 9 are/,
      5,
    ],
  ] as const)("is found when %s", (_what, s, r, sentence, seq) => {
    const damage = damageOf(s, r, { digest: "d38" });
    expect(damage?.problem).toMatch(sentence);
    expect(damage?.seq).toBe(seq);
  });

  it("is found when the recorded event has other bytes", () => {
    expect(problem(state(), record(), "other")).toBe("event 38 is not the one that was stored");
  });

  it("is found when the recorded message has the same bytes, and another time", () => {
    const problemOf = (before?: string, now?: string) =>
      damageOf(state(), record({ storedAt: before }), { digest: "d38", storedAt: now })?.problem;
    expect(problemOf(T, "2026-01-01T00:00:09Z")).toBe("event 38 is not the one that was stored");
    expect([problemOf(T, T), problemOf(undefined, T)]).toEqual([undefined, undefined]);
  });
});

describe("the damage at a gap that a reader has met", () => {
  it.each([
    ["is the gap alone when the server does not answer", undefined, /^events 16 to 17 are missing in/, 16],
    ["is the gap alone when the server does not report it", state(), /^events 16 to 17 are missing in/, 16],
    [
      "is everything that the server reports as missing, with the changed limits",
      state({ missing: [[1, 17]], drift: ["max_msgs is 23 instead of -1"] }),
      /^events 1, 4 to 17 are missing in .*max_msgs is 23/,
      1,
    ],
    [
      "has the gap and what is missing elsewhere, without accepted losses",
      state({
        missing: [
          [2, 3],
          [7, 9],
          [30, 30],
        ],
      }),
      /^events 7 to 9, 16 to 17, 30 are missing in/,
      7,
    ],
    [
      "is the gap alone when the server has not read its store yet",
      state({ readableSeq: 12, missing: [[5, 40]] }),
      /^events 16 to 17 are missing in/,
      16,
    ],
    ["is that the log is another one", state({ created: "later" }), /^this is another event log/, 1],
  ] as const)("%s", (_what, s, sentence, seq) => {
    const damage = damageAtGap([16, 17], s, record({ missing: [[2, 3]] }));
    expect(damage.problem).toMatch(sentence);
    expect(damage.seq).toBe(seq);
  });
});

it("names at most five ranges", () => {
  expect(rangesInWords([[3, 3]])).toBe("event 3");
  expect(
    rangesInWords([
      [3, 3],
      [5, 7],
    ]),
  ).toBe("events 3, 5 to 7");
  const many = [1, 3, 5, 7, 9, 11, 13].map((seq) => [seq, seq] as const);
  expect(rangesInWords(many)).toBe("events 1, 3, 5, 7, 9 and 2 further ranges");
});

it("makes ranges of sequences, and subtracts ranges", () => {
  expect(rangesOf([7, 1, 2, 3, 3, 9])).toEqual([
    [1, 3],
    [7, 7],
    [9, 9],
  ]);
  expect(
    subtract(
      [
        [1, 10],
        [20, 30],
      ],
      [
        [3, 4],
        [9, 22],
        [30, 40],
      ],
    ),
  ).toEqual([
    [1, 2],
    [5, 8],
    [23, 29],
  ]);
  expect(subtract([[1, 3]], [[1, 3]])).toEqual([]);
});
