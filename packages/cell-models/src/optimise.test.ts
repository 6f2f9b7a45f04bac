/**
 * An optimised allocation grows nearly as well as the largest one, and no part of it can be removed.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CellEnvironment } from "./allocation.ts";
import { biologicalTypes, type CellResource, cellTypeOf } from "./cell-types.ts";
import { OPTIMISE_TOLERANCE_PERMILLE, type Optimum, optimiseAllocation } from "./optimise.ts";
import { steadyState } from "./steady-state.ts";

/** Test timeout, ms, for hundreds of steady states; on a busy machine each takes ten times as long. */
const LIMIT_MS = 300_000;
const RATES = ["ribosomes", "rnaPolymerases", "atpPerSecond"] as const satisfies readonly CellResource[];
const KEPT = (1_000 - OPTIMISE_TOLERANCE_PERMILLE) / 1_000;

type Type = (typeof biologicalTypes)[number];

function growth(
  biologicalType: Type,
  environment: CellEnvironment,
  allocation: Record<string, number>,
): number {
  return steadyState({ biologicalType, environment, allocation }).growthRatePerMinute;
}

function expectOptimum(type: Type, environment: CellEnvironment, found: Optimum): void {
  const enough = KEPT * found.best.growthRatePerMinute;
  expect(growth(type, environment, found.allocation)).toBeGreaterThanOrEqual(enough);
  for (const name of RATES) {
    const amount = found.allocation[name];
    const less = { ...found.allocation, [name]: amount - Math.max(1, Math.ceil(amount / 100)) };
    expect(growth(type, environment, less), `${name} 1 % below ${amount}`).toBeLessThan(enough);
  }
}

describe("the smallest allocation for a cell", () => {
  it.each(
    biologicalTypes.flatMap((type) =>
      [{}, { nutrientQuality: 0.1 }, { chloramphenicolMicromolar: 4 }].map((environment) => ({
        type,
        environment,
      })),
    ),
  )(
    "of $type in $environment grows within 2 % of the best, and no resource can be 1 % less",
    ({ type, environment }) => {
      const found = optimiseAllocation({ biologicalType: type, environment });
      const best = steadyState({ biologicalType: type, environment });
      expect(found.best.growthRatePerMinute).toBe(best.growthRatePerMinute);
      expectOptimum(type, environment, found);
      expect(found.evaluations).toBeLessThan(100);
    },
    LIMIT_MS,
  );

  it(
    "is so within whatever it may have at most",
    () => {
      const share = fc.double({ min: 0.05, max: 1, noNaN: true });
      fc.assert(
        fc.property(fc.constantFrom(...biologicalTypes), share, share, share, (type, r, p, a) => {
          const full = cellTypeOf(type).fullDemand;
          const most = {
            ribosomes: Math.ceil(full.ribosomes * r),
            rnaPolymerases: Math.ceil(full.rnaPolymerases * p),
            atpPerSecond: Math.ceil(full.atpPerSecond * a),
          };
          const found = optimiseAllocation({ biologicalType: type, most });
          for (const name of RATES) expect(found.allocation[name]).toBeLessThanOrEqual(most[name]);
          expect(found.allocation.dnaKilobases).toBe(full.dnaKilobases);
          expectOptimum(type, {}, found);
        }),
        { numRuns: 4 },
      );
    },
    LIMIT_MS,
  );

  it("a cell that cannot grow keeps what it has, and equal questions have equal answers", () => {
    const most = { ribosomes: 0 };
    expect(optimiseAllocation({ biologicalType: "syn3a", most }).allocation.ribosomes).toBe(0);
    const ask = () => optimiseAllocation({ biologicalType: "minimal_cell" });
    expect(ask()).toEqual(ask());
  });
});
