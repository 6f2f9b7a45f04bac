/**
 * Moving a VM that runs: what may be asked, what follows from the ledgers, and what the agent that hands it over reports.
 *
 * The order is what keeps it sound. First a place elsewhere (two entries for one VM, each under its own fence), then the guest is
 * taken down where it is, then the VM names its new place. Until the last step it lives where it is, and every step before
 * can be taken back by forgetting the move; an agent that has taken the guest down already starts it again then.
 */
import {
  isForMove,
  type LedgerEntry,
  type MoveCancelCode,
  type MoveCode,
  refuse,
  type Vm,
  type VmEvent,
  type VmState,
} from "@bioxen/contracts";
import { accept, UNCHANGED } from "@bioxen/kernel";
import { type HeldPlace, isGood } from "./held-place.ts";
import { admit, type VmDecision } from "./vm.ts";
import type { GuestReport } from "./vm-world.ts";

/** A move by command that has no place after this long, ms, is given up: whoever asked has asked for something else by then. */
export const MOVE_DEADLINE_MS = 60_000;

export interface MoveRequest {
  readonly toChassisId: string | null;
  readonly code: MoveCode;
  readonly reason: string;
}

/** `unfit` says of a VM that may move why it cannot, as far as that is known at once. */
export function decideMigrate(
  vmId: string,
  state: VmState,
  request: MoveRequest,
  unfit: (vm: Vm) => Extract<VmDecision, { ok: false }> | undefined,
): VmDecision {
  const admitted = admit(vmId, state, "migrate");
  if ("answer" in admitted) return admitted.answer;
  const { vm } = admitted;
  const { toChassisId } = request;
  if (vm.vmType !== "basic") {
    return refuse("UNSUPPORTED", `a VM of type ${vm.vmType} is moved by its pool, not from one to another`);
  }
  if (toChassisId !== null && toChassisId === vm.chassisId) return UNCHANGED;
  if (vm.migration !== null) {
    const present = vm.migration.target?.chassisId ?? vm.migration.toChassisId;
    if (toChassisId === null || toChassisId === present) return UNCHANGED;
    const message = `${vmId} is being moved to ${present ?? "where there is room"} already: cancel that first`;
    return refuse("CONFLICT", message, { details: { toChassisId: present } });
  }
  return unfit(vm) ?? accept<VmEvent>({ type: "bioxen.vm.migration-requested.v1", data: request });
}

/** For the sake of its chassis: a VM that is not there any more, or is on its way already, is left alone. */
export function decideMove(
  vmId: string,
  state: VmState,
  fromChassisId: string,
  request: MoveRequest,
): VmDecision {
  if (!state.exists || state.chassisId !== fromChassisId || state.migration !== null) return UNCHANGED;
  if (state.state !== "running" && state.state !== "paused") return UNCHANGED;
  return decideMigrate(vmId, state, request, () => undefined);
}

export function decideCancelMigration(vmId: string, state: VmState): VmDecision {
  if (!state.exists) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
  return state.migration === null ? UNCHANGED : cancelled("CANCELLED", "nobody wants it any more");
}

function cancelled(code: MoveCancelCode, reason: string): VmDecision {
  return accept<VmEvent>({ type: "bioxen.vm.migration-cancelled.v1", data: { code, reason } });
}

/** What the next step of a move depends on. */
export interface MoveWorld {
  /** An entry for it in another ledger than its own, of a chassis that is not lost. */
  readonly place: HeldPlace | undefined;
  /** Of the target it has: the entry that its ledger holds now; undefined: none. */
  readonly targetEntry: LedgerEntry | undefined;
  readonly isTargetLost: boolean;
  /** Events up to this sequence are known of the ledgers: what is not in them and is older is not there. */
  readonly knownSeq: number;
  readonly nowMs: number;
}

/** The next step of a move that is under way, without being asked. */
export function decideMoveStep(state: VmState, world: MoveWorld): VmDecision {
  if (!state.exists || state.migration === null) return UNCHANGED;
  const { target } = state.migration;
  if (target !== null) {
    if (world.isTargetLost) return cancelled("TARGET_LOST", `${target.chassisId} is lost`);
    const isThere = world.targetEntry?.fence === target.fence;
    const isInTime = isGood(world.targetEntry, target.fence, world.nowMs);
    if ((!isThere && target.fence > world.knownSeq) || isInTime) return UNCHANGED;
    return cancelled("RESERVATION_ENDED", `its place on ${target.chassisId} was given back in the meantime`);
  }
  const { place, nowMs } = world;
  if (place !== undefined && isForMove(state, place.entry) && isGood(place.entry, place.entry.fence, nowMs)) {
    const { fence, amounts } = place.entry;
    const data = { chassisId: place.chassisId, fence, allocation: amounts };
    return accept<VmEvent>({ type: "bioxen.vm.migrating.v1", data });
  }
  const dueAtMs = moveDueAtMs(state);
  if (dueAtMs === undefined || nowMs < dueAtMs) return UNCHANGED;
  return cancelled("NO_ROOM", `no chassis had a place for it within ${MOVE_DEADLINE_MS / 1000} s`);
}

/** When a move without a place is given up; undefined: never, or there is none. A drain has a deadline of its own. */
export function moveDueAtMs(state: VmState): number | undefined {
  if (!state.exists || state.migration === null || state.migration.target !== null) return undefined;
  return state.migration.code === "DRAIN" ? undefined : state.migration.requestedAtMs + MOVE_DEADLINE_MS;
}

/**
 * Its guest stands still. `held`: the entry at its new place as known here; where it is not known yet, the agent says it again. The state
 * that was handed over counts when it is of this course of the VM's life, and not of before its last checkpoint.
 */
export function decideHandedOver(
  vm: Vm,
  held: LedgerEntry | undefined,
  nowMs: number,
  { checkpoint, restores }: Pick<GuestReport, "checkpoint" | "restores"> = {},
): VmDecision {
  const target = vm.migration?.target ?? null;
  if (target === null || !isGood(held, target.fence, nowMs)) return UNCHANGED;
  const counts =
    restores === vm.restores && (checkpoint?.simMinutes ?? -1) >= (vm.checkpoint?.simMinutes ?? 0);
  const state = counts ? checkpoint : null;
  return accept<VmEvent>({ type: "bioxen.vm.moved.v1", data: { ...target, checkpoint: state ?? null } });
}

/** Its guest runs on, because what is in it would be lost. */
export function decideNotHandedOver(vm: Vm, reason: string): VmDecision {
  return vm.migration?.target ? cancelled("HAND_OVER_FAILED", reason) : UNCHANGED;
}
