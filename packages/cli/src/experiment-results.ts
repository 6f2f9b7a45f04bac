/**
 * The results of an experiment as CSV (RFC 4180, UTF-8).
 *
 * The text follows from the file of the experiment alone: it has no time, no place and no sequence, and its order is that
 * of the VMs. So two runs of a file give the same bytes.
 */
import type { CourseColumn, ExperimentVmView } from "@bioxen/contracts";
import { csvRow } from "./course-csv.ts";

export interface ExperimentResults {
  readonly columnSets: readonly (readonly CourseColumn[])[];
  readonly vms: readonly ExperimentVmView[];
}

/**
 * Returns one line for each VM: its id, its swept values, replicate and seed, the final value of every field, and the
 * digest of its course. VMs of different models share the columns that they have both; a value that a VM lacks is empty.
 */
export function resultsCsv({ columnSets, vms }: ExperimentResults): string {
  const swept = [...new Set(vms.flatMap(({ values }) => Object.keys(values)))];
  const fields = finalColumns({ columnSets, vms });
  const head = ["vm", ...swept, "replicate", "seed", ...fields, "digest"];
  const lines = vms.map((vm) => {
    const final = new Map(columnsOf(vm, columnSets).map((name, at) => [name, vm.final[at] ?? null]));
    return [
      vm.vmId,
      ...swept.map((name) => valueWords(vm.values[name])),
      vm.replicate,
      vm.seed,
      ...fields.map((name) => final.get(name) ?? null),
      vm.digest,
    ];
  });
  return [head, ...lines].map((line) => `${csvRow(line)}\n`).join("");
}

/** Returns a swept value as a text: a string as it is, any other value as JSON. */
export function valueWords(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Returns the names of the fields with their units, in the order of the VMs and not of the time of their results. */
function finalColumns({ columnSets, vms }: ExperimentResults): string[] {
  return [...new Set(vms.flatMap((vm) => columnsOf(vm, columnSets)))];
}

function columnsOf({ columnSet }: ExperimentVmView, sets: ExperimentResults["columnSets"]): string[] {
  const columns = columnSet === null ? [] : (sets[columnSet] ?? []);
  return columns.map(({ name, unit }) => `${name} [${unit}]`);
}
