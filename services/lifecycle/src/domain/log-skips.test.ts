import type { LogEvent, UnreadableView } from "@bioxen/contracts";
import { deciderLaws, given } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { logDecider } from "./log-skips.ts";

const message: UnreadableView = {
  seq: 7,
  subject: "bioxen.evt.vm.c1",
  digest: "0".repeat(64),
  problem: "it is not JSON",
  newer: false,
};
const newer: UnreadableView = { ...message, seq: 9, newer: true };
const skip = (of: UnreadableView, force = false) =>
  ({ type: "skip", message: of, reason: "a test published it", by: "ann", force }) as const;
const unskip = (seq: number, laterSeq?: number) =>
  ({ type: "unskip", seq, reason: "upgraded", by: "bob", laterSeq }) as const;
const skipped = (of: UnreadableView): LogEvent => ({
  type: "bioxen.log.skipped.v1",
  data: { ...of, reason: "a test published it", by: "ann" },
});
const unskipped = (of: UnreadableView): LogEvent => ({
  type: "bioxen.log.unskipped.v1",
  data: { seq: of.seq, subject: of.subject, reason: "upgraded", by: "bob" },
});

describe("skipping a message", () => {
  it("records what is skipped, why and by whom", () => {
    given(logDecider).when(skip(message)).thenAppended(skipped(message));
  });

  it("changes nothing for a message that is skipped already", () => {
    given(logDecider, skipped(message)).when(skip(message)).thenUnchanged();
  });

  it("skips a message of a newer release only when forced", () => {
    given(logDecider)
      .when(skip(newer))
      .thenRejected("CONFLICT", { message: expect.stringContaining("written by a newer BioXen") });
    given(logDecider).when(skip(newer, true)).thenAppended(skipped(newer));
  });
});

describe("taking a skip back", () => {
  it("lets the message count again", () => {
    given(logDecider, skipped(newer)).when(unskip(9)).thenAppended(unskipped(newer));
    given(logDecider, skipped(newer), unskipped(newer)).when(skip(newer, true)).thenAppended(skipped(newer));
  });

  it("changes nothing for a message that is not skipped", () => {
    given(logDecider, skipped(message)).when(unskip(9)).thenUnchanged();
  });

  it("is refused once the aggregate has a later message", () => {
    given(logDecider, skipped(newer)).when(unskip(9, 12)).thenRejected("CONFLICT");
  });
});

deciderLaws("the skips of the log", logDecider, {
  cases: [
    { events: [], command: skip(message) },
    { events: [skipped(message)], command: skip(newer, true) },
    { events: [skipped(message), skipped(newer)], command: unskip(9) },
    { events: [skipped(newer)], command: unskip(9, 12) },
  ],
});
