/**
 * Text for terminals: colours, bars, states.
 */

import { shorten, width } from "./screen.ts";

const COLOURS = { red: 31, green: 32, yellow: 33, cyan: 36, grey: 90, bold: 1 } as const;

/** Colours of the severities of alerts and findings. */
export const SEVERITY_COLOURS = { info: "cyan", warning: "yellow", critical: "red" } as const;

/** Returns the text in a colour when {@link wantsColour} says so; otherwise the plain text. */
export function paint(colour: keyof typeof COLOURS, text: string, on = wantsColour()): string {
  return on ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text;
}

/**
 * Returns whether output has colours: with `FORCE_COLOR` always, except for the values `0` and `false`, which mean
 * never; with `NO_COLOR` never; otherwise when stdout is a terminal.
 */
export function wantsColour(
  env: NodeJS.ProcessEnv = process.env,
  isTerminal = process.stdout.isTTY,
): boolean {
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined && forced !== "") return forced !== "0" && forced !== "false";
  return isTerminal === true && !env["NO_COLOR"];
}

/**
 * Returns the text in exactly `cells` characters: padded with spaces, or cut with an ellipsis. The text must not
 * contain colours.
 */
export function fit(text: string, cells: number, right = false): string {
  const shown = shorten(text, cells);
  const space = " ".repeat(Math.max(0, cells - width(shown)));
  return right ? space + shown : shown + space;
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
