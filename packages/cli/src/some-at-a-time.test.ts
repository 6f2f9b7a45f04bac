/** Results come in the order of the items, with a bounded number of items in progress. */
import { expect, it } from "vitest";
import { resultsInOrder } from "./some-at-a-time.ts";

const ITEMS = Array.from({ length: 30 }, (_, i) => i);

it("yields every result in order, whichever ends first, with eight items in progress at most", async () => {
  let [running, most] = [0, 0];
  const work = async (item: number) => {
    running += 1;
    most = Math.max(most, running);
    for (let turns = (item * 7) % 5; turns >= 0; turns -= 1) await Promise.resolve();
    running -= 1;
    return 2 * item;
  };
  const results: number[] = [];
  for await (const result of resultsInOrder(ITEMS, work)) results.push(result);
  expect(results).toEqual(ITEMS.map((item) => 2 * item));
  expect(most).toBe(8);
});

it("throws the error of the first item that failed, after the results before it, and begins no further item", async () => {
  const begun: number[] = [];
  const seen: number[] = [];
  const work = async (item: number) => {
    begun.push(item);
    if (item >= 10) throw new Error(`failed at ${item}`);
    return item;
  };
  const all = async () => {
    for await (const result of resultsInOrder(ITEMS, work)) seen.push(result);
  };
  await expect(all()).rejects.toThrow("failed at 10");
  expect(seen).toEqual(ITEMS.slice(0, 10));
  expect(Math.max(...begun)).toBeLessThan(18);
});
