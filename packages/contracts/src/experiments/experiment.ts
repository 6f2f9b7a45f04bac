/**
 * An experiment: what a file means. Every combination of the swept values is run in `replicates` VMs, and each of these
 * VMs is a create request that follows from the file and the number of the VM alone.
 *
 * VMs are numbered from 0: first all replicates of the first combination, then those of the second one. Service, command
 * line and tests take the VMs from here, so a VM is the same wherever and after whatever crash it is made.
 */
import { canonicalJson, isId, MAX_ID_LENGTH } from "@bioxen/kernel";
import { sha256 } from "#sha256";
import { problemsOf } from "../endpoints/endpoint.ts";
import type { CreateRequest } from "../endpoints/placement.ts";
import type { Problem } from "../endpoints/problem.ts";
import { checkedBy } from "../issue-words.ts";
import { combinationProblems } from "./combination-problems.ts";
import {
  DEFAULT_EXPERIMENT_SEED,
  type ExperimentFile,
  experimentFile,
  FIXED_FIELDS,
  MAX_EXPERIMENT_ROWS,
  MAX_EXPERIMENT_VMS,
} from "./experiment-file.ts";
import { choicesOf, combinationCount, type Json, type SweptField, sweptFields, withValue } from "./sweep.ts";
import { placeOf, replicateSeed } from "./vm-seeds.ts";

/** Label of each VM with the id of its experiment. */
export const EXPERIMENT_LABEL = "bioxen.io/experiment";

/** One VM of an experiment. */
export interface ExperimentVm {
  readonly vmId: string;
  /** The swept values by the name of their field, in the order of the names. */
  readonly values: Json;
  /** Number of the replicate, from 1. */
  readonly replicate: number;
  readonly seed: number;
  readonly create: CreateRequest & { readonly vmId: string };
}

export interface Experiment {
  readonly file: ExperimentFile;
  /** SHA-256 of the canonical JSON of the file, 64 hexadecimal digits. The order of fields does not count. */
  readonly digest: string;
  /** Names of the swept fields in the order in which they are combined. */
  readonly swept: readonly string[];
  readonly vmCount: number;
  /** Rows that each VM records: those of minute 0, of every interval, and of the last minute. */
  readonly rowsPerVm: number;
  /** Returns VM number `index`, 0 to `vmCount` − 1. */
  vm(index: number): ExperimentVm;
}

export type ParsedExperiment =
  | { readonly ok: true; readonly experiment: Experiment }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Checks the content of an experiment file. Returns the experiment, or every problem with its path. */
export function experimentOf(content: unknown): ParsedExperiment {
  const parsed = checkedBy(experimentFile, content);
  if (!parsed.success) return { ok: false, problems: problemsOf(parsed.error, experimentFile) };
  const file = parsed.data;
  const fields = sweptFields(file.sweep ?? {});
  const problems = [...sweepProblems(file, fields), ...sizeProblems(file, fields)];
  const isExpandable = combinationCount(fields) <= MAX_EXPERIMENT_VMS;
  if (isExpandable && !problems.some(({ path }) => path.startsWith("sweep."))) {
    problems.push(...combinationProblems(file.base, fields, labelsOf(file)));
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, experiment: built(file, fields) };
}

/** Returns the experiment of a file that {@link experimentOf} has checked, such as the file in an event. */
export function plannedExperiment(file: ExperimentFile): Experiment {
  return built(file, sweptFields(file.sweep ?? {}));
}

function built(file: ExperimentFile, fields: readonly SweptField[]): Experiment {
  const { replicates = 1, seed = DEFAULT_EXPERIMENT_SEED } = file;
  const vmCount = combinationCount(fields) * replicates;
  const labels = labelsOf(file);
  return {
    file,
    digest: sha256(new TextEncoder().encode(canonicalJson(file))),
    swept: fields.map(({ name }) => name),
    vmCount,
    rowsPerVm: rowsPerVmOf(file),
    vm(index) {
      const choices = choicesOf(fields, Math.floor(index / replicates));
      const named = fields.map(({ name, values }, i) => [name, values[choices[i] as number]] as const);
      const texts = fields.map(
        ({ name, texts }, i) => `${JSON.stringify(name)}:${texts[choices[i] as number]}`,
      );
      const replicate = (index % replicates) + 1;
      const vm = {
        vmId: vmIdOf(file.experiment, index, vmCount),
        seed: replicateSeed(placeOf(seed, `{${texts.join()}}`), replicate),
      };
      // The file was checked with every combination, so each value has its place.
      const create = { ...requestWith(file.base, named), labels, ...vm } as ExperimentVm["create"];
      return { ...vm, values: Object.fromEntries(named), replicate, create };
    },
  };
}

function requestWith(base: Json, values: readonly (readonly [string, unknown])[]): Json {
  return values.reduce<Json>((request, [name, value]) => {
    const placed = withValue(request, name, value);
    return placed.ok ? placed.value : request;
  }, base);
}

function labelsOf({ experiment, base }: ExperimentFile): Readonly<Record<string, string>> {
  return { ...base.labels, [EXPERIMENT_LABEL]: experiment };
}

function rowsPerVmOf({ untilMinute, record }: ExperimentFile): number {
  return Math.floor(untilMinute / record.everyMinutes) + 1;
}

/**
 * Returns the id of VM number `index`, counted from 0: the experiment's id and a number from 1, with leading zeros, so
 * that lists in order of id are in order of number.
 */
function vmIdOf(experiment: string, index: number, vmCount: number): string {
  return `${experiment}-${String(index + 1).padStart(String(vmCount).length, "0")}`;
}

/** Returns the problems of the swept fields' names, and of values that a field has twice. */
function sweepProblems({ base }: ExperimentFile, fields: readonly SweptField[]): Problem[] {
  return fields.flatMap(({ name, texts }) => {
    const path = `sweep.${name}`;
    const [root = ""] = name.split(".");
    const problems: Problem[] = [];
    const reason = Object.hasOwn(FIXED_FIELDS, root) ? FIXED_FIELDS[root] : undefined;
    if (reason !== undefined) problems.push({ path, message: reason });
    if (root === "labels") problems.push({ path, message: "is not swept: labels do not change a cell" });
    const outer = fields.find((other) => name.startsWith(`${other.name}.`));
    if (outer !== undefined)
      problems.push({ path, message: `is part of ${outer.name}: sweep one of the two` });
    const placed = withValue(base as Json, name, null);
    if (!placed.ok) {
      problems.push({ path, message: `has no place: base.${placed.at} has no such field or element` });
    }
    for (const [i, text] of texts.entries()) {
      const first = texts.indexOf(text);
      if (first < i)
        problems.push({ path: `${path}.${i}`, message: `repeats value ${first}: use \`replicates\`` });
    }
    return problems;
  });
}

/** Returns the problems of numbers that do not fit each other or the limits. */
function sizeProblems(file: ExperimentFile, fields: readonly SweptField[]): Problem[] {
  const { experiment, untilMinute, record, replicates = 1 } = file;
  const problems: Problem[] = [];
  const vmCount = combinationCount(fields) * replicates;
  if (vmCount > MAX_EXPERIMENT_VMS) {
    const message = `has ${vmCount} VMs with all replicates, the limit is ${MAX_EXPERIMENT_VMS}: split it`;
    problems.push({ path: "sweep", message });
  }
  const rows = vmCount * rowsPerVmOf(file);
  if (rows > MAX_EXPERIMENT_ROWS) {
    const message = `gives ${rows} rows in all VMs, the limit is ${MAX_EXPERIMENT_ROWS}: record at longer intervals`;
    problems.push({ path: "record.everyMinutes", message });
  }
  if (untilMinute % record.everyMinutes !== 0) {
    const before = untilMinute - (untilMinute % record.everyMinutes);
    const nearest = [before, before + record.everyMinutes].filter((minute) => minute > 0).join(" or ");
    const message = `must be a multiple of record.everyMinutes, so that the last minute is recorded: use ${nearest}`;
    problems.push({ path: "untilMinute", message });
  }
  const last = vmIdOf(experiment, vmCount - 1, vmCount);
  if (vmCount <= MAX_EXPERIMENT_VMS && !isId(last)) {
    const message = `makes ids such as ${last}, longer than the ${MAX_ID_LENGTH} characters of an id: shorten it`;
    problems.push({ path: "experiment", message });
  }
  return problems;
}
