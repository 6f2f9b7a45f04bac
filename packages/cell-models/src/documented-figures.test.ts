/** Figures that the README and docs/model.md state and that no other test holds. */
import { describe, expect, test } from "vitest";
import { biologicalTypes, type CellResource, cellTypeOf, type ParameterSetName } from "./cell-types.ts";
import { steadyState } from "./steady-state.ts";

const SETS = [
  ...biologicalTypes.map((biologicalType) => ({ biologicalType, parameterSet: undefined })),
  { biologicalType: "ecoli", parameterSet: "weisse-2015" },
] as const;
type Cell = {
  readonly biologicalType: (typeof biologicalTypes)[number];
  readonly parameterSet?: ParameterSetName | undefined;
};

function at(cell: Cell, amounts: Partial<Record<CellResource, number>>) {
  const { fullDemand } = cellTypeOf(cell.biologicalType, cell.parameterSet);
  return steadyState({ ...cell, allocation: { ...fullDemand, ...amounts } });
}

function share(cell: Cell, resource: CellResource, part: number): number {
  return Math.round(cellTypeOf(cell.biologicalType, cell.parameterSet).fullDemand[resource] * part);
}

describe("the cap on ribosomes", () => {
  const step = (cell: Cell, part: number) => {
    const rnaPolymerases = share(cell, "rnaPolymerases", part);
    const ribosomes = share(cell, "ribosomes", 1);
    const below = at(cell, { rnaPolymerases, ribosomes: ribosomes - 1 });
    return 1 - below.growthRatePerMinute / at(cell, { rnaPolymerases }).growthRatePerMinute;
  };
  const [syn3a] = SETS;

  test("of syn3a, the step at the full demand is 1.4 % of λ at half the polymerases and 2.4 % at a tenth", () => {
    expect(syn3a.biologicalType).toBe("syn3a");
    expect(step(syn3a, 0.5)).toBeCloseTo(0.0135, 4);
    expect(step(syn3a, 0.1)).toBeCloseTo(0.0244, 4);
  });

  test("the step is at most 3.7 % in any type and set", () => {
    const steps = SETS.flatMap((cell) => [0.1, 0.3, 0.5, 0.7, 1].map((part) => step(cell, part)));
    expect(Math.max(...steps)).toBeCloseTo(0.0371, 3);
  });
});

test.each([
  ["syn3a", undefined, 1.32],
  ["minimal_cell", undefined, 1.19],
  ["ecoli", undefined, 1.51],
  ["ecoli", "weisse-2015", 1.67],
] as const)(
  "%s (%s) consumes at most %f times its allocation of ATP at rest",
  (biologicalType, parameterSet, limit) => {
    const cell = { biologicalType, parameterSet };
    const parts = Array.from({ length: 19 }, (_, i) => (i + 1) / 20);
    const uses = parts.map((part) => {
      const atpPerSecond = share(cell, "atpPerSecond", part);
      return at(cell, { atpPerSecond }).atpPerSecond / atpPerSecond;
    });
    expect(Math.max(...uses)).toBeCloseTo(limit, 2);
  },
);

test("the published set doubles in 28.74 min, and 0.6 of its polymerases make it 3.4 % faster", () => {
  const cell = { biologicalType: "ecoli", parameterSet: "weisse-2015" } as const;
  const full = at(cell, {});
  expect(full.doublingTimeMinutes).toBeCloseTo(28.744, 3);
  const fewer = at(cell, { rnaPolymerases: share(cell, "rnaPolymerases", 0.6) });
  expect(fewer.growthRatePerMinute / full.growthRatePerMinute).toBeCloseTo(1.034, 3);
});

test("φ_R of ecoli is right near τ = 40 min and too steep above: 0.243 at 29 min, measured 0.18 (Bremer & Dennis 2008)", () => {
  const rich = steadyState({ biologicalType: "ecoli", environment: { nutrientQuality: 0.5 } });
  expect(steadyState({ biologicalType: "ecoli" }).ribosomalMassFraction).toBeCloseTo(0.155, 3);
  expect(rich.doublingTimeMinutes).toBeCloseTo(29.02, 2);
  expect(rich.ribosomalMassFraction).toBeCloseTo(0.243, 3);
});

test("in the poor medium of docs/question-to-figure.md, 60 % of the ribosomes are as good as all; in the rich one, they are not", () => {
  const [syn3a] = SETS;
  const loss = (nutrientQuality: number): number => {
    const { fullDemand } = cellTypeOf("syn3a");
    const rate = (ribosomes: number) =>
      steadyState({
        biologicalType: "syn3a",
        allocation: { ...fullDemand, ribosomes },
        environment: { nutrientQuality },
      }).growthRatePerMinute;
    return 1 - rate(share(syn3a, "ribosomes", 0.6)) / rate(fullDemand.ribosomes);
  };
  expect(loss(0.05)).toBeLessThan(0.01);
  expect(loss(0.5)).toBeGreaterThan(0.2);
});
