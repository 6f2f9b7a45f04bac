/**
 * A plot as lines of text for a terminal: Braille dots, ticks at the left and below, the name of each line at its end.
 * Bands are not drawn.
 */
import { BrailleCanvas, DOTS_ACROSS, DOTS_DOWN } from "./braille.ts";
import { shortened, spread } from "./labels.ts";
import { axisTitle, hasValue, NO_VALUE, type Plot, type PlotPanel, seriesNames } from "./plot.ts";
import { type Scale, xScale, yScale } from "./scales.ts";

export interface TextPlotOptions {
  /** Width, characters. Below {@link MIN_COLUMNS} the terminal wraps the lines. */
  readonly columns: number;
  /** True: ANSI colours. */
  readonly colour: boolean;
}

const MIN_COLUMNS = 40;
/** Height of a panel, characters; more where its names need it. */
const PANEL_ROWS = 9;
const Y_TICKS = 4;
/** Width of a tick's text on the x axis with the space beside it, characters. */
const X_TICK_COLUMNS = 12;
/** Largest share of the width that names of lines take. */
const NAMES_SHARE = 0.3;
/** SGR codes of the lines: cyan, yellow, magenta, green, blue, red. */
const COLOURS = [36, 33, 35, 32, 34, 31] as const;

interface Frame {
  /** Characters left of the axes, and those between the axes and the names. */
  readonly left: number;
  readonly inner: number;
  readonly nameLength: number;
  readonly x: Scale;
  readonly names: readonly string[];
  readonly colour: boolean;
}

export function plotText(plot: Plot, { columns, colour }: TextPlotOptions): string {
  const width = Math.max(MIN_COLUMNS, columns);
  const names = seriesNames(plot);
  const yTexts = plot.panels.flatMap((panel) => yScale(panel, [0, 1], Y_TICKS).ticks.map(({ text }) => text));
  const left = Math.max(0, ...yTexts.map(({ length }) => length)) + 1;
  const longest = Math.max(0, ...names.map(({ length }) => length));
  const nameLength = Math.min(longest, Math.floor(width * NAMES_SHARE));
  const inner = width - left - 1 - nameLength - 1;
  const x = xScale(plot, [0, inner * DOTS_ACROSS - 1], Math.max(2, Math.floor(inner / X_TICK_COLUMNS)));
  const frame: Frame = { left, inner, nameLength, x, names, colour };
  const panels = plot.panels.flatMap((panel) => [...panelOf(panel, frame), ""]).slice(0, -1);
  const note = plot.note === undefined ? [] : [plot.note];
  return [...panels, ...xAxisOf(plot, frame), ...note, ""].join("\n");
}

function panelOf(panel: PlotPanel, frame: Frame): string[] {
  const { left, inner, x, names } = frame;
  const rows = Math.max(PANEL_ROWS, panel.series.length);
  const y = yScale(panel, [rows * DOTS_DOWN - 1, 0], Y_TICKS);
  const canvas = new BrailleCanvas(inner, rows);
  const dot = (at: number, value: number): [number, number] => [
    Math.round(x.place(at)),
    Math.round(y.place(value)),
  ];
  for (const { name, points } of panel.series) {
    let before: [number, number] | undefined;
    for (const point of points) {
      const here = point.y === null ? undefined : dot(point.x, point.y);
      if (here !== undefined) canvas.line(names.indexOf(name), before ?? here, here);
      before = here;
    }
  }
  const ticks = new Map(y.ticks.map(({ value, text }) => [rowOf(y, value), text]));
  const labels = labelsOf(panel, frame, y, rows);
  if (!hasValue(panel)) {
    labels.set(Math.floor(rows / 2), NO_VALUE.padStart(Math.floor((inner + NO_VALUE.length) / 2)));
  }
  const drawn = Array.from({ length: rows }, (_, row) => {
    const tick = ticks.get(row);
    const margin = `${(tick ?? "").padStart(left - 1)} ${tick === undefined ? "│" : "┤"}`;
    const dots = hasValue(panel) ? canvas.row(row) : [];
    const line = dots.map(({ owner, text }) => painted(text, owner, frame));
    return `${margin}${line.join("")}${labels.get(row) ?? ""}`.trimEnd();
  });
  const tickColumns = new Set(x.ticks.map(({ value }) => columnOf(x, value)));
  const axis = Array.from({ length: inner }, (_, column) => (tickColumns.has(column) ? "┬" : "─"));
  const foot = `${" ".repeat(left)}└${axis.join("")}`;
  return [`${" ".repeat(left)}${axisTitle(panel.y)}`, ...drawn, foot];
}

function rowOf(y: Scale, value: number): number {
  return Math.floor(Math.round(y.place(value)) / DOTS_DOWN);
}

function columnOf(x: Scale, value: number): number {
  return Math.floor(Math.round(x.place(value)) / DOTS_ACROSS);
}

/** Returns the names of the lines by row, each as near to the end of its line as the others allow. */
function labelsOf(panel: PlotPanel, frame: Frame, y: Scale, rows: number): Map<number, string> {
  const named = panel.series.flatMap(({ name, points }) => {
    const end = points.findLast((point) => point.y !== null)?.y;
    return end === undefined || end === null ? [] : { name, row: rowOf(y, end) };
  });
  const places = spread(
    named.map(({ row }) => row),
    1,
    [0, rows - 1],
  );
  return new Map(
    named.map(({ name }, at) => {
      const text = ` ${shortened(name, frame.nameLength)}`;
      return [places[at] ?? 0, painted(text, frame.names.indexOf(name), frame)];
    }),
  );
}

/** The texts of the ticks, and the name of the axis. */
function xAxisOf(plot: Plot, { left, inner, x }: Frame): string[] {
  const texts = Array<string>(left + 1 + inner).fill(" ");
  for (const { value, text } of x.ticks) {
    const middle = left + 1 + columnOf(x, value) - Math.floor(text.length / 2);
    const start = Math.max(0, Math.min(middle, texts.length - text.length));
    texts.splice(start, text.length, ...text);
  }
  const title = axisTitle(plot.x);
  const indent = left + 1 + Math.max(0, Math.floor((inner - title.length) / 2));
  return [texts.join("").trimEnd(), `${" ".repeat(indent)}${title}`];
}

function painted(text: string, series: number, { colour }: Frame): string {
  if (!colour || series < 0 || text.trim() === "") return text;
  return `\u001b[${COLOURS[series % COLOURS.length]}m${text}\u001b[0m`;
}
