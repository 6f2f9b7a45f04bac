import { describe, expect, test } from "vitest";
import { biologicalTypes, cellTypeOf } from "./cell-types.ts";
import { steadyState } from "./steady-state.ts";

describe("reference growth at full demand", () => {
  test.each([
    { biologicalType: "syn3a", doubling: 105, ribosomes: 503 },
    { biologicalType: "ecoli", doubling: 40, ribosomes: 26300 },
    { biologicalType: "minimal_cell", doubling: 180, ribosomes: 368 },
  ] as const)("$biologicalType doubles in $doubling min with $ribosomes ribosomes", (expected) => {
    const { doublingTimeMinutes, ribosomes, settled, relativeGrowthRate } = steadyState(expected);
    expect(settled).toBe(true);
    expect(doublingTimeMinutes).toBeCloseTo(expected.doubling, 3);
    expect(Math.abs(ribosomes.total / expected.ribosomes - 1)).toBeLessThan(1e-3);
    expect(relativeGrowthRate).toBeCloseTo(1, 5);
  });

  test.each(biologicalTypes)(
    "%s spends the ATP of its full demand, to the rounded molecule",
    (biologicalType) => {
      const demand = cellTypeOf(biologicalType).fullDemand.atpPerSecond;
      expect(Math.abs(steadyState({ biologicalType }).atpPerSecond / demand - 1)).toBeLessThan(1e-4);
    },
  );

  test("four fifths of the ribosomes are engaged, as both fits ask", () => {
    for (const biologicalType of ["syn3a", "ecoli"] as const) {
      const { engaged, total } = steadyState({ biologicalType }).ribosomes;
      expect(engaged / total).toBeCloseTo(0.8, 4);
    }
  });

  test("what was not fitted is near what was measured: ecoli 18 ± 1 aa/s and φ_R 0.153", () => {
    const ecoli = steadyState({ biologicalType: "ecoli" });
    expect(ecoli.elongationPerSecond).toBeGreaterThan(17);
    expect(ecoli.elongationPerSecond).toBeLessThan(19);
    expect(ecoli.ribosomalMassFraction).toBeCloseTo(0.153, 2);
    expect(steadyState({ biologicalType: "syn3a" }).ribosomalMassFraction).toBeCloseTo(0.1115, 4);
  });
});

describe("the catalogue", () => {
  test("is frozen: a cell cannot change what the next one boots from", () => {
    for (const biologicalType of biologicalTypes) {
      const type = cellTypeOf(biologicalType);
      for (const part of [type, type.parameters, type.surroundings, type.fullDemand]) {
        expect(Object.isFrozen(part)).toBe(true);
      }
    }
    expect(Object.isFrozen(cellTypeOf("ecoli", "weisse-2015").parameters)).toBe(true);
  });

  test("refuses what it does not have, by name", () => {
    expect(() => cellTypeOf("yeast" as "ecoli")).toThrow(
      'biologicalType: "yeast" is none of syn3a, ecoli, minimal_cell',
    );
    expect(() => cellTypeOf("ecoli", "mine" as "default")).toThrow('parameterSet: "mine"');
    expect(() => cellTypeOf("syn3a", "weisse-2015")).toThrow("published for ecoli, not for syn3a");
    expect(() => cellTypeOf("toString" as "ecoli")).toThrow(RangeError);
  });
});
