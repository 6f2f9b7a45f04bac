/**
 * The views of an experiment: what its log says, and how its VMs are now.
 */
import {
  type Experiment,
  type ExperimentView,
  type ExperimentVmView,
  outcomeOf,
  type StartedExperiment,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import { isRunning } from "../domain/experiment.ts";
import { isPresent } from "../domain/vm-work.ts";

export interface Viewed {
  readonly experimentId: string;
  readonly state: StartedExperiment;
  readonly experiment: Experiment;
  readonly vmOf: (vmId: string) => VmState;
  /** Returns why a VM waits, if only the process that drives it knows. */
  readonly waitReasonOf: (vmId: string) => string | undefined;
}

/** A VM as its experiment sees it. */
type Progress = Pick<ExperimentVmView, "status" | "reason">;

const ACTIVE: ReadonlySet<Vm["state"]> = new Set(["running", "stopping", "stopped"]);

function progressOf(viewed: Viewed, index: number): Progress {
  const { state, experiment, experimentId, vmOf, waitReasonOf } = viewed;
  const outcome = outcomeOf(state, index);
  if (outcome !== null) {
    return "failure" in outcome
      ? { status: "failed", reason: outcome.failure }
      : { status: "recorded", reason: null };
  }
  if (!isRunning(state)) return { status: "dropped", reason: null };
  const { vmId, seed } = experiment.vm(index);
  const reason = waitReasonOf(vmId) ?? null;
  const vm = vmOf(vmId);
  if (!isPresent({ experimentId, seed }, vm)) {
    return { status: reason === null ? "planned" : "waiting", reason };
  }
  if (reason === null && ACTIVE.has(vm.state)) return { status: "running", reason: null };
  return { status: "waiting", reason: reason ?? vm.reason ?? `it is ${vm.state}` };
}

/** Returns the view of an experiment. Looks at each VM without a result, because its state is not in the log of this one. */
export function viewOfExperiment(viewed: Viewed): ExperimentView {
  const { experimentId, state, experiment } = viewed;
  const { file } = experiment;
  let [waiting, running, first] = [0, 0, null as string | null];
  for (let index = 0; isRunning(state) && index < state.vmCount; index += 1) {
    if (outcomeOf(state, index) !== null) continue;
    const { status, reason } = progressOf(viewed, index);
    if (status === "running") running += 1;
    if (status !== "waiting") continue;
    waiting += 1;
    first ??= `${experiment.vm(index).vmId}: ${reason}`;
  }
  return {
    experimentId,
    owner: state.owner,
    status: state.status,
    reason: state.reason ?? first ?? firstFailure(viewed),
    digest: state.digest,
    seed: state.seed,
    untilMinute: file.untilMinute,
    keep: file.keep ?? false,
    vmCount: state.vmCount,
    rowsPerVm: state.rowsPerVm,
    recorded: state.recorded,
    failed: state.failed,
    waiting,
    running,
    bioxenVersion: state.bioxenVersion,
    startedAtMs: state.startedAtMs,
    updatedAtMs: state.updatedAtMs,
    endedAtMs: state.endedAtMs,
    firstSeq: state.startedSeq,
    lastSeq: state.lastSeq,
    version: state.version,
  };
}

/** Returns why the first VM that failed did; null without one. */
function firstFailure({ state, experiment }: Viewed): string | null {
  for (let index = 0; state.failed > 0 && index < state.vmCount; index += 1) {
    const outcome = outcomeOf(state, index);
    if (outcome !== null && "failure" in outcome) return `${experiment.vm(index).vmId}: ${outcome.failure}`;
  }
  return null;
}

export function viewsOfVms(viewed: Viewed): ExperimentVmView[] {
  const { state, experiment } = viewed;
  return Array.from({ length: state.vmCount }, (_, index) => {
    const { vmId, values, replicate, seed } = experiment.vm(index);
    const outcome = outcomeOf(state, index);
    const result = outcome === null || "failure" in outcome ? null : outcome;
    return {
      vmId,
      values,
      replicate,
      seed,
      ...progressOf(viewed, index),
      incarnation: result?.incarnation ?? null,
      rowCount: result?.rowCount ?? null,
      digest: result?.digest ?? null,
      columnSet: result?.columnSet ?? null,
      final: [...(result?.values ?? [])],
    };
  });
}
