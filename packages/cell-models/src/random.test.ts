import { describe, expect, test } from "vitest";
import { fairBinomial, nextWord, poisson, type RandomState, randomAge, seedRandom } from "./random.ts";

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

describe("a Poisson number", () => {
  test.each([0.01, 0.3, 1, 7, 30, 64, 65, 900, 1e6])("of mean %d has this mean and variance", (expected) => {
    const state = seedRandom(11);
    const sample = Array.from({ length: 20 * DRAWS }, () => poisson(state, expected));
    const mean = sample.reduce((sum, value) => sum + value, 0) / sample.length;
    const variance = sample.reduce((sum, value) => sum + (value - mean) ** 2, 0) / sample.length;
    // 5 standard errors; the variance of a Poisson number has the variance 2 m² + m per draw.
    expect(Math.abs(mean - expected)).toBeLessThan(5 * Math.sqrt(expected / sample.length));
    const error = Math.sqrt((2 * expected * expected + expected) / sample.length);
    expect(Math.abs(variance - expected)).toBeLessThan(5 * error);
    if (expected <= 64) expect(sample.every((value) => Number.isInteger(value) && value >= 0)).toBe(true);
  });

  test("of mean 0 is 0", () => {
    expect(poisson(seedRandom(1), 0)).toBe(0);
  });
});

test("random ages are those of a population that grows: twice as many cells are newborn as about to divide", () => {
  const state = seedRandom(12);
  const ages = Array.from({ length: 20 * DRAWS }, () => randomAge(state) / Math.LN2);
  const mean = ages.reduce((sum, age) => sum + age, 0) / ages.length;
  expect(mean).toBeCloseTo(1 / Math.LN2 - 1, 2);
  const young = ages.filter((age) => age < 0.1).length;
  const old = ages.filter((age) => age >= 0.9).length;
  expect(young / old).toBeGreaterThan(1.75);
  expect(young / old).toBeLessThan(1.98);
  expect(Math.min(...ages)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...ages)).toBeLessThan(1);
});
