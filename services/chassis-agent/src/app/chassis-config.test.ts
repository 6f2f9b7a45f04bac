import { describe, expect, it } from "vitest";
import { parseOwnChassis } from "./chassis-config.ts";

describe("the chassis an agent brings", () => {
  it("are numbered by type", () => {
    expect(parseOwnChassis("ecoli:2,yeast").map((one) => one.chassisId)).toEqual([
      "ecoli-1",
      "ecoli-2",
      "yeast-1",
    ]);
    expect(parseOwnChassis("")).toEqual([]);
  });

  it("every problem is named", () => {
    expect(() => parseOwnChassis("moon:1,ecoli:0,yeast:1,yeast:2")).toThrow(
      /moon:1: the type.*ecoli:0: the number.*yeast:2: yeast is named twice/,
    );
  });
});
