/**
 * Scales of axes: the range of the values, widened to round numbers, and the ticks at round numbers with their texts.
 */
import { extent } from "d3-array";
import { type ScaleLinear, scaleLinear } from "d3-scale";
import type { Plot, PlotPanel, PlotSeries } from "./plot.ts";

export interface Scale {
  /** Maps a value to its place. */
  readonly place: ScaleLinear<number, number>;
  readonly ticks: readonly { readonly value: number; readonly text: string }[];
}

/**
 * Relative difference below which values count as constant. The solver of a cell has a relative tolerance of about
 * 1e-8; a steady cell would otherwise be drawn as noise.
 */
const CONSTANT = 1e-7;
/** Half of the range that is shown around a constant, as a share of it. */
const AROUND_CONSTANT = 0.1;
/** Numbers from here on, and those below the second limit, have ticks with an exponent. */
const LARGE = 1e7;
const SMALL = 1e-4;

/** The scale of the shared x axis. It begins and ends at the first and the last x. */
export function xScale({ panels }: Plot, range: readonly [number, number], ticks: number): Scale {
  const xs = panels.flatMap(({ series }) => pointsOf(series).map(({ x }) => x));
  const [least = 0, largest = 0] = extent(xs);
  const domain = largest > least ? [least, largest] : [least - 1, largest + 1];
  return scaleOf(scaleLinear(domain, range), ticks);
}

/** The scale of the y axis of a panel, which includes its bands. */
export function yScale({ series }: PlotPanel, range: readonly [number, number], ticks: number): Scale {
  const values = pointsOf(series).flatMap(({ y, band }) => (y === null ? [] : [y, ...(band ?? [])]));
  const [least = 0, largest = 1] = extent(values);
  const size = Math.max(Math.abs(least), Math.abs(largest));
  const isConstant = largest - least <= CONSTANT * size;
  const margin = isConstant ? size * AROUND_CONSTANT || 1 : 0;
  return scaleOf(scaleLinear([least - margin, largest + margin], range).nice(ticks), ticks);
}

function scaleOf(place: ScaleLinear<number, number>, count: number): Scale {
  const size = Math.max(...place.domain().map(Math.abs));
  const text = size >= LARGE || size < SMALL ? place.tickFormat(count, "~e") : place.tickFormat(count);
  return { place, ticks: place.ticks(count).map((value) => ({ value, text: text(value) })) };
}

function pointsOf(series: readonly PlotSeries[]) {
  return series.flatMap(({ points }) => points);
}
