import { describe, expect, it } from "vitest";
import { heldAfterMs, latestOf, mustHold } from "./self-fence.ts";

const LOST_AFTER_MS = 10_000;
const contact = { sentAtMs: 1_000, lastSeq: 5 };

describe("holding guests", () => {
  it("begins before the scheduler can consider the chassis lost", () => {
    expect(heldAfterMs(LOST_AFTER_MS)).toBeLessThan(LOST_AFTER_MS - 1_000);
    expect(mustHold(contact, 1_000 + heldAfterMs(LOST_AFTER_MS) - 1, LOST_AFTER_MS)).toBe(false);
    expect(mustHold(contact, 1_000 + heldAfterMs(LOST_AFTER_MS), LOST_AFTER_MS)).toBe(true);
  });

  it("ends with an answer, counted from its query, once the log is applied that far", () => {
    const answered = [
      { sentAtMs: 20_000, lastSeq: 7 },
      { sentAtMs: 21_000, lastSeq: 9 },
    ];
    expect(latestOf(contact, answered, 6)).toBe(contact);
    expect(latestOf(contact, answered, 8)).toBe(answered[0]);
    expect(latestOf(contact, answered, 9)).toBe(answered[1]);
  });

  it("does not end by an old answer that arrives late", () => {
    expect(latestOf(contact, [{ sentAtMs: 500, lastSeq: 1 }], 9)).toBe(contact);
  });
});
