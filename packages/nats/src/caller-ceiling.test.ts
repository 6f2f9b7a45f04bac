import { expect, it } from "vitest";
import { CallerCeiling } from "./caller-ceiling.ts";

it("lets each caller send its commands of one second, and then as many as time allows", () => {
  let nowMs = 0;
  const ceiling = new CallerCeiling(4, () => nowMs);
  const takes = (caller: string, count: number) => Array.from({ length: count }, () => ceiling.take(caller));
  expect(takes("a", 6)).toEqual([0, 0, 0, 0, 250, 250]);
  expect(takes("b", 1)).toEqual([0]);
  nowMs += 100;
  expect(takes("a", 1)).toEqual([150]);
  nowMs += 150;
  expect(takes("a", 2)).toEqual([0, 250]);
  nowMs += 60_000;
  expect(takes("a", 5)).toEqual([0, 0, 0, 0, 250]);
});

it("forgets the caller that was heard least recently, and does not grow without end", () => {
  const ceiling = new CallerCeiling(1, () => 0);
  ceiling.take("first");
  ceiling.take("kept");
  for (let i = 0; i < 9_998; i += 1) ceiling.take(`caller-${i}`);
  expect(ceiling.take("kept")).toBe(1_000);
  ceiling.take("one more");
  expect(ceiling.take("first")).toBe(0);
  expect(ceiling.take("kept")).toBe(1_000);
});
