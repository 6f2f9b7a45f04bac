/**
 * Folds the events of a VM's placement: the VM requests a place, every chassis refuses it, it gets a place, or it is
 * displaced.
 */
import type { EventPosition } from "@bioxen/kernel";
import type { PlacementRefusal, VmEvent } from "../events/vm.ts";
import { endedPreemption, isPausedByUser } from "../preemption.ts";
import { endsWithAgent } from "../resources.ts";
import { isBeyondUntil } from "../until.ts";
import type { LedgerEntry } from "./ledger.ts";
import type { Vm, VmState } from "./vm-state.ts";

export const NOT_WAITING = { pendingSinceMs: null, pendingSinceSeq: null } as const;

export const UNPLACED = { chassisId: null, fence: null, allocation: null, placedAtMs: null } as const;

export type PlacementEvent = Extract<
  VmEvent,
  {
    type:
      | "bioxen.vm.start-requested.v1"
      | "bioxen.vm.deferred.v1"
      | "bioxen.vm.placed.v1"
      | "bioxen.vm.displaced.v2";
  }
>;

export function evolvePlacement(vm: Vm, event: PlacementEvent, at: EventPosition): Vm {
  switch (event.type) {
    case "bioxen.vm.start-requested.v1":
      return {
        ...vm,
        state: "pending",
        reason: null,
        failure: null,
        refusals: [],
        startsPaused: false,
        refusedStart: undefined,
        ...waitingSince(at),
        automaticStarts: event.data.automatic ? vm.automaticStarts + 1 : 0,
        untilReached: isBeyondUntil(vm, vm.checkpoint?.simMinutes ?? 0) || undefined,
      };
    case "bioxen.vm.deferred.v1":
      // If the VM has a move in progress, the refusals are about that move, not about the VM's present place.
      return vm.migration === null
        ? { ...vm, refusals: event.data.reasons, reason: describeRefusals(event.data.reasons) }
        : { ...vm, migration: { ...vm.migration, refusals: event.data.reasons } };
    case "bioxen.vm.placed.v1": {
      const { chassisId, fence, allocation } = event.data;
      return {
        ...vm,
        state: "starting",
        reason: null,
        refusals: [],
        chassisId,
        fence,
        lastFence: fence,
        ...(endsWithAgent(vm.vmType) ? {} : { machineOn: chassisId }),
        allocation,
        placedAtMs: at.atMs,
        preemption: endedPreemption(vm),
      };
    }
    case "bioxen.vm.displaced.v2":
      return displaced(vm, event.data, at);
  }
}

type Displaced = Extract<VmEvent, { type: "bioxen.vm.displaced.v2" }>["data"];

function displaced(vm: Vm, { code, reason, by, byPriority }: Displaced, at: EventPosition): Vm {
  const preemption =
    code === "PREEMPTED" && by !== undefined && byPriority !== undefined
      ? ({ mode: "evict", by, byPriority, reason, seq: at.seq, atMs: at.atMs } as const)
      : null;
  return {
    ...waitingAgain(vm, reason, at),
    preemption:
      preemption === null ? endedPreemption(vm) : { ...preemption, active: true, heldByUser: false },
  };
}

/** Returns the VM without its place: it waits for another one from this event on. */
export function waitingAgain(vm: Vm, reason: string, at: EventPosition): Vm {
  return {
    ...vm,
    ...UNPLACED,
    state: "pending",
    startsPaused: vm.startsPaused || isPausedByUser(vm),
    migration: null,
    reason,
    ...waitingSince(at),
  };
}

function waitingSince({ atMs, seq }: EventPosition): Pick<Vm, "pendingSinceMs" | "pendingSinceSeq"> {
  return { pendingSinceMs: atMs, pendingSinceSeq: seq };
}

/** Joins the refusals of all chassis into one line of text. Chassis with the same refusal are named together. */
export function describeRefusals(refusals: readonly PlacementRefusal[]): string {
  const chassisOf = new Map<string, string[]>();
  for (const { chassisId, code, message } of refusals) {
    const text = `${code}: ${message}`;
    chassisOf.set(text, [...(chassisOf.get(text) ?? []), chassisId ?? "cluster"]);
  }
  return [...chassisOf].map(([text, chassis]) => `${chassis.join(", ")}: ${text}`).join("; ");
}

/**
 * Returns true when `entry` is the reservation that this pending VM waits for: an entry of this incarnation that was
 * made after the VM began to wait.
 *
 * An older entry belongs to an earlier wait or to a move. The ledger that holds such an entry may be about to release
 * it.
 */
export function isForWaiting(vm: VmState, entry: Pick<LedgerEntry, "incarnation" | "fence">): boolean {
  return (
    vm.exists &&
    vm.state === "pending" &&
    vm.pendingSinceSeq !== null &&
    entry.incarnation === vm.incarnation &&
    entry.fence > vm.pendingSinceSeq
  );
}
