import { hosted } from "@bioxen/cell-models";
import { cellModelContract } from "@bioxen/testkit/extensions";
import { describe, expect, it } from "vitest";
import { cellModel } from "../src/index.js";

cellModelContract(cellModel);

const model = hosted(cellModel);
const culture = (parameters: Readonly<Record<string, number>> = {}, more: object = {}) =>
  model.boot({
    biologicalType: "ecoli",
    allocation: { atpPerSecond: 100_000 },
    seed: 1,
    parameters,
    ...more,
  });

describe("the chemostat", () => {
  it.each([0.001, 0.003, 0.008])(
    "grows at rest as fast as it is diluted: D = %f per minute",
    (dilutionPerMinute) => {
      const cell = culture({ dilutionPerMinute });
      cell.advance(2_000);
      const { growthRatePerMinute, outputs } = cell.sample();
      expect(growthRatePerMinute).toBeCloseTo(dilutionPerMinute, 9);
      // S = K·D/(μ_max − D)
      expect(outputs?.["substrate"]).toBeCloseTo((0.1 * dilutionPerMinute) / (0.012 - dilutionPerMinute), 9);
    },
  );

  it("comes back to rest after a change of the feed", () => {
    const cell = culture();
    cell.setEnvironment({ feed: 20 });
    cell.advance(6_000);
    expect(cell.sample().growthRatePerMinute).toBeCloseTo(0.003, 9);
    expect(cell.sample().outputs?.["biomass"]).toBeCloseTo(0.5 * (20 - 1 / 30), 6);
  });

  it("is washed out when it is diluted faster than it can grow", () => {
    const cell = culture({ dilutionPerMinute: 0.02 });
    cell.advance(3_000);
    expect(cell.sample().outputs?.["biomass"]).toBeLessThan(1e-6);
  });

  it("has the parameters of its set, unless others are given", () => {
    const slow = { parameterSet: "slow", allocation: { atpPerSecond: 50_000 } };
    const rate = (parameters = {}) =>
      culture({ dilutionPerMinute: 0.02, ...parameters }, slow).sample().growthRatePerMinute;
    expect(rate()).toBeCloseTo((0.004 * 10) / 10.1, 12);
    expect(rate({ maxGrowthPerMinute: 0.006 })).toBeCloseTo((0.006 * 10) / 10.1, 12);
  });

  it("has no ribosomes to show", () => {
    const sample = culture().sample();
    expect(Object.keys(sample).sort()).toEqual(
      ["divisions", "doublingTimeMinutes", "growthRatePerMinute", "health", "outputs", "simMinutes"].sort(),
    );
  });
});
