import { expect, it } from "vitest";
import { experimentPlot } from "./experiment-plot.ts";
import type { ExperimentResults } from "./experiment-results.ts";

const columnSets = [
  [
    { name: "growthRatePerMinute", unit: "1/min" },
    { name: "doublingTimeMinutes", unit: "min" },
  ],
];
const vm = (share: string, quality: number, replicate: number, growth: number | null) => ({
  vmId: `e-${share}-${quality}-${replicate}`,
  values: { "resources.ribosomes": share, "environment.nutrientQuality": quality },
  replicate,
  seed: replicate,
  incarnation: 1,
  status: "recorded",
  reason: null,
  columnSet: growth === null ? null : 0,
  final: growth === null ? [] : [growth, null],
  digest: "",
});
const results = {
  columnSets,
  vms: [vm("50%", 0.1, 1, 1), vm("50%", 0.1, 2, 3), vm("100%", 0.5, 1, 4), vm("100%", 0.1, 1, null)],
} as unknown as ExperimentResults;

it("draws a final value over a swept one, with a line for each value of a third", () => {
  const answer = experimentPlot(results, {
    x: "environment.nutrientQuality",
    y: "growthRatePerMinute",
    by: "resources.ribosomes",
  });
  expect(answer).toMatchObject({
    plot: {
      x: { name: "environment.nutrientQuality", unit: "1" },
      panels: [
        {
          y: { name: "growthRatePerMinute", unit: "1/min" },
          series: [
            { name: "ribosomes 50% (n = 2)", points: [{ x: 0.1, y: 2 }] },
            { name: "ribosomes 100% (n = 1)", points: [{ x: 0.5, y: 4 }] },
          ],
        },
      ],
    },
  });
});

it("averages replicates only: over a swept value, other swept values have lines of their own", () => {
  const answer = experimentPlot(results, { x: "environment.nutrientQuality", y: "growthRatePerMinute" });
  const lines =
    "plot" in answer ? answer.plot.panels.flatMap(({ series }) => series.map(({ name }) => name)) : answer;
  expect(lines).toEqual(["ribosomes 50% (n = 2)", "ribosomes 100% (n = 1)"]);
});

it("takes shares as numbers, and final values for both axes", () => {
  expect(experimentPlot(results, { x: "resources.ribosomes", y: "growthRatePerMinute" })).toMatchObject({
    plot: {
      x: { unit: "%" },
      panels: [{ series: [{ points: [{ x: 50 }] }, { points: [{ x: 100 }] }] }],
    },
  });
  const both = experimentPlot(results, { x: "growthRatePerMinute", y: "growthRatePerMinute" });
  expect(both).toMatchObject({
    plot: { panels: [{ series: [{ points: [{ x: 1 }, { x: 3 }, { x: 4 }] }] }] },
  });
});

it("names every name that the results do not have", () => {
  const answer = experimentPlot(results, {
    x: "growthRatePerMinutes",
    y: "growthRatePerMinute",
    by: "nothing",
  });
  expect(answer).toMatchObject({
    problems: [
      "--x growthRatePerMinutes: the results have no such value: did you mean growthRatePerMinute?",
      expect.stringContaining("--by nothing"),
    ],
  });
});
