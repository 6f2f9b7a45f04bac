import { describe, expect, test } from "vitest";
import { fairBinomial, nextWord, type RandomState, seedRandom } from "./random.ts";

const DRAWS = 4000;

function draws(coins: number): number[] {
  const state = seedRandom(coins);
  return Array.from({ length: DRAWS }, () => fairBinomial(state, coins));
}

describe("the generator", () => {
  test("gives different words for seeds that differ in one bit, low or high", () => {
    const seeds = [0, 1, 2, 3, 2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER];
    const words = seeds.map((seed) => nextWord(seedRandom(seed)));
    expect(new Set(words).size).toBe(seeds.length);
  });

  test("sets every bit half of the time", () => {
    const state = seedRandom(9);
    const counts = new Array<number>(32).fill(0);
    for (let i = 0; i < DRAWS; i++) {
      const word = nextWord(state);
      for (let bit = 0; bit < 32; bit++) counts[bit] = (counts[bit] as number) + ((word >>> bit) & 1);
    }
    // 5 standard deviations of a fair coin thrown 4000 times are 158.
    for (const count of counts) expect(Math.abs(count - DRAWS / 2)).toBeLessThan(158);
  });

  test("goes on from a copy of its state, which stays four 32-bit words", () => {
    const state = seedRandom(3);
    for (let i = 0; i < 1000; i++) nextWord(state);
    expect(state.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32)).toBe(true);
    const copy: RandomState = [...state];
    expect(nextWord(copy)).toBe(nextWord(state));
  });
});

describe("the fair binomial", () => {
  test.each([0, 1, 2, 31, 32, 33, 64, 1000, 1024, 1025, 50_000, 6_000_000])(
    "of %d coins has its mean and variance",
    (coins) => {
      const sample = draws(coins);
      const mean = sample.reduce((sum, value) => sum + value, 0) / DRAWS;
      const variance = sample.reduce((sum, value) => sum + (value - mean) ** 2, 0) / DRAWS;
      // 5 standard errors of the mean; the variance of 4000 draws is good to 11 % at 5 standard errors.
      expect(Math.abs(mean - coins / 2)).toBeLessThanOrEqual(5 * Math.sqrt(coins / 4 / DRAWS));
      expect(Math.abs(variance - coins / 4)).toBeLessThanOrEqual(0.12 * (coins / 4));
      for (const value of sample) {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(coins);
      }
      if (coins <= 1024) expect(sample.every(Number.isInteger)).toBe(true);
    },
  );

  test("of one coin is 0 or 1, both", () => {
    expect(new Set(draws(1))).toEqual(new Set([0, 1]));
  });
});
