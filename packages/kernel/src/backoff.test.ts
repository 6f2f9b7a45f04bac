import { describe, expect, it } from "vitest";
import { type Backoff, backoffDelayMs } from "./backoff.ts";

const delays = (backoff: Backoff, count: number) =>
  Array.from({ length: count }, (_, i) => backoffDelayMs(backoff, i + 1));

describe("the delay after failures in a row", () => {
  it.each<[string, Backoff, number[]]>([
    [
      "a reconciler's step",
      { firstMs: 100, ceilingMs: 5_000 },
      [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000],
    ],
    [
      "a placement round",
      { firstMs: 100, ceilingMs: 5_000 },
      [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000],
    ],
    [
      "the events of a pool",
      { firstMs: 100, ceilingMs: 5_000 },
      [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000],
    ],
    [
      "a move of a drained VM",
      { firstMs: 1_000, ceilingMs: 60_000 },
      [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000],
    ],
    ["a job", { firstMs: 250, ceilingMs: 15_000 }, [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000]],
    ["a webhook", { firstMs: 1_000, ceilingMs: 32_000 }, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000]],
    [
      "a restart policy of 200 s",
      { firstMs: 200_000, ceilingMs: 600_000 },
      [200_000, 400_000, 600_000, 600_000],
    ],
  ])("doubles up to the ceiling: %s", (_name, backoff, expected) => {
    expect(delays(backoff, expected.length)).toEqual(expected);
  });

  it("stays at the ceiling after any number of failures, and at 0 when the first delay is 0", () => {
    expect(backoffDelayMs({ firstMs: 1, ceilingMs: 600_000 }, 1_000_000)).toBe(600_000);
    expect(backoffDelayMs({ firstMs: 0, ceilingMs: 600_000 }, 1_000_000)).toBe(0);
  });

  it("never exceeds the ceiling, even when the first delay does", () => {
    expect(backoffDelayMs({ firstMs: 3_600_000, ceilingMs: 600_000 }, 1)).toBe(600_000);
  });

  it("a back-off without a failure is a bug", () => {
    expect(() => backoffDelayMs({ firstMs: 100, ceilingMs: 5_000 }, 0)).toThrow(/invariant/);
  });
});
