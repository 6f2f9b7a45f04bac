/**
 * The results of an experiment as a plot: a swept value or a final value over another one, as means over replicates.
 */
import type { ExperimentVmView } from "@bioxen/contracts";
import { closestWord } from "@bioxen/kernel";
import { type Plot, type PlotAxis, type Replicate, replicatesPlot } from "@bioxen/plot";
import { type ExperimentResults, valueWords } from "./experiment-results.ts";

export interface PlotQuestion {
  readonly x: string;
  readonly y: string;
  /** One line for each of its values. */
  readonly by?: string | undefined;
}

/** Returns the plot, or every problem of the question: a name that the results do not have, or that has no numbers. */
export function experimentPlot(
  results: ExperimentResults,
  { x, y, by }: PlotQuestion,
): { readonly plot: Plot } | { readonly problems: readonly string[] } {
  const known = namesIn(results);
  const problems = Object.entries({ x, y, ...(by === undefined ? {} : { by }) }).flatMap(([option, name]) => {
    if (!known.includes(name)) return unknown(option, name, known);
    const isNumeric = results.vms.every((vm) => numberOf(valueIn(results, vm, name)) !== undefined);
    return option === "by" || isNumeric ? [] : `--${option} ${name}: its values are no numbers`;
  });
  if (problems.length > 0) return { problems };
  const names = lineNames(results, x, by);
  const replicates = results.vms.flatMap((vm): Replicate[] => {
    const at = numberOf(valueIn(results, vm, x));
    if (typeof at !== "number") return [];
    // The end of a path says what a line is; the whole path would be shortened at its end, where the value is.
    const parts = names.map((name) => `${name.split(".").at(-1)} ${valueWords(valueIn(results, vm, name))}`);
    const label = parts.length === 0 ? {} : { by: parts.join(", ") };
    return [{ x: at, y: numberOf(valueIn(results, vm, y)) ?? null, ...label }];
  });
  return { plot: replicatesPlot({ x: axisOf(results, x), y: axisOf(results, y) }, replicates) };
}

/**
 * Returns the names whose values tell the lines apart. Over a swept value, each other swept value that differs has lines of
 * its own: only replicates are averaged.
 */
function lineNames({ vms }: ExperimentResults, x: string, by: string | undefined): string[] {
  const swept = [...new Set(vms.flatMap(({ values }) => Object.keys(values)))];
  const differs = (name: string) => new Set(vms.map(({ values }) => JSON.stringify(values[name]))).size > 1;
  const others = swept.includes(x) ? swept.filter((name) => name !== x && name !== by && differs(name)) : [];
  return [...(by === undefined ? [] : [by]), ...others];
}

function unknown(option: string, name: string, known: readonly string[]): string {
  const meant = closestWord(name, known);
  const hint = meant === undefined ? `use ${known.join(", ")}` : `did you mean ${meant}?`;
  return `--${option} ${name}: the results have no such value: ${hint}`;
}

function namesIn({ columnSets, vms }: ExperimentResults): string[] {
  const swept = vms.flatMap(({ values }) => Object.keys(values));
  return [...new Set([...swept, "replicate", "seed", ...columnSets.flat().map(({ name }) => name)])];
}

/** Returns a swept value or a final value of the VM; null for a value that it does not have. */
function valueIn({ columnSets }: ExperimentResults, vm: ExperimentVmView, name: string): unknown {
  if (Object.hasOwn(vm.values, name)) return vm.values[name];
  if (name === "replicate" || name === "seed") return vm[name];
  const columns = vm.columnSet === null ? [] : (columnSets[vm.columnSet] ?? []);
  const at = columns.findIndex((column) => column.name === name);
  return at < 0 ? null : (vm.final[at] ?? null);
}

/** Returns the number of a value, also of a share such as `50%`; null for no value, undefined for another value. */
function numberOf(value: unknown): number | null | undefined {
  if (value === null || typeof value === "number") return value;
  const [, share] = typeof value === "string" ? (/^(\d+(?:\.\d+)?)%$/.exec(value) ?? []) : [];
  return share === undefined ? undefined : Number(share);
}

function axisOf({ columnSets, vms }: ExperimentResults, name: string): PlotAxis {
  const column = columnSets.flat().find((one) => one.name === name);
  const isShare = vms.some(({ values }) => typeof values[name] === "string");
  return { name, unit: isShare ? "%" : (column?.unit ?? "1") };
}
