import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createState, R, STATE_NAMES, STATE_SIZE, type StateVector } from "./state.ts";
import { modelOf, perturbed, published, publishedState } from "./testing.ts";
import { engagedRibosomes, type WeisseModel, weisseRates } from "./weisse.ts";
import { weisseJacobian } from "./weisse-jacobian.ts";

/** Exponents of 10, one per variable. */
const exponents = (decades: number) =>
  fc.array(fc.double({ min: -decades, max: decades, noNaN: true }), {
    minLength: STATE_SIZE,
    maxLength: STATE_SIZE,
  });

const N = STATE_SIZE;
/** Relative step of the central difference: its truncation error is 1e-10 of the largest term, its rounding error 1e-11. */
const STEP = 1e-5;

function differences(model: WeisseModel, y: StateVector): Float64Array {
  const result = new Float64Array(N * N);
  const [up, down] = [createState(), createState()];
  for (let j = 0; j < N; j++) {
    const h = STEP * (y[j] as number);
    const moved = createState();
    moved.set(y);
    moved[j] = (y[j] as number) + h;
    weisseRates(model, moved, up);
    moved[j] = (y[j] as number) - h;
    weisseRates(model, moved, down);
    for (let i = 0; i < N; i++) result[i * N + j] = ((up[i] as number) - (down[i] as number)) / (2 * h);
  }
  return result;
}

function expectEqualToDifferences(model: WeisseModel, y: StateVector): void {
  const exact = new Float64Array(N * N);
  weisseJacobian(model, y, exact);
  const numeric = differences(model, y);
  for (let i = 0; i < N; i++) {
    // The sum of the absolute values of all terms of the row: rounding errors of the rates are relative to it.
    let scale = 0;
    for (let j = 0; j < N; j++) scale += Math.abs((exact[i * N + j] as number) * (y[j] as number));
    for (let j = 0; j < N; j++) {
      const [a, b] = [exact[i * N + j] as number, numeric[i * N + j] as number];
      const allowed = 1e-6 * Math.abs(a) + (1e-9 * scale) / (y[j] as number);
      expect(
        Math.abs(a - b),
        `d(d${STATE_NAMES[i]}/dt)/d${STATE_NAMES[j]}: ${a}, by differences ${b}`,
      ).toBeLessThan(allowed + Number.MIN_VALUE);
    }
  }
}

describe("the Jacobian equals central differences", () => {
  const shares = fc.double({ min: 0.05, max: 1, noNaN: true });

  test.each([
    { name: "without limits", caps: [1e9], perPlace: 1 },
    { name: "with a soft cap in force or not", caps: [0.9, 1.0005, 1.002, 1.1], perPlace: 1 },
    { name: "with a hard cap in force or not", caps: [0.9, 1.00005, 1.1], perPlace: 100 },
  ])("$name", ({ caps, perPlace }) => {
    const arbitrary = fc.tuple(
      exponents(1.5),
      fc.constantFrom(...caps),
      shares,
      shares,
      fc.constantFrom(0, 4),
    );
    fc.assert(
      fc.property(arbitrary, ([by, cap, atpShare, transcriptionShare, chloramphenicolMicromolar]) => {
        const y = perturbed(publishedState(0.3, 50), by);
        const limits = {
          ribosomeCap: cap * engagedRibosomes(y),
          bindablePerPlace: perPlace,
          atpShare,
          transcriptionShare,
        };
        // Differences across the kink of the cap are meaningless: a step changes the places by at most STEP × engaged.
        const places = perPlace * (limits.ribosomeCap - engagedRibosomes(y));
        fc.pre(Math.abs(places - y[R]) > 3 * STEP * (perPlace * engagedRibosomes(y) + y[R]));
        expectEqualToDifferences(modelOf(published, limits, { chloramphenicolMicromolar }), y);
      }),
      { numRuns: 60 },
    );
  });

  test("where the throttle is at work", () => {
    const y = publishedState(0.3, 50);
    y[18] = 5e5;
    expectEqualToDifferences(modelOf(published), y);
  });
});
