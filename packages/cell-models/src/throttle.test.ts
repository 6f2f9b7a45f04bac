/**
 * The size of the one deviation of `weisse-2015` from the published model: import is throttled near the energy pool. The
 * README and the declaration of the set name these figures.
 */
import { expect, it } from "vitest";
import { createSolver, FIRST_STEP_MINUTES } from "./solver.ts";
import { A, createState } from "./state.ts";
import { settle } from "./steady-state.ts";
import { modelOf, published, publishedState } from "./testing.ts";
import { growthRate } from "./weisse.ts";

/** A pool that no energy comes near: the published equations. */
const NO_THROTTLE = 1e15;

/** Returns λ after these minutes, and the largest energy, of a shift of nutrient quality from 0.1 to 0.5. */
function shifted(energyPool: number, minutes: readonly number[]) {
  const parameters = { ...published.parameters, energyPool };
  const poor = modelOf(published, {}, { nutrientQuality: 0.1 }, parameters);
  const y = createState();
  y.set(publishedState());
  expect(settle(poor, published, y)).toBe(true);
  const solver = createSolver(modelOf(published, {}, { nutrientQuality: 0.5 }, parameters));
  const rates: number[] = [];
  let [step, energy] = [FIRST_STEP_MINUTES, 0];
  for (let minute = 1; minute <= Math.max(...minutes); minute += 1) {
    step = solver.integrate(y, 1, step);
    energy = Math.max(energy, y[A]);
    if (minutes.includes(minute)) rates.push(growthRate(parameters, y));
  }
  return { rates, energy };
}

it("the throttle changes λ after a shift to better nutrient as the documents say", () => {
  const minutes = [5, 20, 60];
  const without = shifted(NO_THROTTLE, minutes);
  const { rates } = shifted(published.parameters.energyPool, minutes);
  const percent = rates.map((rate, i) => 100 * (rate / (without.rates[i] ?? 0) - 1));
  expect(percent).toEqual([expect.closeTo(-20, 0), expect.closeTo(4, 0), expect.closeTo(8.3, 0)]);
  expect(without.energy).toBeCloseTo(1.29e6, -4);
});
