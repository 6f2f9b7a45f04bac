import { describe, expect, it } from "vitest";
import { sortedBy } from "./lists.ts";

const ROWS = [
  { id: "b", n: 10 },
  { id: "c", n: null },
  { id: "a", n: 9 },
  { id: "d", n: 10 },
];
const VALUES = { id: ({ id }: (typeof ROWS)[number]) => id, n: ({ n }: (typeof ROWS)[number]) => n };
const order = (sort: string | undefined) =>
  sortedBy(ROWS, sort, VALUES)
    .map(({ id }) => id)
    .join("");

describe("the order of a list", () => {
  it.each([
    [undefined, "bcad"],
    ["id", "abcd"],
    ["-id", "dcba"],
    ["n", "abdc"],
    ["-n", "bdac"],
  ])("by %s is %s: numbers by size, missing values last, equal values as they were", (sort, expected) => {
    expect(order(sort)).toBe(expected);
  });
});
