/**
 * The results of an experiment: values by name, and the table of all of them.
 */
import type { ExperimentVmView, Result } from "./types.ts";

export interface Results {
  readonly columnSets: Result<"experimentGet">["columnSets"];
  readonly vms: readonly ExperimentVmView[];
}

/** Names of swept fields, then of final values, each once. */
export function namesIn({ vms, columnSets }: Results): string[] {
  return [
    ...new Set([
      ...vms.flatMap(({ values }) => Object.keys(values)),
      ...columnSets.flat().map(({ name }) => name),
    ]),
  ];
}

export function valueIn({ columnSets }: Results, vm: ExperimentVmView, name: string): unknown {
  if (name in vm.values) return vm.values[name];
  const at =
    vm.columnSet === null
      ? -1
      : (columnSets[vm.columnSet]?.findIndex((column) => column.name === name) ?? -1);
  return at < 0 ? undefined : (vm.final[at] ?? undefined);
}

/** The number that a value stands for; a share such as `50%` is 50. */
export function numbersOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  const share = typeof value === "string" ? /^(\d+(?:\.\d+)?)%?$/.exec(value) : null;
  return share === null ? undefined : Number(share[1]);
}

function quoted(value: unknown): string {
  const text =
    value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** One row for each VM with its swept values and its final values, as `bioxen experiment run --out` writes them. */
export function resultsCsv(results: Results): string {
  const swept = [...new Set(results.vms.flatMap(({ values }) => Object.keys(values)))];
  const columns = new Map(results.columnSets.flat().map(({ name, unit }) => [name, `${name} [${unit}]`]));
  const head = ["vm", ...swept, "replicate", "seed", ...columns.values(), "digest"];
  const rows = results.vms.map((vm) => [
    vm.vmId,
    ...swept.map((name) => vm.values[name]),
    vm.replicate,
    vm.seed,
    ...[...columns.keys()].map((name) => valueIn(results, vm, name)),
    vm.digest,
  ]);
  return [head, ...rows].map((row) => `${row.map(quoted).join(",")}\n`).join("");
}
