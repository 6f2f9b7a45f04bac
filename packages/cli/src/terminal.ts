/**
 * Text for terminals: tables, bars, colours.
 */
import { stripVTControlCharacters } from "node:util";

const COLOURS = { red: 31, green: 32, yellow: 33, cyan: 36, grey: 90, bold: 1 } as const;

/** Colours of the severities of alerts and findings. */
export const SEVERITY_COLOURS = { info: "cyan", warning: "yellow", critical: "red" } as const;

/** Returns the text in a colour when stdout is a terminal and NO_COLOR is not set; otherwise the plain text. */
export function paint(colour: keyof typeof COLOURS, text: string, on = wantsColour()): string {
  return on ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text;
}

function wantsColour(): boolean {
  return process.stdout.isTTY === true && !process.env["NO_COLOR"];
}

/** Returns the number of characters in the text, without control sequences such as colours. */
export function width(cell: string): number {
  return stripVTControlCharacters(cell).length;
}

/** Returns a table with aligned columns; without rows, only the header. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header.map((h) => paint("grey", h)), ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ""))));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - width(cell))))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/**
 * Returns the text in exactly `cells` characters: padded with spaces, or cut with an ellipsis. The text must not
 * contain colours.
 */
export function fit(text: string, cells: number, right = false): string {
  const characters = [...text];
  if (characters.length > cells) return `${characters.slice(0, Math.max(0, cells - 1)).join("")}…`;
  const space = " ".repeat(cells - characters.length);
  return right ? space + text : text + space;
}

/** Returns a bar of `cells` characters, filled in proportion to `permille` (0 to 1000). */
export function bar(permille: number, cells = 20): string {
  const full = Math.round((Math.min(1000, Math.max(0, permille)) * cells) / 1000);
  return "█".repeat(full) + "░".repeat(cells - full);
}

/** Returns the name of a VM or chassis state in the colour of that state; surrounding spaces are kept. */
export function paintState(state: string): string {
  const name = state.trim();
  if (name === "running") return paint("green", state);
  if (name === "error") return paint("red", state);
  return name === "pending" || name === "paused" || name === "suspect" ? paint("yellow", state) : state;
}

export function minutes(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : `${value.toFixed(1)} min`;
}

/** Returns a duration as text in its largest unit: s, min or h. */
export function ago(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}
