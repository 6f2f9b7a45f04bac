import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BiologicalType, biologicalTypes, type CellResource, cellTypeOf } from "./cell-types.ts";
import { STATE_NAMES } from "./state.ts";
import { doublingTime, referenceState, settle, steadyState } from "./steady-state.ts";
import { allocationOf, modelOf, published, publishedState } from "./testing.ts";
import { engagedRibosomes, growthRate, type Limits, totalRibosomes } from "./weisse.ts";

const WEISSE = { biologicalType: "ecoli", parameterSet: "weisse-2015" } as const;

/** Returns λ and total ribosomes of the published cell at rest, under limits that no allocation can express. */
function settledUnder(limits: Partial<Limits>, parameters = published.parameters) {
  const y = referenceState(published);
  expect(settle(modelOf(published, limits, {}, parameters), published, y)).toBe(true);
  return { growth: growthRate(parameters, y), ribosomes: totalRibosomes(y), engaged: engagedRibosomes(y) };
}

describe("the published model, against an independent stiff solver (BDF, rtol 1e-10)", () => {
  test.each([
    { environment: {}, growth: 0.02411453378174, fraction: 0.24071109451 },
    { environment: { chloramphenicolMicromolar: 4 }, growth: 0.01538862032318, fraction: 0.32725230876 },
    { environment: { nutrientQuality: 0.16651064 }, growth: 0.0104689311041, fraction: 0.18382934685 },
    { environment: { nutrientQuality: 0.08 }, growth: 0.00565415115728, fraction: 0.15699320872 },
    { environment: { substrate: 1000 }, growth: 0.01559286811456, fraction: 0.20660052656 },
    {
      environment: { nutrientQuality: 0.24022489, chloramphenicolMicromolar: 12 },
      growth: 0.00258586515854,
      fraction: 0.50257118577,
    },
  ])("in $environment", ({ environment, growth, fraction }) => {
    const state = steadyState({ ...WEISSE, environment });
    expect(Math.abs(state.growthRatePerMinute / growth - 1)).toBeLessThan(1e-9);
    expect(Math.abs(state.ribosomalMassFraction / fraction - 1)).toBeLessThan(1e-8);
    expect(state.settled).toBe(true);
  });

  test("every variable of the default steady state", () => {
    const y = referenceState(published);
    const expected = publishedState();
    for (let i = 1; i < expected.length; i++) {
      const [is, should] = [y[i] as number, expected[i] as number];
      expect(Math.abs(is - should), STATE_NAMES[i]).toBeLessThanOrEqual(1e-6 * should);
    }
    const { ribosomes, elongationPerSecond } = steadyState(WEISSE);
    expect(ribosomes.total).toBeCloseTo(3188.649, 3);
    expect(ribosomes.engaged / ribosomes.total).toBeCloseTo(0.99239, 5);
    expect(elongationPerSecond).toBeCloseTo(762.06 / 60, 3);
  });

  test("with limits combined", () => {
    expect(settledUnder({ ribosomeCap: 1600 }).growth).toBeCloseTo(0.013702, 6);
    expect(settledUnder({ ribosomeCap: 3200, atpShare: 0.5 }).growth).toBeCloseTo(0.014484, 6);
    expect(settledUnder({ ribosomeCap: 1600, atpShare: 0.5 }).growth).toBeCloseTo(0.010351, 6);
    const three = settledUnder({ ribosomeCap: 1600, atpShare: 0.5, transcriptionShare: 0.5 });
    expect(three.growth).toBeCloseTo(0.010922, 6);
    const quarter = settledUnder({ ribosomeCap: 800, atpShare: 0.25, transcriptionShare: 0.25 });
    expect(quarter.growth).toBeCloseTo(0.005146, 6);
  });

  test("a capped cell makes more ribosomes and engages fewer", () => {
    expect(settledUnder({ ribosomeCap: 4000 }).ribosomes).toBeCloseTo(3189, 0);
    expect(settledUnder({ ribosomeCap: 2500 }).ribosomes).toBeCloseTo(3750, -1);
    expect(settledUnder({ ribosomeCap: 1000 }).ribosomes).toBeCloseTo(5417, -1);
    expect(settledUnder({ ribosomeCap: 1000 }).engaged).toBeLessThan(1000);
  });

  test("less transcription is at first no slower growth, unless ribosomes bind weakly (Nikolados' k_b)", () => {
    expect(settledUnder({ transcriptionShare: 0.6 }).growth / 0.02411453378).toBeCloseTo(1.0339, 4);
    const weak = { ...published.parameters, binding: 0.0095 };
    expect(settledUnder({}, weak).growth).toBeCloseTo(0.020156, 6);
    expect(settledUnder({ transcriptionShare: 0.5 }, weak).growth).toBeCloseTo(0.018379, 6);
  });
});

/** Returns the doubling time in minutes for an exact share. Allocations are whole numbers, so λ is interpolated between two. */
function doublingAtShare(biologicalType: BiologicalType, resource: CellResource, share: number): number {
  const exact = cellTypeOf(biologicalType).fullDemand[resource] * share;
  const growth = (amount: number) =>
    steadyState({ biologicalType, allocation: allocationOf(biologicalType, { [resource]: amount }) })
      .growthRatePerMinute;
  const below = Math.floor(exact);
  const part = exact - below;
  const mixed = part === 0 ? growth(below) : growth(below) * (1 - part) + growth(below + 1) * part;
  return Math.LN2 / mixed;
}

describe("shares of the full demand slow a cell by the reference table, within 0.5 %", () => {
  const resources = ["ribosomes", "atpPerSecond", "rnaPolymerases"] as const;
  test.each([
    { type: "ecoli", share: 1, expected: [40, 40, 40] },
    { type: "ecoli", share: 0.9, expected: [40.7, 42.4, 40.9] },
    { type: "ecoli", share: 0.75, expected: [44.5, 47.7, 42.8] },
    { type: "ecoli", share: 0.5, expected: [63.2, 65.1, 47.8] },
    { type: "ecoli", share: 0.25, expected: [117.1, 119.1, 58.7] },
    { type: "ecoli", share: 0.1, expected: [273.7, 276.6, 78.2] },
    { type: "syn3a", share: 1, expected: [105, 105, 105] },
    { type: "syn3a", share: 0.9, expected: [107.6, 113.5, 106.3] },
    { type: "syn3a", share: 0.75, expected: [116.1, 131.1, 109.2] },
    { type: "syn3a", share: 0.5, expected: [150.6, 185.0, 118.2] },
    { type: "syn3a", share: 0.25, expected: [259.0, 345.8, 140.4] },
    { type: "syn3a", share: 0.1, expected: [591.3, 817.3, 182.7] },
    { type: "minimal_cell", share: 1, expected: [180, 180, 180] },
    { type: "minimal_cell", share: 0.75, expected: [198.8, 232.3, 180.8] },
    { type: "minimal_cell", share: 0.5, expected: [241.8, 336.0, 185.1] },
    { type: "minimal_cell", share: 0.25, expected: [381.3, 642.0, 202.8] },
  ] as const)("$type at $share", ({ type, share, expected }) => {
    resources.forEach((resource, i) => {
      const doubling = doublingAtShare(type, resource, share);
      expect(Math.abs(doubling / (expected[i] as number) - 1), `${resource}: ${doubling} min`).toBeLessThan(
        0.005,
      );
    });
  });

  test("a request of 50 % rounds up to 252 ribosomes of syn3a and doubles in 150.6 min", () => {
    const allocation = allocationOf("syn3a", { ribosomes: 252 });
    const { doublingTimeMinutes } = steadyState({ biologicalType: "syn3a", allocation });
    expect(Math.abs((doublingTimeMinutes as number) / 150.6 - 1)).toBeLessThan(0.005);
  });
});

describe("laws", () => {
  const type = fc.constantFrom(...biologicalTypes);

  test("more of a resource is never slower growth, and less than everything never faster", () => {
    const resource = fc.constantFrom<CellResource>("ribosomes", "atpPerSecond", "rnaPolymerases");
    const share = fc.double({ min: 0.02, max: 1.2, noNaN: true });
    fc.assert(
      fc.property(type, resource, share, share, (biologicalType, name, a, b) => {
        const full = cellTypeOf(biologicalType).fullDemand[name];
        const [less, more] = [Math.ceil(Math.min(a, b) * full), Math.ceil(Math.max(a, b) * full)];
        const growth = (amount: number) =>
          steadyState({ biologicalType, allocation: allocationOf(biologicalType, { [name]: amount }) })
            .relativeGrowthRate;
        expect(growth(less)).toBeLessThanOrEqual(growth(more) * (1 + 1e-7));
        expect(growth(more)).toBeLessThanOrEqual(1 + 1e-5);
      }),
      { numRuns: 60 },
    );
  });

  test("protein mass comes to M, and ribosomes engage within their cap, under any allocation that grows", () => {
    const share = fc.double({ min: 0.05, max: 1, noNaN: true });
    fc.assert(
      fc.property(type, share, share, share, (biologicalType, ribosomes, atp, polymerases) => {
        const { fullDemand, parameters } = cellTypeOf(biologicalType);
        const allocation = {
          ribosomes: Math.ceil(ribosomes * fullDemand.ribosomes),
          atpPerSecond: Math.ceil(atp * fullDemand.atpPerSecond),
          rnaPolymerases: Math.ceil(polymerases * fullDemand.rnaPolymerases),
        };
        const state = steadyState({ biologicalType, allocation });
        expect(state.settled).toBe(true);
        expect(Math.abs(state.proteinAminoAcids / parameters.mass - 1)).toBeLessThan(1e-6);
        expect(state.ribosomes.engaged).toBeLessThanOrEqual(allocation.ribosomes);
        // λ·M is the translation rate, which costs 4 ATP per amino acid.
        const translated = (state.atpPerSecond * 60) / 4;
        expect(Math.abs((state.growthRatePerMinute * parameters.mass) / translated - 1)).toBeLessThan(1e-12);
      }),
      { numRuns: 40 },
    );
  });

  test.each([...biologicalTypes.map((t) => ({ biologicalType: t })), WEISSE])(
    "growth laws: $biologicalType $parameterSet",
    (which) => {
      const base = cellTypeOf(
        which.biologicalType,
        (which as { parameterSet?: "weisse-2015" }).parameterSet,
      ).surroundings;
      const unlimited = { ribosomes: 1_000_000, rnaPolymerases: 1_000_000, atpPerSecond: 1_000_000_000 };
      const at = (environment: object) => steadyState({ ...which, allocation: unlimited, environment });
      const byNutrient = [0.16, 0.23, 0.33, 0.48, 0.7, 1].map((f) =>
        at({ nutrientQuality: base.nutrientQuality * f }),
      );
      const bySubstrate = [200, 1000, 5000, 1e4].map((substrate) => at({ substrate }));
      const byDrug = [0, 2, 4, 8].map((chloramphenicolMicromolar) => at({ chloramphenicolMicromolar }));
      for (const series of [byNutrient, bySubstrate]) {
        // Richer medium: faster growth and a larger ribosomal fraction (first law).
        for (let i = 1; i < series.length; i++) {
          expect(series[i]?.growthRatePerMinute).toBeGreaterThan(
            series[i - 1]?.growthRatePerMinute as number,
          );
          expect(series[i]?.ribosomalMassFraction).toBeGreaterThan(
            series[i - 1]?.ribosomalMassFraction as number,
          );
        }
      }
      // Ribosomes blocked: slower growth and a larger ribosomal fraction (second law).
      for (let i = 1; i < byDrug.length; i++) {
        expect(byDrug[i]?.growthRatePerMinute).toBeLessThan(byDrug[i - 1]?.growthRatePerMinute as number);
        expect(byDrug[i]?.ribosomalMassFraction).toBeGreaterThan(
          byDrug[i - 1]?.ribosomalMassFraction as number,
        );
      }
    },
  );
});

describe("the bounds of a boot", () => {
  test.each([
    {
      name: "a hundred-thousandth of the growth",
      change: { atpPerSecond: 14 },
      environment: { nutrientQuality: 0.002 },
    },
    { name: "one ribosome", change: { ribosomes: 1 }, environment: {} },
    { name: "one polymerase", change: { rnaPolymerases: 1 }, environment: {} },
    { name: "rich in everything", change: {}, environment: { nutrientQuality: 10, substrate: 1e9 } },
  ])("$name settles all the same", ({ change, environment }) => {
    const state = steadyState({
      biologicalType: "syn3a",
      allocation: allocationOf("syn3a", change),
      environment,
    });
    expect(state.settled).toBe(true);
    expect(state.doublingTimeMinutes).not.toBeNull();
    expect(state.proteinAminoAcids / 3.01e7).toBeCloseTo(1, 6);
  });

  test("a cell that swings for ever is reported as not settled, in a sound state", () => {
    const allocation = allocationOf("syn3a", { ribosomes: 453 });
    const environment = { nutrientQuality: 0.1, chloramphenicolMicromolar: 10 };
    const state = steadyState({ biologicalType: "syn3a", allocation, environment });
    expect(state.settled).toBe(false);
    expect(state.relativeGrowthRate).toBeGreaterThan(0.01);
    expect(state.relativeGrowthRate).toBeLessThan(0.5);
    expect(state.ribosomes.engaged).toBeLessThanOrEqual(453);
  });
});

describe("no growth", () => {
  test.each([
    { name: "no ATP", allocation: allocationOf("syn3a", { atpPerSecond: 0 }), environment: {} },
    { name: "no ribosomes", allocation: allocationOf("syn3a", { ribosomes: 0 }), environment: {} },
    { name: "no polymerases", allocation: allocationOf("syn3a", { rnaPolymerases: 0 }), environment: {} },
    { name: "nothing", allocation: {}, environment: {} },
    { name: "no substrate", allocation: allocationOf("syn3a"), environment: { substrate: 0 } },
    {
      name: "1 mM chloramphenicol",
      allocation: allocationOf("syn3a"),
      environment: { chloramphenicolMicromolar: 1000 },
    },
  ])("$name", ({ allocation, environment }) => {
    const state = steadyState({ biologicalType: "syn3a", allocation, environment });
    expect(state.doublingTimeMinutes).toBeNull();
    expect(state.relativeGrowthRate).toBeLessThan(1e-9);
    expect(state.settled).toBe(true);
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
  });

  test("a doubling time is minutes, or null from 1900 years on", () => {
    expect(doublingTime(Math.LN2 / 105)).toBeCloseTo(105, 10);
    expect(doublingTime(1e-10)).toBeNull();
    expect(doublingTime(0)).toBeNull();
  });
});
