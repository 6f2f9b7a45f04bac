/**
 * What a plot shows, without any choice of how: panels above one another over one shared x axis, and lines in them.
 * `svg.ts` and `terminal.ts` draw it.
 */

/** A quantity and its unit; the unit of a pure number is `1`. */
export interface PlotAxis {
  readonly name: string;
  readonly unit: string;
}

export interface PlotPoint {
  readonly x: number;
  /** Null where the quantity does not exist: the line has a gap there. */
  readonly y: number | null;
  /** Lower and upper end of the band at this point, in units of y; absent: no band here. */
  readonly band?: readonly [low: number, high: number];
}

/** One line. Its points are in order of x. */
export interface PlotSeries {
  readonly name: string;
  readonly points: readonly PlotPoint[];
}

export interface PlotPanel {
  readonly y: PlotAxis;
  readonly series: readonly PlotSeries[];
}

export interface Plot {
  readonly x: PlotAxis;
  readonly panels: readonly PlotPanel[];
  /** True: each point has a mark. For few points, which are measurements and no course. */
  readonly marks?: boolean;
  /** A sentence below the plot, such as the meaning of the bands. */
  readonly note?: string;
}

/** Returns the name of an axis with its unit, such as `minute [min]`. A pure number has no unit. */
export function axisTitle({ name, unit }: PlotAxis): string {
  return unit === "1" ? name : `${name} [${unit}]`;
}

/** Returns the names of all series, each once, in the order of the panels. Equal names have equal colours. */
export function seriesNames({ panels }: Plot): string[] {
  return [...new Set(panels.flatMap(({ series }) => series.map(({ name }) => name)))];
}

/** Text in the middle of a panel in which no line has a value. */
export const NO_VALUE = "no value";

/** True when a line of the panel has a value. */
export function hasValue({ series }: PlotPanel): boolean {
  return series.some(({ points }) => points.some(({ y }) => y !== null));
}
