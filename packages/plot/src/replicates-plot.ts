/**
 * Results of an experiment as a plot: the mean over the replicates at each x, with a band of one standard deviation.
 */
import { ascending, deviation, group, mean } from "d3-array";
import type { Plot, PlotAxis, PlotPoint, PlotSeries } from "./plot.ts";

/** The result of one VM. */
export interface Replicate {
  readonly x: number;
  /** Null: the VM has no such value. It does not count. */
  readonly y: number | null;
  /** Name of its line; equal for all results of one condition. */
  readonly by?: string;
}

/**
 * Returns the plot of `y` over `x` with a line for each value of `by`, in the order of first appearance. The band is
 * the mean minus and plus the standard deviation of the sample (divisor n − 1); a point of one replicate has none. The
 * name of a line has the number of its replicates: the least and the largest one where they differ.
 */
export function replicatesPlot(axes: { x: PlotAxis; y: PlotAxis }, results: readonly Replicate[]): Plot {
  const series = [...group(results, ({ by = axes.y.name }) => by)].map(([name, line]) => lineOf(name, line));
  const hasBand = series.some(({ points }) => points.some(({ band }) => band !== undefined));
  return {
    x: axes.x,
    panels: [{ y: axes.y, series }],
    marks: true,
    ...(hasBand ? { note: "Line: mean. Band: one standard deviation. n: replicates." } : {}),
  };
}

function lineOf(name: string, results: readonly Replicate[]): PlotSeries {
  const counts: number[] = [];
  const points = [...group(results, ({ x }) => x)]
    .toSorted(([a], [b]) => ascending(a, b))
    .flatMap(([x, replicates]): PlotPoint[] => {
      const values = replicates.flatMap(({ y }) => y ?? []);
      const middle = mean(values);
      if (middle === undefined) return [];
      counts.push(values.length);
      const spread = deviation(values);
      return [
        { x, y: middle, ...(spread === undefined ? {} : { band: [middle - spread, middle + spread] }) },
      ];
    });
  return { name: `${name} (n = ${rangeOf(counts)})`, points };
}

function rangeOf(counts: readonly number[]): string {
  if (counts.length === 0) return "0";
  const least = Math.min(...counts);
  const largest = Math.max(...counts);
  return least === largest ? `${least}` : `${least} to ${largest}`;
}
