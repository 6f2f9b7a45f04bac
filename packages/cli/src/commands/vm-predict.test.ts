import { Cell } from "@bioxen/cell-models";
import { describe, expect, it } from "vitest";
import { MAX_PREDICTIONS, predict } from "./vm-predict.ts";

describe("vm predict", () => {
  it("predicts the growth of a cell that was left alone for a long time", () => {
    const [prediction] = predict({ type: "ecoli", ribosomes: ["50%"], nutrient: [0.2] }).predictions;
    const cell = Cell.boot({
      biologicalType: "ecoli",
      seed: 1,
      allocation: prediction?.allocation ?? {},
      environment: { nutrientQuality: 0.2 },
    });
    cell.advance(1_440);
    expect(prediction?.allocation).toMatchObject({ ribosomes: 13_150, atpPerSecond: 1_480_454 });
    expect(prediction?.growthRatePerMinute).toBeCloseTo(cell.sample().growthRatePerMinute, 8);
  });

  it("predicts the documented doubling times", () => {
    const minutes = (ribosomes: string) =>
      predict({ type: "syn3a", ribosomes: [ribosomes] }).predictions[0]?.doublingTimeMinutes;
    expect(minutes("100%")).toBeCloseTo(105, 1);
    expect(minutes("50%")).toBeCloseTo(150.4, 1);
  });

  it("predicts every combination, and names the values that vary", () => {
    const { predictions } = predict({
      type: "syn3a",
      ribosomes: ["50%", 503],
      atp: [13_247],
      nutrient: [0.3, 0.4],
    });
    expect(predictions.map(({ varied }) => varied)).toEqual([
      { ribosomes: "50%", nutrient: 0.3 },
      { ribosomes: "50%", nutrient: 0.4 },
      { ribosomes: 503, nutrient: 0.3 },
      { ribosomes: 503, nutrient: 0.4 },
    ]);
    expect(new Set(predictions.map(({ growthRatePerMinute }) => growthRatePerMinute)).size).toBe(4);
  });

  it("says when a cell does not settle", () => {
    const starved = { type: "syn3a", nutrient: [0.1], chloramphenicol: [10] } as const;
    expect(predict(starved).predictions[0]?.settled).toBe(false);
  });

  it("refuses too many combinations, and a set that the type does not have", () => {
    const values = Array.from({ length: MAX_PREDICTIONS }, (_, i) => i);
    expect(() => predict({ type: "syn3a", ribosomes: values, nutrient: [0.1, 0.2] })).toThrow(
      /2000 combinations/,
    );
    expect(() => predict({ type: "syn3a", parameterSet: "weisse-2015" })).toThrow(/published for ecoli/);
  });
});
