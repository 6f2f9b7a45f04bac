/**
 * A plot as text that fits the terminal, and its size in words.
 */
import { type Plot, plotText } from "@bioxen/plot";
import { screenColumns } from "./screen.ts";
import { wantsColour } from "./terminal.ts";

/** Width of a drawing that goes to a file or a pipe, columns. */
const COLUMNS_ELSEWHERE = 80;

export function drawn(plot: Plot): string {
  return plotText(plot, { columns: screenColumns() ?? COLUMNS_ELSEWHERE, colour: wantsColour() });
}

export function sizeOf({ panels }: Plot): string {
  const lines = panels.reduce((sum, { series }) => sum + series.length, 0);
  return `${panels.length === 1 ? "1 panel" : `${panels.length} panels`} with ${lines === 1 ? "1 line" : `${lines} lines`}`;
}
