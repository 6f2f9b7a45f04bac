/**
 * Decider of an experiment.
 *
 * An experiment owns no VM. It has the file from which its VMs follow, and the result of each VM. It runs until each VM
 * is recorded or has failed. A caller may cancel it, and the process may give it up. In every case it ends only when
 * none of its VMs is left that it does not keep, so the end is recorded after it was checked.
 */
import {
  type CourseColumn,
  type ExperimentEvent,
  type ExperimentState,
  experimentFold,
  MAX_RECORDED_PER_EVENT,
  outcomeOf,
  refuse,
  type StartedExperiment,
} from "@bioxen/contracts";
import { accept, type Decision, deciderOf, UNCHANGED } from "@bioxen/kernel";

type EventData<Name extends string> = Extract<
  ExperimentEvent,
  { readonly type: `bioxen.experiment.${Name}.v1` }
>["data"];
export type NewExperiment = EventData<"started">;
export type RecordedVm = EventData<"progressed">["recorded"][number];
export type FailedVm = EventData<"progressed">["failed"][number];

export type ExperimentCommand =
  | { readonly type: "start"; readonly experimentId: string; readonly started: NewExperiment }
  | { readonly type: "cancel"; readonly experimentId: string }
  /** Stores results of VMs. Results of VMs that have one are left out. */
  | {
      readonly type: "record";
      readonly columns: readonly CourseColumn[];
      readonly recorded: readonly RecordedVm[];
      readonly failed: readonly FailedVm[];
    }
  | { readonly type: "give-up"; readonly reason: string }
  /** Ends the experiment if its work is done. `isCleared`: none of its VMs is left that it does not keep. */
  | { readonly type: "settle"; readonly isCleared: boolean };

/** Longest reason in an event, characters. The log of the service has the whole text. */
const MAX_REASON = 500;

export const experimentDecider = deciderOf<ExperimentState, ExperimentCommand, ExperimentEvent>(
  experimentFold,
  {
    start(state, { experimentId, started }) {
      if (!state.exists)
        return accept<ExperimentEvent>({ type: "bioxen.experiment.started.v1", data: started });
      if (state.digest === started.digest) return UNCHANGED;
      const details = { expected: state.digest, actual: started.digest };
      const message = `experiment ${experimentId} was started with another file: use another id for this one`;
      return refuse("CONFLICT", message, { details });
    },

    cancel(state, { experimentId }) {
      if (!state.exists) return noExperiment(experimentId);
      const { status } = state;
      if (status === "running") return happened("cancel-requested", {});
      if (status === "cancelling" || status === "cancelled") return UNCHANGED;
      const message = `experiment ${experimentId} is ${status} and cannot cancel; allowed: nothing`;
      return refuse("INVALID_TRANSITION", message, {
        details: { state: status, command: "cancel", allowed: [] },
      });
    },

    record(state, { columns, recorded, failed }) {
      if (!isRunning(state)) return UNCHANGED;
      const isNew = ({ index }: { readonly index: number }) =>
        index < state.vmCount && outcomeOf(state, index) === null;
      const fresh = recorded.filter(isNew).slice(0, MAX_RECORDED_PER_EVENT);
      const lost = failed.filter(isNew).slice(0, MAX_RECORDED_PER_EVENT - fresh.length);
      if (fresh.length + lost.length === 0) return UNCHANGED;
      return happened("progressed", {
        columns: fresh.length === 0 ? [] : [...columns],
        recorded: fresh,
        failed: lost.map((vm) => ({ ...vm, reason: vm.reason.slice(0, MAX_REASON) })),
      });
    },

    "give-up"(state, { reason }) {
      return isRunning(state) ? happened("given-up", { reason: reason.slice(0, MAX_REASON) }) : UNCHANGED;
    },

    settle(state, { isCleared }) {
      if (!state.exists || !isCleared) return UNCHANGED;
      if (state.status === "cancelling") return happened("cancelled", {});
      if (state.status === "failing") return happened("failed", {});
      return isRunning(state) && isComplete(state) ? happened("finished", {}) : UNCHANGED;
    },
  },
);

export function isRunning(state: ExperimentState): state is StartedExperiment {
  return state.exists && state.status === "running";
}

/** Returns true once every VM has a result or has failed. */
export function isComplete({ recorded, failed, vmCount }: StartedExperiment): boolean {
  return recorded + failed === vmCount;
}

export function noExperiment(
  experimentId: string,
): Extract<Decision<ExperimentEvent>, { readonly ok: false }> {
  return refuse("EXPERIMENT_NOT_FOUND", `there is no experiment ${experimentId}`);
}

function happened<
  Name extends "progressed" | "given-up" | "cancel-requested" | "cancelled" | "failed" | "finished",
>(name: Name, data: EventData<Name>): Decision<ExperimentEvent> {
  return accept({ type: `bioxen.experiment.${name}.v1`, data } as ExperimentEvent);
}
