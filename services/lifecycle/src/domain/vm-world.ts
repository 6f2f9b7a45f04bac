/**
 * Rules for a VM that follow from other aggregates and from time, without a command of a user: its place in the
 * ledgers, the loss of its chassis, the end of a stop or a destroy, and its restart policy.
 */
import {
  type DisplacementCode,
  endsWithAgent,
  isBeingRemoved,
  isForWaiting,
  type LedgerEntry,
  placeKeptUntilMs,
  SEEN_REASONS,
  type Vm,
  type VmEvent,
  type VmState,
} from "@bioxen/contracts";
import {
  accept,
  type Backoff,
  backoffDelayMs,
  type CommandOf,
  type DecisionTable,
  equalAmounts,
  UNCHANGED,
} from "@bioxen/kernel";
import { isCurrent, type ReservedPlace } from "./reserved-place.ts";
import type { VmDecision } from "./vm-decision.ts";
import { decideAdopt } from "./vm-preemption.ts";

export type WorldCommand =
  /** A ledger holds this place for the VM that waits for one. */
  | { readonly type: "place"; readonly place: ReservedPlace; readonly nowMs: number }
  /** `entry`: the VM's present entry in the ledger of its chassis; null when the ledger has none. */
  | { readonly type: "follow-ledger"; readonly entry: LedgerEntry | null }
  /** The start took too long. `entry`: as in `follow-ledger`. */
  | { readonly type: "give-up-place"; readonly entry: LedgerEntry | null; readonly nowMs: number }
  /** The chassis of the VM is lost. */
  | { readonly type: "lose-chassis" }
  /** Completes a stop or a destroy of the VM once nothing delays it any more. */
  /** `hasRemover` says whether the chassis whose pool may have the VM's machine is registered. */
  | { readonly type: "settle"; readonly hasRemover: boolean }
  /** The restart policy starts the VM when it is due. */
  | { readonly type: "restart"; readonly nowMs: number };

/**
 * Gives a waiting VM its reserved place. The VM does not take a reservation that has expired, because the allocator may
 * already be releasing that reservation. The VM then waits for another one.
 */
function decidePlace(state: VmState, { place, nowMs }: CommandOf<WorldCommand, "place">): VmDecision {
  if (!isForWaiting(state, place.entry) || !isCurrent(place.entry, place.entry.fence, nowMs))
    return UNCHANGED;
  const { fence, amounts } = place.entry;
  return accept<VmEvent>({
    type: "bioxen.vm.placed.v1",
    data: { chassisId: place.chassisId, fence, allocation: amounts },
  });
}

/**
 * Decides what follows from the VM's ledger entry: the VM adopts its amounts. When the entry is gone or has another
 * fence, the VM has lost its place.
 */
function decideFollowLedger(state: VmState, { entry }: CommandOf<WorldCommand, "follow-ledger">): VmDecision {
  if (!state.exists || state.fence === null || state.state === "stopping") return UNCHANGED;
  if (entry === null || entry.fence !== state.fence) {
    return displaced(state, state.fence, displacementOf(state, entry));
  }
  if (equalAmounts(entry.amounts, state.allocation ?? {})) return UNCHANGED;
  return decideAdopt(state, entry);
}

/**
 * Codes of the displacements that follow from the ledger. The commands `preempt` and `lose-chassis` give the other two
 * codes.
 */
type LedgerDisplacement = Exclude<DisplacementCode, "PREEMPTED" | "CHASSIS_LOST">;

const DISPLACEMENT_REASONS: Readonly<Record<LedgerDisplacement, string>> = {
  RESERVATION_EXPIRED: "its guest was not running in time and the reservation expired",
  RESERVATION_REPLACED: "its chassis holds another reservation for it",
  RESERVATION_ENDED: "its reservation ended",
};

/**
 * Displaces a VM whose chassis is lost. A VM that was stopping becomes stopped instead, because its guest is
 * unreachable. A guest that does not end with its agent continues in its pool, so its VM keeps its place.
 */
function decideLoseChassis(state: VmState): VmDecision {
  if (!state.exists || state.fence === null || !endsWithAgent(state.vmType)) return UNCHANGED;
  const { fence, chassisId } = state;
  if (state.state === "stopping") {
    return accept<VmEvent>({ type: "bioxen.vm.stopped.v1", data: { reason: `${chassisId} is lost` } });
  }
  const data = { fence, chassisId, code: "CHASSIS_LOST", reason: "its chassis is lost" } as const;
  return accept<VmEvent>({ type: "bioxen.vm.displaced.v2", data });
}

/**
 * Returns the instant at which a starting VM gives up its place if its guest does not run by then. Returns undefined
 * for a VM in another state, for an entry of another reservation, and for a reservation that does not expire.
 */
export function placeEndsAtMs(state: VmState, entry: LedgerEntry | null): number | undefined {
  if (!state.exists || state.state !== "starting" || entry?.fence !== state.fence) return undefined;
  if (entry.expiresAtMs === null) return undefined;
  return Math.max(entry.expiresAtMs, placeKeptUntilMs(state));
}

/**
 * Displaces a VM whose guest was not running before its reservation expired. The place ends by an event in the VM's own
 * stream, not by the allocator's clock. A `started` that was decided in time but is appended late therefore conflicts
 * with this event, and one of the two is rejected. The allocator keeps the entry until it has read this event.
 */
function decideGiveUpPlace(
  state: VmState,
  { entry, nowMs }: CommandOf<WorldCommand, "give-up-place">,
): VmDecision {
  const endsAtMs = placeEndsAtMs(state, entry);
  if (!state.exists || state.fence === null || endsAtMs === undefined || nowMs < endsAtMs) return UNCHANGED;
  return displaced(state, state.fence, "RESERVATION_EXPIRED");
}

function displaced({ chassisId }: Vm, fence: number, code: LedgerDisplacement): VmDecision {
  const data = { fence, chassisId, code, reason: DISPLACEMENT_REASONS[code] };
  return accept<VmEvent>({ type: "bioxen.vm.displaced.v2", data });
}

/**
 * Returns why the entry of the VM's place is gone. If the VM is starting, the entry has expired: a `placed` that was
 * decided before the expiry can be appended after it. The entry of a starting VM ends for no other reason.
 */
function displacementOf(vm: Vm, entry: LedgerEntry | null): LedgerDisplacement {
  if (entry !== null) return "RESERVATION_REPLACED";
  return vm.state === "starting" ? "RESERVATION_EXPIRED" : "RESERVATION_ENDED";
}

/**
 * Completes a stop that has no guest and no machine to wait for. Completes a destroy when the VM's guest has stopped, or when its
 * machine was deleted from the pool.
 */
function decideSettle(state: VmState, { hasRemover }: { readonly hasRemover: boolean }): VmDecision {
  if (!state.exists) return UNCHANGED;
  if (isBeingRemoved(state)) {
    if (hasRemover) return UNCHANGED;
    const reason = `no agent runs ${state.machineOn} any more, so its pool may keep the machine`;
    return accept<VmEvent>({ type: "bioxen.vm.stopped.v1", data: { reason } });
  }
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

/**
 * Returns the instant at which the restart policy starts a failed VM again; undefined when it never does, as for a VM that
 * has reached its last minute. The wait doubles with each attempt.
 */
export function restartDueAtMs(state: VmState): number | undefined {
  if (!state.exists || state.state !== "error" || state.untilReached === true) return undefined;
  const { mode, maxAttempts, backoffMs } = state.restartPolicy;
  if (mode === "never" || state.automaticStarts >= maxAttempts) return undefined;
  const backoff: Backoff = { firstMs: backoffMs, ceilingMs: LONGEST_RESTART_BACKOFF_MS };
  return state.updatedAtMs + backoffDelayMs(backoff, state.automaticStarts + 1);
}

function decideRestart(state: VmState, { nowMs }: CommandOf<WorldCommand, "restart">): VmDecision {
  // A second daughter lives from its birth on, so that it waits for a place without a command.
  if (state.exists && state.state === "created" && state.birth !== undefined) {
    return accept<VmEvent>({ type: "bioxen.vm.start-requested.v1", data: { automatic: false } });
  }
  const dueAtMs = restartDueAtMs(state);
  if (dueAtMs === undefined || dueAtMs > nowMs) return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.start-requested.v1", data: { automatic: true } });
}

export const WORLD_RULES: DecisionTable<VmState, WorldCommand, VmEvent> = {
  place: decidePlace,
  "follow-ledger": decideFollowLedger,
  "give-up-place": decideGiveUpPlace,
  "lose-chassis": decideLoseChassis,
  settle: decideSettle,
  restart: decideRestart,
};
