import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { coursesPlot, type Plot, plotSvg, plotText, replicatesPlot } from "./index.ts";
import { spread } from "./labels.ts";

const COLUMNS = [
  { name: "minute", unit: "min" },
  { name: "branch", unit: "1" },
  { name: "r", unit: "molecules" },
  { name: "growthRatePerMinute", unit: "1/min" },
];
const rowsOf = (branch: number, first: number) =>
  Array.from({ length: 21 }, (_, i) => [first + i * 10, branch, 1000 + i * 100, i === 3 ? null : i / 4000]);
const course = (vmId: string, branches = 1) => ({
  vmId,
  columns: COLUMNS,
  rows: Array.from({ length: branches }, (_, branch) => rowsOf(branch, branch * 50)).flat(),
});

describe("courses as a plot", () => {
  it("have a panel for each field, with its unit, and a line for each VM and branch", () => {
    const { x, panels } = coursesPlot([course("c1"), course("c2", 2)]);
    expect(x).toEqual({ name: "minute", unit: "min" });
    expect(panels.map(({ y }) => y)).toEqual(COLUMNS.slice(2));
    for (const { series } of panels) {
      expect(series.map(({ name }) => name)).toEqual(["c1", "c2 branch 0", "c2 branch 1"]);
    }
    const [, , second] = panels[0]?.series ?? [];
    expect(second?.points[0]).toEqual({ x: 50, y: 1000 });
  });

  it("are those of the named fields, in their order, for the courses that have them", () => {
    const without = { vmId: "c2", columns: COLUMNS.slice(0, 3), rows: [[0, 0, 7]] };
    const { panels } = coursesPlot([course("c1"), without], ["growthRatePerMinute", "r"]);
    expect(panels.map(({ y, series }) => [y.name, series.length])).toEqual([
      ["growthRatePerMinute", 1],
      ["r", 2],
    ]);
  });
});

describe("replicates as a plot", () => {
  const axes = { x: { name: "quality", unit: "1" }, y: { name: "growthRatePerMinute", unit: "1/min" } };

  it("have the mean and one standard deviation of the sample at each x, and their number in the name", () => {
    const results = [2, 4, 4, 4, 5, 5, 7, 9].map((y) => ({ x: 1, y, by: "a" }));
    const [series] = replicatesPlot(axes, results).panels[0]?.series ?? [];
    expect(series?.name).toBe("a (n = 8)");
    expect(series?.points).toHaveLength(1);
    expect(series?.points[0]?.y).toBe(5);
    const deviation = Math.sqrt(32 / 7);
    expect(series?.points[0]?.band?.[0]).toBeCloseTo(5 - deviation, 12);
    expect(series?.points[0]?.band?.[1]).toBeCloseTo(5 + deviation, 12);
  });

  it("have no band where there is one of them, and leave out what has no value", () => {
    const plot = replicatesPlot(axes, [
      { x: 2, y: 3, by: "b" },
      { x: 1, y: 1, by: "b" },
      { x: 1, y: 2, by: "b" },
      { x: 1, y: null, by: "b" },
    ]);
    const [series] = plot.panels[0]?.series ?? [];
    expect(series?.name).toBe("b (n = 1 to 2)");
    expect(series?.points.map(({ x, y }) => [x, y])).toEqual([
      [1, 1.5],
      [2, 3],
    ]);
    expect(series?.points[1]).not.toHaveProperty("band");
    expect(plotSvg(plot)).toContain('class="band');
  });
});

describe("the picture", () => {
  const plot = coursesPlot([course("c1"), course("c2", 2)]);
  const svg = plotSvg(plot);

  it("has equal bytes for equal plots", () => {
    expect(plotSvg(structuredClone(plot))).toBe(svg);
  });

  it("names its axes with units, its ticks at round values, and each line", () => {
    const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, content]) => content);
    for (const title of ["r [molecules]", "growthRatePerMinute [1/min]", "minute [min]"]) {
      expect(texts.filter((content) => content === title)).toHaveLength(1);
    }
    expect(texts).toEqual(
      expect.arrayContaining(["1,500", "2,000", "0.002", "0", "50", "100", "200", "250"]),
    );
    expect(texts.filter((content) => content === "c2 branch 1")).toHaveLength(2);
  });

  it("has each value at the height of its tick, and a gap where there is no value", () => {
    const [, first = "", , second = ""] =
      /class="tick y" x="[\d.]+" y="([\d.]+)">(1,000)<[\s\S]*?y="([\d.]+)">(3,000)</.exec(svg) ?? [];
    expect([first, second]).not.toContain("");
    const heightOf = (tick: string) =>
      Number(new RegExp(`y="([\\d.]+)">${tick}<`).exec(svg)?.[1] ?? Number.NaN) - 4;
    const [path = ""] = [...svg.matchAll(/class="line c0" d="([^"]*)"/g)].map(([, d]) => d);
    const points = path
      .split(/[ML]/)
      .filter(Boolean)
      .map((pair) => pair.split(",").map(Number));
    expect(points).toHaveLength(21);
    expect(points[0]?.[1]).toBeCloseTo(heightOf("1,000"), 1);
    expect(points[20]?.[1]).toBeCloseTo(heightOf("3,000"), 1);
    const [, growth = ""] = [...svg.matchAll(/class="line c0" d="([^"]*)"/g)].map(([, d]) => d);
    expect(growth.match(/M/g)).toHaveLength(2);
  });

  it("shows a name that would break XML as it is", () => {
    const odd: Plot = {
      x: { name: "x<&", unit: "1" },
      panels: [{ y: { name: 'y">', unit: "µM" }, series: [{ name: "<c&1>", points: [{ x: 1, y: 1 }] }] }],
    };
    expect(plotSvg(odd)).toContain("&lt;c&amp;1&gt;</text>");
    expect(plotSvg(odd)).not.toMatch(/<c&|&(?!amp;|lt;|gt;)/);
  });

  it("draws a constant as a line in the middle, not as the noise of its last digits", () => {
    const points = [0, 1, 2].map((x) => ({ x, y: 1 + x * 1e-12 }));
    const steady = {
      x: COLUMNS[0] ?? { name: "x", unit: "1" },
      panels: [{ y: { name: "a", unit: "1" }, series: [{ name: "c1", points }] }],
    };
    const [, path = ""] = /class="line c0" d="([^"]*)"/.exec(plotSvg(steady)) ?? [];
    const heights = new Set(
      path
        .split(/[ML]/)
        .filter(Boolean)
        .map((pair) => pair.split(",")[1]),
    );
    expect(heights.size).toBe(1);
  });
});

describe("the text", () => {
  it("is the drawing in Braille dots", () => {
    const short = coursesPlot([course("c1")], ["r"]);
    expect(plotText(short, { columns: 44, colour: false })).toMatchInlineSnapshot(`
      "      r [molecules]
      3,000 ┤                              ⣀⡠⠔⠊ c1
            │                           ⡠⠔⠉
      2,500 ┤                       ⣀⠤⠒⠉
            │                   ⣀⠤⠒⠉
      2,000 ┤               ⣀⡠⠔⠊
            │           ⢀⡠⠔⠉
      1,500 ┤       ⢀⡠⠔⠊⠁
            │    ⣀⠔⠊⠁
      1,000 ┤⡠⠔⠒⠉
            └┬────────────────┬───────────────┬
             0               100            200
                        minute [min]
      "
    `);
  });

  it("fits the width, and has colours only when they are wanted", () => {
    const plot = coursesPlot([course("a".repeat(63)), course("c2", 2)]);
    for (const columns of [40, 80, 200]) {
      const text = plotText(plot, { columns, colour: false });
      expect(Math.max(...text.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(columns);
      expect(text).not.toContain("\u001b");
    }
    expect(plotText(plot, { columns: 80, colour: true })).toContain("\u001b[36m");
  });

  it("says that a panel has no value", () => {
    const none = coursesPlot([{ ...course("c1"), rows: [] }], ["r"]);
    expect(plotText(none, { columns: 80, colour: false })).toContain("no value");
    expect(plotSvg(none)).toContain(">no value<");
  });
});

it("names at the ends of lines never overlap, and keep the order of their lines", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { maxLength: 20 }), (wanted) => {
      const gap = 4;
      const places = spread(wanted, gap, [0, 100]);
      const order = wanted
        .map((_, at) => at)
        .toSorted((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0) || a - b);
      const sorted = order.map((at) => places[at] ?? Number.NaN);
      for (let i = 1; i < sorted.length; i += 1) {
        expect((sorted[i] ?? 0) - (sorted[i - 1] ?? 0)).toBeGreaterThanOrEqual(gap - 1e-9);
      }
      for (const place of places) expect(place).toSatisfy((at: number) => at > -1e-9 && at < 100 + 1e-9);
    }),
  );
});
