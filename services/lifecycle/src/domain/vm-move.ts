/**
 * Rules for moving a VM that runs: which requests are allowed, which steps follow from the ledgers, and what follows
 * from the report of the agent that hands the guest over.
 *
 * The order of the steps makes a move safe. First a ledger reserves a place elsewhere, so that the VM has two
 * entries, each with its own fence. Then the agent pauses the guest and hands over its state. Last, the VM takes its
 * new place. Until that last step the VM lives at its old place, so a cancelled move is simply forgotten. If the agent
 * has already paused the guest, the guest then resumes.
 */
import {
  checkpointsOf,
  isForMove,
  type LedgerEntry,
  type MoveCancelCode,
  type MoveCode,
  refuse,
  type Vm,
  type VmEvent,
  type VmState,
} from "@bioxen/contracts";
import { accept, type CommandOf, type DecisionTable, UNCHANGED } from "@bioxen/kernel";
import type { GuestReport } from "./guest-report.ts";
import { isCurrent, type ReservedPlace } from "./reserved-place.ts";
import { admit } from "./vm.ts";
import { noVm, type OnVm, type VmDecision, type VmRejection } from "./vm-decision.ts";

/**
 * A move by command is cancelled when it has no place after this time, ms. A shorter deadline would cancel moves that
 * only wait for another VM to leave. A longer deadline could move a VM long after its user expected the move.
 */
export const MOVE_DEADLINE_MS = 60_000;

export interface MoveRequest {
  /** Id of the chassis to move to; null for any chassis that has room. */
  readonly toChassisId: string | null;
  readonly code: MoveCode;
  readonly reason: string;
}

/** The ledgers and chassis that the next step of a move depends on. */
export interface MoveWorld {
  /**
   * The VM's reservation on a chassis other than its own; undefined when there is none, or when that chassis is lost.
   */
  readonly place: ReservedPlace | undefined;
  /**
   * The entry that the ledger of the target chassis holds now; undefined when it holds none, or the move has no
   * target.
   */
  readonly targetEntry: LedgerEntry | undefined;
  readonly isTargetLost: boolean;
  /** Sequence up to which ledger events are known. An older reservation without an entry has been released. */
  readonly knownSeq: number;
  readonly nowMs: number;
}

export type MoveCommand =
  /** A user's request. `obstacle`: the rejection when no chassis known here suits the request; otherwise undefined. */
  | (OnVm<"migrate"> & { readonly request: MoveRequest; readonly obstacle: VmRejection | undefined })
  /**
   * The scheduler's request to move the VM away from the chassis `fromChassisId`. `obstacle`: as in `migrate`.
   * `isAllowed`: false when the request names a drain as its reason, but the chassis is not cordoned. A drain cordons
   * its chassis before it requests moves, so no drain can have sent this request.
   */
  | (OnVm<"move"> & {
      readonly request: MoveRequest;
      readonly fromChassisId: string;
      readonly obstacle?: VmRejection | undefined;
      readonly isAllowed?: boolean;
    })
  | OnVm<"cancel-migration">
  | ({ readonly type: "advance-move" } & MoveWorld);

function decideMigrate(
  state: VmState,
  { vmId, request, obstacle }: CommandOf<MoveCommand, "migrate">,
): VmDecision {
  const admitted = admit(vmId, state, "migrate");
  if ("answer" in admitted) return admitted.answer;
  const { vm } = admitted;
  const { toChassisId } = request;
  if (vm.vmType !== "basic") {
    return refuse("UNSUPPORTED", `a VM of type ${vm.vmType} cannot migrate: its pool moves it between hosts`);
  }
  if (toChassisId !== null && toChassisId === vm.chassisId) return UNCHANGED;
  if (vm.migration !== null) {
    const present = vm.migration.target?.chassisId ?? vm.migration.toChassisId;
    if (toChassisId === null || toChassisId === present) return UNCHANGED;
    const where = present ?? "any chassis with room";
    const message = `${vmId} already moves to ${where}: cancel that migration first`;
    return refuse("CONFLICT", message, { details: { toChassisId: present } });
  }
  return obstacle ?? accept<VmEvent>({ type: "bioxen.vm.migration-requested.v1", data: request });
}

/** Decides a move that the scheduler requests. Changes nothing when the VM has left the chassis, or already moves. */
function decideMove(
  state: VmState,
  { vmId, fromChassisId, request, obstacle, isAllowed = true }: CommandOf<MoveCommand, "move">,
): VmDecision {
  if (!state.exists || state.chassisId !== fromChassisId || state.migration !== null) return UNCHANGED;
  if (state.state !== "running" && state.state !== "paused") return UNCHANGED;
  if (!isAllowed) {
    return refuse("CONFLICT", `${fromChassisId} is not being drained: no drain moves ${vmId} off it`);
  }
  return decideMigrate(state, { type: "migrate", vmId, request, obstacle });
}

function decideCancelMigration(
  state: VmState,
  { vmId }: CommandOf<MoveCommand, "cancel-migration">,
): VmDecision {
  if (!state.exists) return noVm(vmId);
  return state.migration === null ? UNCHANGED : cancelled("CANCELLED", "the migration was cancelled");
}

function cancelled(code: MoveCancelCode, reason: string): VmDecision {
  return accept<VmEvent>({ type: "bioxen.vm.migration-cancelled.v1", data: { code, reason } });
}

/**
 * Decides the next step of a move: the VM takes the reserved place, or the move ends because it found no place or lost
 * its target.
 */
function decideAdvanceMove(state: VmState, world: MoveWorld): VmDecision {
  if (!state.exists || state.migration === null) return UNCHANGED;
  const { target } = state.migration;
  if (target !== null) {
    if (world.isTargetLost) return cancelled("TARGET_LOST", `${target.chassisId} is lost`);
    const isHeld = world.targetEntry?.fence === target.fence;
    const isUnexpired = isCurrent(world.targetEntry, target.fence, world.nowMs);
    if ((!isHeld && target.fence > world.knownSeq) || isUnexpired) return UNCHANGED;
    return cancelled("RESERVATION_ENDED", `its reservation on ${target.chassisId} ended`);
  }
  const { place, nowMs } = world;
  if (
    place !== undefined &&
    isForMove(state, place.entry) &&
    isCurrent(place.entry, place.entry.fence, nowMs)
  ) {
    const { fence, amounts } = place.entry;
    const data = { chassisId: place.chassisId, fence, allocation: amounts };
    return accept<VmEvent>({ type: "bioxen.vm.migrating.v1", data });
  }
  const dueAtMs = moveDueAtMs(state);
  if (dueAtMs === undefined || nowMs < dueAtMs) return UNCHANGED;
  return cancelled("NO_ROOM", `no chassis had room for it within ${MOVE_DEADLINE_MS / 1000} s`);
}

/**
 * Returns the instant at which a move that waits for a place is cancelled. Returns undefined when no move waits, and
 * for a move of a drain, because the drain has its own deadline.
 */
export function moveDueAtMs(state: VmState): number | undefined {
  if (!state.exists || state.migration === null || state.migration.target !== null) return undefined;
  return state.migration.code === "DRAIN" ? undefined : state.migration.requestedAtMs + MOVE_DEADLINE_MS;
}

/**
 * Moves the VM to its new place, after the agent has taken the guest down and handed over its state. `targetEntry` is
 * the entry at the new place; while it is not known here, nothing changes and the agent repeats its report. The state
 * counts when it was taken since the last restore, and is not older than the recorded checkpoint.
 */
export function decideHandedOver(
  vm: Vm,
  { checkpoint, restores }: Pick<GuestReport, "checkpoint" | "restores">,
  targetEntry: LedgerEntry | undefined,
  nowMs: number,
): VmDecision {
  const target = vm.migration?.target ?? null;
  if (target === null || !isCurrent(targetEntry, target.fence, nowMs)) return UNCHANGED;
  const reachedMinutes = checkpoint?.simMinutes ?? -1;
  // A checkpoint id stands for one state. A reported checkpoint that has a recorded id but another minute is therefore
  // not the last state of the old guest.
  const recorded = checkpointsOf(vm).find(({ checkpointId }) => checkpointId === checkpoint?.checkpointId);
  const counts =
    restores === vm.restores &&
    reachedMinutes >= (vm.checkpoint?.simMinutes ?? 0) &&
    (recorded === undefined || recorded.simMinutes === reachedMinutes);
  const state = counts ? checkpoint : null;
  return accept<VmEvent>({ type: "bioxen.vm.moved.v1", data: { ...target, checkpoint: state ?? null } });
}

/** Ends the move: the guest continues at its old place, because its state would be lost by the move. */
export function decideNotHandedOver(vm: Vm, reason: string): VmDecision {
  return vm.migration?.target ? cancelled("HAND_OVER_FAILED", reason) : UNCHANGED;
}

export const MOVE_RULES: DecisionTable<VmState, MoveCommand, VmEvent> = {
  migrate: decideMigrate,
  move: decideMove,
  "cancel-migration": decideCancelMigration,
  "advance-move": decideAdvanceMove,
};
