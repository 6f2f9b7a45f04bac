import { describe, expect, it } from "vitest";
import { MIN_OUTCOMES, OUTCOME_WINDOW_MS, OutcomeMemory } from "./outcome-memory.ts";

const LONG_AGO = 0;
const NOW = OUTCOME_WINDOW_MS * 10;

function memory() {
  const clock = { ms: NOW, nowMs: () => clock.ms };
  return { clock, outcomes: new OutcomeMemory<number>(clock) };
}

describe("the outcome memory", () => {
  it("finds an outcome by aggregate and command", () => {
    const { outcomes } = memory();
    outcomes.remember("a", "x", NOW, 1);
    outcomes.remember("b", "x", NOW, 2);
    expect([outcomes.of("a", "x"), outcomes.of("b", "x"), outcomes.of("a", "y")]).toEqual([1, 2, undefined]);
  });

  it("keeps the newest outcomes up to the minimum number, however old they are", () => {
    const { outcomes } = memory();
    const total = 2 * MIN_OUTCOMES + 7;
    for (let i = 0; i < total; i += 1) outcomes.remember("a", `c${i}`, LONG_AGO, i);
    const kept = Array.from({ length: total }, (_, i) => outcomes.of("a", `c${i}`)).filter(
      (outcome) => outcome !== undefined,
    );
    expect(kept).toEqual(Array.from({ length: MIN_OUTCOMES }, (_, i) => total - MIN_OUTCOMES + i));
  });

  it("keeps every outcome inside the time window, and only the newest afterwards", () => {
    const { clock, outcomes } = memory();
    for (let i = 0; i < 2 * MIN_OUTCOMES; i += 1) outcomes.remember("a", `c${i}`, NOW, i);
    expect(outcomes.of("a", "c0")).toBe(0);
    clock.ms += OUTCOME_WINDOW_MS + 1;
    outcomes.remember("a", "late", clock.ms, -1);
    expect(outcomes.of("a", "c0")).toBeUndefined();
    expect(outcomes.of("a", `c${2 * MIN_OUTCOMES - 1}`)).toBe(2 * MIN_OUTCOMES - 1);
  });
});
