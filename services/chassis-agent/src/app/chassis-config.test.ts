import { describe, expect, it } from "vitest";
import { parseOversubscription, parseOwnChassis } from "./chassis-config.ts";

describe("the chassis of an agent", () => {
  it("are numbered by type", () => {
    expect(parseOwnChassis("ecoli:2,yeast").map((one) => one.chassisId)).toEqual([
      "ecoli-1",
      "ecoli-2",
      "yeast-1",
    ]);
    expect(parseOwnChassis("")).toEqual([]);
  });

  it("are rejected with a list of every problem", () => {
    expect(() => parseOwnChassis("moon:1,ecoli:0,yeast:1,yeast:2")).toThrow(
      /moon:1: the type.*ecoli:0: the number.*yeast:2: yeast is named twice/,
    );
  });
});

describe("the oversubscription of its chassis", () => {
  it("is a share in permille by resource, or absent", () => {
    expect(parseOversubscription("ribosomes=1500, atpPerSecond=2000")).toEqual({
      ribosomes: 1_500,
      atpPerSecond: 2_000,
    });
    expect(parseOversubscription("")).toBeUndefined();
  });

  it("is rejected below 1000, above the limit, for a resource that is not a rate, and without a number", () => {
    for (const text of ["ribosomes=999", "ribosomes=4001", "dnaKilobases=2000", "ribosomes"]) {
      expect(() => parseOversubscription(text)).toThrow(/ribosomes|dnaKilobases/);
    }
  });
});
