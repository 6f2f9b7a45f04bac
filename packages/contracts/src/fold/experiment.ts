/**
 * Folds the events of an experiment into its state: the file, and the result of each VM that has one.
 *
 * Results are kept in blocks, so that an event that records one of 10 000 VMs copies two short lists, and not the results
 * of all VMs.
 */
import { beginnerOf, type CauseEvent, causeAt, type Fold } from "@bioxen/kernel";
import type { CourseColumn } from "../courses.ts";
import type { ExperimentEvent } from "../events/experiment.ts";
import { FORMER_OWNER } from "./vm.ts";

export const EXPERIMENT_STATUSES = [
  "running",
  "cancelling",
  "failing",
  "finished",
  "cancelled",
  "failed",
] as const;
export type ExperimentStatus = (typeof EXPERIMENT_STATUSES)[number];

/** Number of results in a block: near the square root of the largest number of VMs, so that a copy is the shortest. */
const BLOCK = 64;

/** The result of one VM. */
export type VmOutcome =
  | {
      readonly incarnation: number;
      readonly rowCount: number;
      readonly digest: string;
      /** Index of the columns of `values` in the experiment's `columnSets`. */
      readonly columnSet: number;
      readonly values: readonly (number | null)[];
    }
  | { readonly incarnation: number; readonly failure: string };

export interface StartedExperiment {
  readonly exists: true;
  readonly owner: string;
  readonly status: ExperimentStatus;
  /** Why the experiment was given up; null otherwise. */
  readonly reason: string | null;
  readonly file: Readonly<Record<string, unknown>>;
  readonly digest: string;
  readonly seed: number;
  readonly vmCount: number;
  readonly rowsPerVm: number;
  readonly bioxenVersion: string;
  /** The columns of the final values. VMs of different models have different columns. */
  readonly columnSets: readonly (readonly CourseColumn[])[];
  /** The results in blocks of {@link BLOCK} VMs; null for a VM without a result. Read them with {@link outcomeOf}. */
  readonly blocks: readonly (readonly (VmOutcome | null)[])[];
  readonly recorded: number;
  readonly failed: number;
  /** The event that started the experiment. The VMs and all later events carry its correlation id. */
  readonly startedBy: CauseEvent;
  readonly startedAtMs: number;
  readonly startedSeq: number;
  readonly updatedAtMs: number;
  readonly lastSeq: number;
  readonly endedAtMs: number | null;
  readonly version: number;
}

export type ExperimentState = { readonly exists: false } | StartedExperiment;

export const NO_EXPERIMENT: ExperimentState = Object.freeze({ exists: false });

/** Returns the result of VM number `index`; null while it has none. */
export function outcomeOf({ blocks }: StartedExperiment, index: number): VmOutcome | null {
  return blocks[Math.floor(index / BLOCK)]?.[index % BLOCK] ?? null;
}

export const experimentFold: Fold<ExperimentState> = {
  schema: 1,
  initial: NO_EXPERIMENT,
  evolve(state, untyped, at) {
    const event = untyped as ExperimentEvent;
    const seen = { version: at.version, updatedAtMs: at.atMs, lastSeq: at.seq };
    if (event.type === "bioxen.experiment.started.v1") {
      return {
        exists: true,
        owner: beginnerOf({ principal: at.principal, onbehalfof: at.onBehalfOf }) ?? FORMER_OWNER,
        status: "running",
        reason: null,
        ...event.data,
        columnSets: [],
        blocks: [],
        recorded: 0,
        failed: 0,
        startedBy: causeAt(at),
        startedAtMs: at.atMs,
        startedSeq: at.seq,
        endedAtMs: null,
        ...seen,
      };
    }
    if (!state.exists) throw new Error(`${event.type} of an experiment that was never started`);
    const ended = { ...seen, endedAtMs: at.atMs };
    switch (event.type) {
      case "bioxen.experiment.progressed.v1":
        return { ...progressed(state, event.data), ...seen };
      case "bioxen.experiment.cancel-requested.v1":
        return { ...state, ...seen, status: "cancelling" };
      case "bioxen.experiment.cancelled.v1":
        return { ...state, ...ended, status: "cancelled" };
      case "bioxen.experiment.given-up.v1":
        return { ...state, ...seen, status: "failing", reason: event.data.reason };
      case "bioxen.experiment.failed.v1":
        return { ...state, ...ended, status: "failed" };
      case "bioxen.experiment.finished.v1":
        return { ...state, ...ended, status: "finished" };
    }
  },
};

type Progress = Extract<ExperimentEvent, { readonly type: "bioxen.experiment.progressed.v1" }>["data"];

function progressed(state: StartedExperiment, { columns, recorded, failed }: Progress): StartedExperiment {
  const text = JSON.stringify(columns);
  const known = state.columnSets.findIndex((one) => JSON.stringify(one) === text);
  const columnSet = known < 0 ? state.columnSets.length : known;
  const isNew = known < 0 && recorded.length > 0;
  const outcomes = [
    ...recorded.map(({ index, ...outcome }) => [index, { ...outcome, columnSet }] as const),
    ...failed.map(({ index, incarnation, reason }) => [index, { incarnation, failure: reason }] as const),
  ];
  return {
    ...state,
    columnSets: isNew ? [...state.columnSets, columns] : state.columnSets,
    blocks: withOutcomes(state, outcomes),
    recorded: state.recorded + recorded.length,
    failed: state.failed + failed.length,
  };
}

function withOutcomes(
  { blocks }: StartedExperiment,
  outcomes: readonly (readonly [index: number, outcome: VmOutcome])[],
): StartedExperiment["blocks"] {
  const next = [...blocks];
  const copied = new Map<number, (VmOutcome | null)[]>();
  for (const [index, outcome] of outcomes) {
    const at = Math.floor(index / BLOCK);
    while (next.length <= at) next.push([]);
    const block = copied.get(at) ?? [...(next[at] ?? [])];
    while (block.length <= index % BLOCK) block.push(null);
    block[index % BLOCK] = outcome;
    copied.set(at, block);
    next[at] = block;
  }
  return next;
}
