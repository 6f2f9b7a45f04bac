import { describe, expect, test } from "vitest";
import { Cell } from "./cell.ts";
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

describe("the full demand of the published cell", () => {
  const WEISSE = { biologicalType: "ecoli", parameterSet: "weisse-2015" } as const;
  const full = cellTypeOf("ecoli", "weisse-2015").fullDemand;

  test("is what the cell uses at rest", () => {
    const { ribosomes, atpPerSecond, relativeGrowthRate } = steadyState(WEISSE);
    expect(Math.ceil(ribosomes.total)).toBe(full.ribosomes);
    expect(Math.ceil(atpPerSecond)).toBe(full.atpPerSecond);
    expect(relativeGrowthRate).toBeCloseTo(1, 9);
  });

  test("lets the cell follow the paper where it makes more ribosomes: as with any larger allocation", () => {
    const more = cellTypeOf("ecoli").fullDemand;
    for (const environment of [{}, { nutrientQuality: 2 }, { chloramphenicolMicromolar: 8 }]) {
      const [own, larger] = [full, more].map((allocation) =>
        Cell.boot({ ...WEISSE, allocation, environment, seed: 1 }),
      );
      own?.advance(120);
      larger?.advance(120);
      expect(own?.snapshot().state).toEqual(larger?.snapshot().state);
    }
    const drugged = steadyState({ ...WEISSE, environment: { chloramphenicolMicromolar: 8 } });
    expect(drugged.ribosomes.total).toBeGreaterThan(full.ribosomes * 1.2);
  });

  test.each(["ribosomes", "rnaPolymerases", "atpPerSecond"] as const)(
    "halved in %s changes growth",
    (name) => {
      const allocation = { ...full, [name]: Math.ceil(full[name] / 2) };
      const { relativeGrowthRate } = steadyState({ ...WEISSE, allocation });
      expect(Math.abs(relativeGrowthRate - 1)).toBeGreaterThan(0.01);
    },
  );
});
