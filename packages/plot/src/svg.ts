/**
 * A plot as an SVG file. Equal plots give equal bytes.
 *
 * Each line has its name at its end, in its colour, so that no legend has to be looked up. The picture follows the
 * reader's choice of light or dark where the viewer tells it. Text has the fonts of the reader's system.
 */
import { area, line } from "d3-shape";
import { shortened, spread } from "./labels.ts";
import {
  axisTitle,
  hasValue,
  NO_VALUE,
  type Plot,
  type PlotPanel,
  type PlotPoint,
  type PlotSeries,
  seriesNames,
} from "./plot.ts";
import { type Scale, xScale, yScale } from "./scales.ts";
import { colourClass, dashesOf, STYLE } from "./svg-style.ts";

/** Width of the picture, px. */
const WIDTH = 760;
/** Least height of the area of a panel, px; more where its names need it. */
const PANEL_HEIGHT = 150;
/** Height above the area of a panel, with its title, px. */
const TITLE_HEIGHT = 34;
/** Height below the last panel: ticks and name of the x axis, px. */
const FOOT_HEIGHT = 46;
/** Height of the note below the x axis, px. */
const NOTE_HEIGHT = 20;
const PADDING = 12;
/** Estimated width of a character at 12 px, px: the fonts of systems differ. */
const CHARACTER = 6.8;
/** Distance of two names, px. */
const NAME_GAP = 15;
/** Longest name, characters. */
const MAX_NAME = 36;
const X_TICKS = 6;
const Y_TICKS = 5;
const TICK = 5;
/** Radius of a mark, px. */
const MARK = 2.6;

interface Frame {
  readonly left: number;
  readonly right: number;
  readonly x: Scale;
  readonly names: readonly string[];
  readonly marks: boolean;
}

export function plotSvg(plot: Plot): string {
  const names = seriesNames(plot);
  const yLabels = plot.panels.flatMap((panel) =>
    yScale(panel, [0, 1], Y_TICKS).ticks.map(({ text }) => text),
  );
  const left = PADDING + textWidth(yLabels) + TICK + 4;
  const right = WIDTH - PADDING - 8 - textWidth(names.map((name) => shortened(name, MAX_NAME)));
  const x = xScale(plot, [left, right], X_TICKS);
  const frame: Frame = { left, right, x, names, marks: plot.marks === true };
  let top = PADDING / 2;
  const parts = plot.panels.map((panel) => {
    const height = Math.max(PANEL_HEIGHT, panel.series.length * NAME_GAP);
    const part = panelOf(panel, frame, top + TITLE_HEIGHT, top + TITLE_HEIGHT + height);
    top += TITLE_HEIGHT + height;
    return part;
  });
  const note =
    plot.note === undefined ? "" : text(left, top + FOOT_HEIGHT + NOTE_HEIGHT / 2, plot.note, "note");
  const height = top + FOOT_HEIGHT + (plot.note === undefined ? 0 : NOTE_HEIGHT);
  const title = `${plot.panels.map(({ y }) => y.name).join(", ")} over ${plot.x.name}: ${names.join(", ")}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="bioxen-plot" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="background" width="${WIDTH}" height="${height}"/>`,
    ...parts,
    xAxisOf(plot, frame, top),
    note,
    "</svg>",
    "",
  ].join("\n");
}

function panelOf(panel: PlotPanel, frame: Frame, top: number, bottom: number): string {
  const { left, right, x } = frame;
  const y = yScale(panel, [bottom, top], Y_TICKS);
  const grid = [
    ...y.ticks.map(({ value }) => segment("grid", left, y.place(value), right, y.place(value))),
    ...x.ticks.map(({ value }) => segment("grid", x.place(value), top, x.place(value), bottom)),
  ];
  const ticks = y.ticks.map(({ value, text: label }) =>
    text(left - TICK - 3, y.place(value) + 4, label, "tick y"),
  );
  return [
    text(left, top - 12, axisTitle(panel.y), "title"),
    ...grid,
    ...ticks,
    ...panel.series.map((series) => bandOf(series, frame, y)),
    segment("axis", left, top, left, bottom),
    segment("axis", left, bottom, right, bottom),
    ...panel.series.map((series) => lineOf(series, frame, y)),
    ...namesOf(panel.series, frame, y, [top, bottom]),
    hasValue(panel) ? "" : text((left + right) / 2, (top + bottom) / 2, NO_VALUE, "note x"),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

function bandOf({ name, points }: PlotSeries, { x, names }: Frame, y: Scale): string {
  const path = area<PlotPoint>()
    .defined(({ band }) => band !== undefined)
    .x((point) => x.place(point.x))
    .y0(({ band }) => y.place(band?.[0] ?? 0))
    .y1(({ band }) => y.place(band?.[1] ?? 0))
    .digits(2)(points);
  return path === null ? "" : `<path class="band ${colourClass(names.indexOf(name))}" d="${path}"/>`;
}

function lineOf({ name, points }: PlotSeries, { x, names, marks }: Frame, y: Scale): string {
  const at = names.indexOf(name);
  const path = line<PlotPoint>()
    .defined((point) => point.y !== null)
    .x((point) => x.place(point.x))
    .y((point) => y.place(point.y ?? 0))
    .digits(2)(points);
  if (path === null) return "";
  const dash = dashesOf(at);
  const dashes = dash === "" ? "" : ` stroke-dasharray="${dash}"`;
  const drawn = `<path class="line ${colourClass(at)}"${dashes} d="${path}"/>`;
  if (!marks) return drawn;
  const circles = points.flatMap((point) =>
    point.y === null
      ? []
      : `<circle class="mark ${colourClass(at)}" cx="${number(x.place(point.x))}" cy="${number(y.place(point.y))}" r="${MARK}"/>`,
  );
  return [drawn, ...circles].join("\n");
}

/** The names at the right side, each beside the end of its line; a line without a value has none. */
function namesOf(
  series: readonly PlotSeries[],
  { right, names }: Frame,
  y: Scale,
  [top, bottom]: readonly [number, number],
): string[] {
  const named = series.flatMap(({ name, points }) => {
    const end = points.findLast((point) => point.y !== null)?.y;
    return end === undefined || end === null ? [] : { name, end: y.place(end) };
  });
  const places = spread(
    named.map(({ end }) => end),
    NAME_GAP,
    [top, bottom],
  );
  return named.map(({ name }, at) =>
    text(
      right + 8,
      (places[at] ?? 0) + 4,
      shortened(name, MAX_NAME),
      `name ${colourClass(names.indexOf(name))}`,
    ),
  );
}

function xAxisOf(plot: Plot, { x, left, right }: Frame, bottom: number): string {
  return [
    ...x.ticks.flatMap(({ value, text: label }) => [
      segment("axis", x.place(value), bottom, x.place(value), bottom + TICK),
      text(x.place(value), bottom + TICK + 13, label, "tick x"),
    ]),
    text((left + right) / 2, bottom + TICK + 32, axisTitle(plot.x), "title x"),
  ].join("\n");
}

function segment(className: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${className}" x1="${number(x1)}" y1="${number(y1)}" x2="${number(x2)}" y2="${number(y2)}"/>`;
}

function text(x: number, y: number, content: string, className: string): string {
  return `<text class="${className}" x="${number(x)}" y="${number(y)}">${escaped(content)}</text>`;
}

function textWidth(texts: readonly string[]): number {
  return Math.ceil(Math.max(0, ...texts.map(({ length }) => length)) * CHARACTER);
}

/** Two decimals are a hundredth of a pixel: finer than any screen. */
function number(value: number): number {
  return Math.round(value * 100) / 100;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
