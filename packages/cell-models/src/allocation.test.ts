import { describe, expect, test } from "vitest";
import { environmentBounds, limitsOf, surroundingsOf } from "./allocation.ts";
import { cellTypeOf } from "./cell-types.ts";
import { allocationOf } from "./testing.ts";

const syn3a = cellTypeOf("syn3a");

function problemsOf(attempt: () => unknown): string[] {
  try {
    attempt();
  } catch (error) {
    if (error instanceof RangeError) return error.message.split("; ");
    throw error;
  }
  return [];
}

describe("limits of an allocation", () => {
  test("ribosomes are a number, ATP and polymerases shares of at most 1", () => {
    const half = allocationOf("syn3a", { ribosomes: 252, atpPerSecond: 6624, rnaPolymerases: 94 });
    expect(limitsOf(syn3a, half)).toEqual({
      ribosomeCap: 252,
      bindablePerPlace: 1,
      atpShare: 6624 / 13247,
      transcriptionShare: 94 / 187,
    });
    const rich = allocationOf("syn3a", { ribosomes: 10_000, atpPerSecond: 1e9, rnaPolymerases: 1e6 });
    expect(limitsOf(syn3a, rich)).toEqual({
      ribosomeCap: 10_000,
      bindablePerPlace: 100,
      atpShare: 1,
      transcriptionShare: 1,
    });
  });

  test("what is not named is none", () => {
    expect(limitsOf(syn3a, {})).toMatchObject({ ribosomeCap: 0, atpShare: 0, transcriptionShare: 0 });
  });

  test("DNA changes nothing", () => {
    expect(limitsOf(syn3a, allocationOf("syn3a", { dnaKilobases: 1 }))).toEqual(
      limitsOf(syn3a, syn3a.fullDemand),
    );
  });

  test("every problem is named at once", () => {
    const bad = {
      ribosomes: -1,
      rnaPolymerases: 1.5,
      atpPerSecond: Number.NaN,
      dnaKilobases: 2 ** 53,
      vcpus: 2,
    };
    const problems = problemsOf(() => limitsOf(syn3a, bad));
    expect(problems.map((problem) => problem.split(":")[0])).toEqual([
      "ribosomes",
      "rnaPolymerases",
      "atpPerSecond",
      "dnaKilobases",
      "vcpus",
    ]);
  });
});

describe("surroundings of an environment", () => {
  test("default to the type's", () => {
    expect(surroundingsOf(syn3a, {})).toEqual(syn3a.surroundings);
    expect(surroundingsOf(syn3a, { substrate: 0 })).toEqual({ ...syn3a.surroundings, substrate: 0 });
    expect(surroundingsOf(syn3a, { nutrientQuality: undefined })).toEqual(syn3a.surroundings);
  });

  test("accept the bounds themselves and nothing beyond, below or beside numbers", () => {
    expect(problemsOf(() => surroundingsOf(syn3a, environmentBounds))).toEqual([]);
    const bad = {
      nutrientQuality: 10.001,
      substrate: -1e-9,
      chloramphenicolMicromolar: Number.POSITIVE_INFINITY,
      temperature: 37,
    };
    expect(problemsOf(() => surroundingsOf(syn3a, bad))).toEqual([
      "nutrientQuality: 10.001 is not a number from 0 to 10",
      "substrate: -1e-9 is not a number from 0 to 1000000000",
      "chloramphenicolMicromolar: Infinity is not a number from 0 to 1000",
      "temperature: is not part of an environment (nutrientQuality, substrate, chloramphenicolMicromolar)",
    ]);
    expect(problemsOf(() => surroundingsOf(syn3a, { substrate: Number.NaN }))).toHaveLength(1);
    expect(problemsOf(() => surroundingsOf(syn3a, { substrate: "5" as unknown as number }))).toHaveLength(1);
  });
});
