/**
 * What the world does to a VM: its place in the ledgers, the loss of its chassis, and its guest as the agent reports it.
 */
import {
  CHECKPOINT_LOSSES,
  type CheckpointRecord,
  type DisplacementCode,
  endsWithAgent,
  isForWaiting,
  type LedgerEntry,
  type OutsideChangeReport,
  SEEN_REASONS,
  type Vm,
  type VmEvent,
  type VmState,
} from "@bioxen/contracts";
import { accept, type Backoff, backoffDelayMs, equalAmounts, UNCHANGED } from "@bioxen/kernel";
import { type HeldPlace, isGood } from "./held-place.ts";
import type { VmDecision } from "./vm.ts";
import { decideCheckpointed, decideCheckpointLost } from "./vm-guest-state.ts";
import { decideHandedOver, decideNotHandedOver } from "./vm-move.ts";
import { decideObserved } from "./vm-observed.ts";
import { decideAdopt } from "./vm-preemption.ts";

/** A reservation past its time is not taken: the allocator may be giving it back at this moment, and the VM waits for another. */
export function decidePlace(state: VmState, place: HeldPlace, nowMs: number): VmDecision {
  if (!isForWaiting(state, place.entry) || !isGood(place.entry, place.entry.fence, nowMs)) return UNCHANGED;
  const { fence, amounts } = place.entry;
  return accept<VmEvent>({
    type: "bioxen.vm.placed.v1",
    data: { chassisId: place.chassisId, fence, allocation: amounts },
  });
}

/** The VM's place as the ledger has it now; null: its reservation is gone. Adopts what the ledger says. */
export function decideFollowLedger(state: VmState, entry: LedgerEntry | null): VmDecision {
  if (!state.exists || state.fence === null || state.state === "stopping") return UNCHANGED;
  if (entry === null || entry.fence !== state.fence) {
    return displaced(state, state.fence, displacementOf(state, entry));
  }
  if (equalAmounts(entry.amounts, state.allocation ?? {})) return UNCHANGED;
  return decideAdopt(state, entry);
}

/** By the ledger alone; a preemption is decided on the VM, the loss of a chassis on that. */
type LedgerDisplacement = Exclude<DisplacementCode, "PREEMPTED" | "CHASSIS_LOST">;

const DISPLACEMENT_REASONS: Readonly<Record<LedgerDisplacement, string>> = {
  RESERVATION_EXPIRED: "its guest was not running in time and the reservation expired",
  RESERVATION_REPLACED: "its chassis holds another reservation for it",
  RESERVATION_ENDED: "its reservation ended",
};

/**
 * Its chassis is lost: the VM wants another place, and one that was to stop has stopped, its guest being beyond reach. A guest that
 * does not end with its agent is left alone, and so is its VM.
 */
export function decideChassisLost(state: VmState): VmDecision {
  if (!state.exists || state.fence === null || !endsWithAgent(state.vmType)) return UNCHANGED;
  const { fence, chassisId } = state;
  if (state.state === "stopping") {
    return accept<VmEvent>({ type: "bioxen.vm.stopped.v1", data: { reason: `${chassisId} is lost` } });
  }
  const data = { fence, chassisId, code: "CHASSIS_LOST", reason: "its chassis is lost" } as const;
  return accept<VmEvent>({ type: "bioxen.vm.displaced.v2", data });
}

/** When a VM that is starting on `entry` gives it up unless its guest runs by then; undefined: it is not, or has for ever. */
export function placeEndsAtMs(state: VmState, entry: LedgerEntry | null): number | undefined {
  if (!state.exists || state.state !== "starting" || entry?.fence !== state.fence) return undefined;
  return entry.expiresAtMs ?? undefined;
}

/**
 * The end of a place whose guest was not running in time. It is the VM that gives it up, in its own stream: a `started` that was
 * decided in time and lands late meets this event and not the allocator's clock, and one of the two is refused. The
 * allocator holds the entry until it has read this.
 */
export function decideGiveUp(state: VmState, entry: LedgerEntry | null, nowMs: number): VmDecision {
  const endsAtMs = placeEndsAtMs(state, entry);
  if (!state.exists || state.fence === null || endsAtMs === undefined || nowMs < endsAtMs) return UNCHANGED;
  return displaced(state, state.fence, "RESERVATION_EXPIRED");
}

function displaced({ chassisId }: Vm, fence: number, code: LedgerDisplacement): VmDecision {
  const data = { fence, chassisId, code, reason: DISPLACEMENT_REASONS[code] };
  return accept<VmEvent>({ type: "bioxen.vm.displaced.v2", data });
}

/** A `placed` that was decided in time can land when the entry has expired already; no other entry of a VM that starts ends. */
function displacementOf(vm: Vm, entry: LedgerEntry | null): LedgerDisplacement {
  if (entry !== null) return "RESERVATION_REPLACED";
  return vm.state === "starting" ? "RESERVATION_EXPIRED" : "RESERVATION_ENDED";
}

/** What an agent saw its guest do. */
export interface GuestReport {
  readonly fence: number;
  readonly observed:
    | "started"
    | "restarted"
    | "stopped"
    | "failed"
    | "checkpointed"
    | "checkpoint-lost"
    | "handed-over"
    | "not-handed-over"
    | "outside-change";
  readonly reason: string;
  readonly code: string;
  readonly checkpoint?: CheckpointRecord | undefined;
  readonly restores?: number | undefined;
  readonly checkpointId?: string | undefined;
  readonly outside?: OutsideChangeReport | undefined;
}

/**
 * `held`: the ledger's entry as known here. A start is confirmed only while its reservation is good, and the
 * allocator keeps that until the VM gives it up: a VM never runs without an allocation. `heldElsewhere`: the same of the place that a
 * move leads to.
 */
export function decideReport(
  state: VmState,
  report: GuestReport,
  held: LedgerEntry | undefined,
  nowMs: number,
  heldElsewhere?: LedgerEntry | undefined,
): VmDecision {
  const { fence, reason, code } = report;
  if (report.observed === "outside-change") {
    return report.outside === undefined ? UNCHANGED : decideObserved(state, fence, report.outside);
  }
  if (!state.exists || state.fence !== fence) return UNCHANGED;
  switch (report.observed) {
    case "started":
      if (state.state !== "starting" || !isGood(held, fence, nowMs)) return UNCHANGED;
      return accept<VmEvent>({
        type: "bioxen.vm.started.v1",
        data: state.startsPaused ? { fence, paused: true } : { fence },
      });
    case "restarted":
      if (state.state !== "running" && state.state !== "paused") return UNCHANGED;
      return accept<VmEvent>({ type: "bioxen.vm.guest-restarted.v1", data: { fence, reason } });
    case "stopped":
      if (state.state !== "stopping") return UNCHANGED;
      return accept<VmEvent>({ type: "bioxen.vm.stopped.v1", data: { reason } });
    case "failed":
      if (state.state === "stopping")
        return accept<VmEvent>({ type: "bioxen.vm.stopped.v1", data: { reason } });
      return accept<VmEvent>({ type: "bioxen.vm.failed.v1", data: { reason, code } });
    case "checkpointed": {
      const { checkpoint, restores = 0 } = report;
      return checkpoint === undefined
        ? UNCHANGED
        : decideCheckpointed(state, { fence, restores, checkpoint });
    }
    case "checkpoint-lost": {
      const known = CHECKPOINT_LOSSES.find((loss) => loss === code);
      const { checkpointId } = report;
      if (known === undefined || checkpointId === undefined) return UNCHANGED;
      return decideCheckpointLost(state, { fence, checkpointId, code: known, reason });
    }
    case "handed-over":
      return decideHandedOver(state, heldElsewhere, nowMs, report);
    case "not-handed-over":
      return decideNotHandedOver(state, reason);
  }
}

/** A stop that has no guest to wait for, and a destroy whose guest has stopped, or whose machine was deleted by others. */
export function decideEndings(state: VmState): VmDecision {
  if (!state.exists) return UNCHANGED;
  if (state.state === "stopping" && state.chassisId === null) {
    return accept<VmEvent>({ type: "bioxen.vm.stopped.v1", data: { reason: "it had no guest" } });
  }
  if ((state.state === "stopped" || state.state === "error") && state.destroyRequested) {
    const isOutside = state.reason === SEEN_REASONS.deleted;
    const reason = isOutside ? SEEN_REASONS.deleted : "by command";
    return accept<VmEvent>({ type: "bioxen.vm.destroyed.v1", data: { reason } });
  }
  return UNCHANGED;
}

/** Longest wait between two automatic starts, ms. */
const LONGEST_RESTART_BACKOFF_MS = 600_000;

/** When its restart policy starts a failed VM again; undefined: never. The wait doubles with each attempt. */
export function restartDueAtMs(state: VmState): number | undefined {
  if (!state.exists || state.state !== "error") return undefined;
  const { mode, maxAttempts, backoffMs } = state.restartPolicy;
  if (mode === "never" || state.automaticStarts >= maxAttempts) return undefined;
  const backoff: Backoff = { firstMs: backoffMs, ceilingMs: LONGEST_RESTART_BACKOFF_MS };
  return state.updatedAtMs + backoffDelayMs(backoff, state.automaticStarts + 1);
}

export function decideRestart(state: VmState, nowMs: number): VmDecision {
  const dueAtMs = restartDueAtMs(state);
  if (dueAtMs === undefined || dueAtMs > nowMs) return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.start-requested.v1", data: { automatic: true } });
}
