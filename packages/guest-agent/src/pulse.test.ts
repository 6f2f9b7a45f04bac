import { expect, it } from "vitest";
import { MAX_GAP_MS } from "./limits.ts";
import { Pulse } from "./pulse.ts";

it("counts the time between steps, but not a gap in which the machine stood still", () => {
  let now = 1_000;
  const pulse = new Pulse(() => now);
  const after = (ms: number) => {
    now += ms;
    return pulse.elapsedMs();
  };
  expect(after(100)).toBe(100);
  expect(after(MAX_GAP_MS)).toBe(MAX_GAP_MS);
  expect(after(MAX_GAP_MS + 1)).toBe(0);
  expect(after(-3_600_000)).toBe(0);
  expect(after(50)).toBe(50);
});
