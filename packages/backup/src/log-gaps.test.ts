import { expect, it } from "vitest";
import { LogGaps } from "./log-gaps.ts";

it("accepts sequences without a gap, and gaps that are no loss", () => {
  const gaps = new LogGaps(3, [
    [1, 2],
    [5, 6],
    [9, 9],
  ]);
  for (const seq of [3, 4, 7, 8, 10, 11]) gaps.received(seq);
});

it.each([
  [[3, 5], 4],
  [[4], 3],
  [[3, 4, 8], 7],
] as const)("names the lost event of %j", (seqs, lost) => {
  const gaps = new LogGaps(3, [[5, 6]]);
  const receive = () => {
    for (const seq of seqs) gaps.received(seq);
  };
  expect(receive).toThrow(`event ${lost} is missing`);
});
