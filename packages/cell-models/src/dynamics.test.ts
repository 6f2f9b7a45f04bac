import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { limitsOf } from "./allocation.ts";
import { Cell } from "./cell.ts";
import type { CellOptions } from "./cell-options.ts";
import { cellTypeOf } from "./cell-types.ts";
import { Rosenbrock } from "./rosenbrock.ts";
import { createSolver, FIRST_STEP_MINUTES } from "./solver.ts";
import { createState, STATE_SIZE, type StateVector } from "./state.ts";
import { referenceState, settle } from "./steady-state.ts";
import { allocationOf, modelOf, perturbed, published } from "./testing.ts";
import { growthRate, isAdmissible, weisseRates } from "./weisse.ts";
import { weisseJacobian } from "./weisse-jacobian.ts";

const WEISSE: CellOptions = {
  biologicalType: "ecoli",
  parameterSet: "weisse-2015",
  allocation: published.fullDemand,
  seed: 7,
};
const HALF_ATP = { ...WEISSE, allocation: { ...published.fullDemand, atpPerSecond: 80382 } };

function growthAfter(cell: Cell, minutes: readonly number[]): number[] {
  const start = cell.simMinutes;
  return minutes.map((minute) => {
    cell.advance(start + minute - cell.simMinutes);
    return cell.sample().growthRatePerMinute;
  });
}

describe("transients of the published cell, against the reference", () => {
  test("ATP halved: λ at 5, 60 and 300 min", () => {
    const cell = Cell.boot(WEISSE);
    cell.setAllocation(HALF_ATP.allocation);
    expect(cell.sample().growthRatePerMinute).toBeCloseTo(0.024114534, 8);
    const [at5, at60, at300] = growthAfter(cell, [5, 60, 300]) as [number, number, number];
    expect(at5).toBeCloseTo(0.01207, 5);
    expect(at60).toBeCloseTo(0.01249, 5);
    expect(at300).toBeCloseTo(0.01453, 5);
  });

  test("ATP given back: λ overshoots, then settles", () => {
    const cell = Cell.boot(HALF_ATP);
    expect(cell.sample().growthRatePerMinute).toBeCloseTo(0.014484, 6);
    cell.setAllocation(WEISSE.allocation);
    const [at5, at60, at300] = growthAfter(cell, [5, 60, 300]) as [number, number, number];
    expect(at5).toBeCloseTo(0.02871, 5);
    expect(at60).toBeCloseTo(0.02459, 5);
    expect(at300).toBeCloseTo(0.02411, 5);
  });

  test("no ribosomes for 600 min: growth stops and energy stays bounded by the throttle", () => {
    const cell = Cell.boot(WEISSE);
    cell.setAllocation(allocationOf("ecoli", { ribosomes: 0 }));
    cell.advance(600);
    const { atp, growthRatePerMinute, ribosomes } = cell.sample();
    expect(atp.molecules / 3.1e6).toBeCloseTo(1, 1);
    expect(growthRatePerMinute).toBeLessThan(1e-15);
    expect(ribosomes.engaged).toBeLessThan(1e-9);
    cell.setAllocation(allocationOf("ecoli", { ribosomes: 100 }));
    expect(growthAfter(cell, [300])[0]).toBeCloseTo(0.00126, 5);
  });
});

describe("solver tolerance", () => {
  /** The same equations 1000 times more accurately, at several times the cost. */
  function strictSolver(model: ReturnType<typeof modelOf>) {
    return new Rosenbrock<StateVector>(
      {
        size: STATE_SIZE,
        rates: (y, out) => weisseRates(model, y, out),
        jacobian: (y, out) => weisseJacobian(model, y, out),
        admissible: (from, to) => isAdmissible(model, from, to),
      },
      { relative: 1e-8, absolute: new Float64Array(STATE_SIZE).fill(1e-10) },
      createState,
    );
  }

  test.each([
    { name: "ATP to a tenth", limits: { atpShare: 0.1 }, surroundings: {} },
    { name: "ribosomes halved", limits: { ribosomeCap: 252 }, surroundings: {} },
    { name: "polymerases to a tenth", limits: { transcriptionShare: 0.1 }, surroundings: {} },
    { name: "chloramphenicol", limits: {}, surroundings: { chloramphenicolMicromolar: 4 } },
    { name: "rich medium", limits: {}, surroundings: { nutrientQuality: 0.5 } },
  ])("$name and back: λ is within 1e-6 of the reference rate all the way", ({ limits, surroundings }) => {
    const type = cellTypeOf("syn3a");
    const full = modelOf(type, { ribosomeCap: 503, bindablePerPlace: 100 });
    const changed = modelOf(type, { ribosomeCap: 503, bindablePerPlace: 100, ...limits }, surroundings);
    for (const [from, to] of [
      [full, changed],
      [changed, full],
    ] as const) {
      const [y, exact] = [referenceState(type), createState()];
      settle(from, type, y);
      exact.set(y);
      const [solver, strict] = [createSolver(to), strictSolver(to)];
      let [step, strictStep] = [FIRST_STEP_MINUTES, FIRST_STEP_MINUTES];
      for (let minute = 0; minute < 40; minute++) {
        step = solver.integrate(y, 1, step);
        strictStep = strict.integrate(exact, 1, strictStep);
        const error = growthRate(type.parameters, y) - growthRate(type.parameters, exact);
        expect(Math.abs(error / type.referenceGrowthRate)).toBeLessThan(1e-6);
      }
    }
  });
});

describe("positivity", () => {
  test("from any proportion of its parts a cell comes back to its steady state, never through negative amounts", () => {
    const exponents = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), {
      minLength: STATE_SIZE,
      maxLength: STATE_SIZE,
    });
    fc.assert(
      fc.property(fc.constantFrom(published, cellTypeOf("ecoli")), exponents, (type, by) => {
        const model = modelOf(type, limitsOf(type, type.fullDemand));
        const y = perturbed(referenceState(type), by);
        const solver = createSolver(model);
        let step = 1;
        for (let minute = 0; minute < 200; minute++) {
          step = solver.integrate(y, 1, step);
          expect(Math.min(...y)).toBeGreaterThanOrEqual(0);
        }
        expect(settle(model, type, y)).toBe(true);
        expect(growthRate(type.parameters, y) / type.referenceGrowthRate).toBeCloseTo(1, 5);
      }),
      { numRuns: 15 },
    );
  });

  test("the published initial state boots slowly, as reported: λ is 5.8e-8 after 200 min", () => {
    const y = createState();
    y[13] = 10;
    y[18] = 1000;
    let step = FIRST_STEP_MINUTES;
    const solver = createSolver(modelOf(published));
    for (let minute = 0; minute < 200; minute++) step = solver.integrate(y, 1, step);
    expect(growthRate(published.parameters, y) * 1e8).toBeCloseTo(5.8, 1);
  });
});
