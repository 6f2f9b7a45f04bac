import { FULL_DEMAND } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { burstAmounts, burstProblems } from "./burst.ts";

const FULL = FULL_DEMAND.syn3a;

describe("a burst", () => {
  it("is what is named, shares of the full demand", () => {
    expect(burstAmounts({ ribosomes: "50%", atpPerSecond: 20_000 }, FULL)).toEqual({
      ribosomes: 252,
      atpPerSecond: 20_000,
    });
    expect(burstAmounts({}, FULL)).toEqual({});
  });

  it("names everything that is wrong with it", () => {
    expect(burstProblems("basic", { ribosomes: 100 }, { ribosomes: 100 })).toEqual([]);
    expect(burstProblems("basic", { ribosomes: 100 }, { ribosomes: 99, dnaKilobases: 600 })).toMatchObject([
      { path: "burst.ribosomes", message: "is 99, below the request of 100" },
      { path: "burst.dnaKilobases" },
    ]);
    expect(burstProblems("xcpng", {}, {})).toMatchObject([{ path: "burst" }]);
  });
});
