import { hosted } from "@bioxen/cell-models";
import { cellModelContract } from "@bioxen/testkit/extensions";
import { expect, it } from "vitest";
import { cellModel } from "../src/index.ts";
import { STAND_IN } from "../src/organism.ts";

cellModelContract(cellModel);

it("grows as the organism says, and refuses to be another one", () => {
  const model = hosted(cellModel);
  const cell = model.boot({ biologicalType: "syn3a", allocation: STAND_IN.fullDemand, seed: 1 });
  expect(cell.sample().doublingTimeMinutes).toBeCloseTo(105, 9);
  expect(cell.advance(211)).toBe(2);
  expect(() => model.boot({ biologicalType: "ecoli", allocation: {}, seed: 1 })).toThrow(
    /biologicalType: is not one of the model organism-bridge: use syn3a/,
  );
});
