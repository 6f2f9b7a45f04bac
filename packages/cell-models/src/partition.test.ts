import { expect, test } from "vitest";
import { partition } from "./partition.ts";
import { seedRandom } from "./random.ts";
import { A, C_Q, E_T, GENERATIONS, M_Q, Q, R, S_I, STATE_SIZE, Z_R } from "./state.ts";
import { publishedState } from "./testing.ts";
import { engagedRibosomes, totalRibosomes } from "./weisse.ts";

const DAUGHTERS = 2000;
const UNCAPPED = 1e9;

test("daughters have what half of twice the cell has: the mean stays, the variance is half the number", () => {
  const random = seedRandom(1);
  const mother = publishedState(0.1, 20);
  for (const i of [Z_R, E_T, Q, M_Q, R, C_Q] as const) {
    const held = mother[i];
    let [sum, squares] = [0, 0];
    for (let n = 0; n < DAUGHTERS; n++) {
      const daughter = publishedState(0.1, 20);
      partition(daughter, random, UNCAPPED);
      sum += daughter[i] - held;
      squares += (daughter[i] - held) ** 2;
    }
    expect(Math.abs(sum / DAUGHTERS)).toBeLessThan(5 * Math.sqrt(held / 2 / DAUGHTERS));
    expect(Math.abs(squares / DAUGHTERS / (held / 2) - 1)).toBeLessThan(0.17);
  }
});

test("nutrient, energy and the division clock are not dealt out", () => {
  const daughter = publishedState(0.1);
  partition(daughter, seedRandom(2), UNCAPPED);
  const mother = publishedState(0.1);
  for (const i of [S_I, A, GENERATIONS]) expect(daughter[i]).toBe(mother[i]);
  expect(daughter[Q]).not.toBe(mother[Q]);
});

test.each([0.01, 0.054, 0.145, 0.3, 0.5, 0.9, 1.7])(
  "is right at %d molecules: daughters have whole molecules, with this mean and the variance of chance",
  (held) => {
    const random = seedRandom(6);
    const amounts = Array.from({ length: 20 * DAUGHTERS }, () => {
      const daughter = publishedState();
      daughter[M_Q] = held;
      partition(daughter, random, UNCAPPED);
      return daughter[M_Q];
    });
    const mean = amounts.reduce((sum, amount) => sum + amount, 0) / amounts.length;
    const variance = amounts.reduce((sum, amount) => sum + (amount - mean) ** 2, 0) / amounts.length;
    // The mother has one molecule more with the probability of the part; each goes to this daughter by a fair coin.
    const part = 2 * held - Math.floor(2 * held);
    const expected = held / 2 + (part * (1 - part)) / 4;
    expect(amounts.every(Number.isInteger)).toBe(true);
    expect(Math.abs(mean - held)).toBeLessThan(5 * Math.sqrt(expected / amounts.length));
    expect(Math.abs(variance / expected - 1)).toBeLessThan(held < 0.1 ? 0.25 : 0.06);
  },
);

test("nothing gets negative, however few there are", () => {
  const random = seedRandom(3);
  for (let n = 0; n < 500; n++) {
    const daughter = publishedState(0, 0.2);
    for (let i = 0; i < STATE_SIZE; i++) daughter[i] = Math.min(daughter[i] as number, 0.1 + (n % 7) / 4);
    partition(daughter, random, UNCAPPED);
    expect(Math.min(...daughter)).toBeGreaterThanOrEqual(0);
  }
});

test("a daughter engages no more than the cap, and loses no ribosome over it", () => {
  const random = seedRandom(4);
  const again = seedRandom(4);
  const cap = engagedRibosomes(publishedState());
  let released = 0;
  for (let n = 0; n < 50; n++) {
    const [capped, free] = [publishedState(), publishedState()];
    partition(capped, random, cap);
    partition(free, again, UNCAPPED);
    expect(engagedRibosomes(capped)).toBeLessThanOrEqual(cap * (1 + 1e-12));
    expect(totalRibosomes(capped)).toBeCloseTo(totalRibosomes(free), 6);
    if (engagedRibosomes(free) > cap) {
      released += 1;
      expect(capped[M_Q]).toBeGreaterThan(free[M_Q]);
    }
  }
  expect(released).toBeGreaterThan(10);
});

test("a cap that was lowered below what the mother engaged is left for the equations to reach", () => {
  const daughter = publishedState();
  const before = engagedRibosomes(daughter);
  partition(daughter, seedRandom(5), 100);
  expect(engagedRibosomes(daughter)).toBeGreaterThan(0.9 * before);
  expect(engagedRibosomes(daughter)).toBeLessThanOrEqual(before * (1 + 1e-12));
});
