/**
 * The meaning of a VM's events: what a VM is after them. Public language: the owner decides on this state, and every
 * reader (scheduler, allocator, agent, monitor, time travel) sees the same one.
 *
 * A VM's place is fenced: `fence` names the reservation it lives on, `lastFence` the newest it ever had, so that
 * a reservation that comes late, or a guest that outlived its place, can be told from the present one.
 */
import { type Amounts, type EventPosition, equalAmounts, type Fold } from "@bioxen/kernel";
import type { PlacementRefusal, VmEvent } from "../events/vm.ts";
import { isHeldByPreemption, over, type PreemptionMode, reasonLeft } from "../preemption.ts";
import type { BiologicalType, VmType } from "../resources.ts";
import { evolveGuestState, type GuestState, NO_GUEST_STATE } from "./guest-state.ts";
import { evolveMove, type Migration } from "./move.ts";
import { evolveObserved, type Observations } from "./observed.ts";
import { stopping } from "./stopping.ts";

export const VM_STATES = [
  "created",
  "pending",
  "starting",
  "running",
  "paused",
  "stopping",
  "stopped",
  "error",
  "destroyed",
] as const;
export type VmStateName = (typeof VM_STATES)[number];

export interface RestartPolicy {
  readonly mode: "never" | "on-failure" | "always";
  readonly maxAttempts: number;
  readonly backoffMs: number;
}

/** How it was last preempted. */
export interface Preemption {
  readonly mode: PreemptionMode;
  /** The VM it was for, and that one's priority then. */
  readonly by: string;
  readonly byPriority: number;
  readonly reason: string;
  /** Sequence and time of the event. */
  readonly seq: number;
  readonly atMs: number;
  /** It still goes without. False once it has everything again, or asks for nothing any more. */
  readonly active: boolean;
  /** While paused by preemption: its user wants it paused as well, so it stays so when it is reinstated. */
  readonly heldByUser: boolean;
}

export interface Vm extends GuestState {
  readonly exists: true;
  readonly incarnation: number;
  readonly biologicalType: BiologicalType;
  readonly vmType: VmType;
  readonly state: VmStateName;
  /** Why it is in this state, in words; null when that needs no words. */
  readonly reason: string | null;
  /** Code of what made it fail; null unless in `error`. */
  readonly failure: string | null;
  readonly chassisId: string | null;
  readonly fence: number | null;
  readonly lastFence: number;
  readonly request: Amounts;
  /** The least that preemption may shrink it to; null: its request. */
  readonly guarantee: Amounts | null;
  /** Up to what idle capacity is lent to it; absent: nothing is. */
  readonly burst?: Amounts | undefined;
  readonly allocation: Amounts | null;
  readonly priority: number;
  readonly seed: number;
  readonly program: string | null;
  readonly environment: Readonly<Record<string, number>>;
  readonly placement: Readonly<Record<string, unknown>>;
  readonly restartPolicy: RestartPolicy;
  readonly labels: Readonly<Record<string, string>>;
  readonly config: Readonly<Record<string, unknown>>;
  readonly parent: string | null;
  /** While pending: why each chassis does not take it. */
  readonly refusals: readonly PlacementRefusal[];
  /** While stopping: destroy it once it has stopped. */
  readonly destroyRequested: boolean;
  /** It was paused when it lost its place: its next guest is left paused. */
  readonly startsPaused: boolean;
  /** Starts by restart policy since the last start by command. */
  readonly automaticStarts: number;
  readonly pendingSinceMs: number | null;
  /** Sequence of the event since which it waits for a place. */
  readonly pendingSinceSeq: number | null;
  /** Since when it has its present place; null without one. */
  readonly placedAtMs: number | null;
  readonly preemption: Preemption | null;
  /** It is to run elsewhere; null: it is not. */
  readonly migration: Migration | null;
  /** What others were seen to do to its machine; absent: nothing. */
  readonly observed?: Observations | undefined;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export type VmState = { readonly exists: false } | Vm;

export const NO_VM: VmState = Object.freeze({ exists: false });

const NOT_WAITING = { pendingSinceMs: null, pendingSinceSeq: null } as const;

const UNPLACED = { chassisId: null, fence: null, allocation: null, placedAtMs: null } as const;

function waitingSince({ atMs, seq }: EventPosition): Pick<Vm, "pendingSinceMs" | "pendingSinceSeq"> {
  return { pendingSinceMs: atMs, pendingSinceSeq: seq };
}

type Preempted = Extract<VmEvent, { type: "bioxen.vm.preempted.v1" }>["data"];

function isPausedByUser(vm: Vm): boolean {
  return isHeldByPreemption(vm) ? vm.preemption?.heldByUser === true : vm.state === "paused";
}

function preempted(vm: Vm, { mode, by, byPriority, reason, allocation }: Preempted, at: EventPosition): Vm {
  const heldByUser = isPausedByUser(vm);
  return {
    ...vm,
    state: mode === "pause" ? "paused" : vm.state,
    reason,
    allocation,
    // Its place elsewhere is of what it held before it gave way.
    migration: null,
    preemption: { mode, by, byPriority, reason, seq: at.seq, atMs: at.atMs, active: true, heldByUser },
  };
}

type Displaced = Extract<VmEvent, { type: "bioxen.vm.displaced.v2" }>["data"];

function displaced(vm: Vm, { code, reason, by, byPriority }: Displaced, at: EventPosition): Vm {
  const preemption =
    code === "PREEMPTED" && by !== undefined && byPriority !== undefined
      ? ({ mode: "evict", by, byPriority, reason, seq: at.seq, atMs: at.atMs } as const)
      : null;
  return {
    ...vm,
    ...UNPLACED,
    state: "pending",
    startsPaused: vm.startsPaused || isPausedByUser(vm),
    migration: null,
    reason,
    ...waitingSince(at),
    preemption: preemption === null ? over(vm) : { ...preemption, active: true, heldByUser: false },
  };
}

/** A VM that was given all it asks for goes without nothing any more, and runs again unless its user paused it. */
function resized(vm: Vm, request: Amounts, allocation: Amounts | null): Vm {
  const next = { ...vm, request, allocation };
  if (vm.preemption?.active !== true || allocation === null || !equalAmounts(request, allocation))
    return next;
  const isReleased = vm.preemption.mode === "pause" && !vm.preemption.heldByUser;
  return { ...next, state: isReleased ? "running" : vm.state, reason: null, preemption: over(vm) };
}

function evolveExisting(
  vm: Vm,
  event: Exclude<VmEvent, { type: "bioxen.vm.created.v1" }>,
  at: EventPosition,
): Vm {
  const { atMs } = at;
  switch (event.type) {
    case "bioxen.vm.start-requested.v1":
      return {
        ...vm,
        state: "pending",
        reason: null,
        failure: null,
        refusals: [],
        startsPaused: false,
        ...waitingSince(at),
        automaticStarts: event.data.automatic ? vm.automaticStarts + 1 : 0,
      };
    case "bioxen.vm.deferred.v1":
      // One that has a place is told why its move waits.
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
        allocation,
        placedAtMs: atMs,
        preemption: over(vm),
      };
    }
    case "bioxen.vm.started.v1":
      return {
        ...vm,
        state: event.data.paused === true ? "paused" : "running",
        startsPaused: false,
        reason: null,
        ...NOT_WAITING,
      };
    case "bioxen.vm.guest-restarted.v1":
      return { ...vm, reason: event.data.reason };
    case "bioxen.vm.paused.v1":
      return vm.preemption !== null && isHeldByPreemption(vm)
        ? { ...vm, preemption: { ...vm.preemption, heldByUser: true } }
        : { ...vm, state: "paused", reason: reasonLeft(vm) };
    case "bioxen.vm.resumed.v1":
      return { ...vm, state: "running", reason: reasonLeft(vm) };
    case "bioxen.vm.stop-requested.v1":
      return { ...vm, ...stopping(vm, null, event.data.destroy) };
    case "bioxen.vm.observed.v1":
      return { ...vm, ...evolveObserved(vm, event.data) };
    case "bioxen.vm.stopped.v1":
      return {
        ...vm,
        ...UNPLACED,
        state: "stopped",
        reason: event.data.reason,
        ...NOT_WAITING,
        checkpoint: null,
      };
    case "bioxen.vm.failed.v1":
      return {
        ...vm,
        ...UNPLACED,
        state: "error",
        reason: event.data.reason,
        failure: event.data.code,
        ...NOT_WAITING,
        checkpoint: null,
        preemption: over(vm),
        migration: null,
      };
    case "bioxen.vm.displaced.v2":
      return displaced(vm, event.data, at);
    case "bioxen.vm.preempted.v1":
      return preempted(vm, event.data, at);
    case "bioxen.vm.reinstated.v1":
      return {
        ...vm,
        state: event.data.state,
        reason: null,
        allocation: event.data.allocation,
        preemption: over(vm),
      };
    case "bioxen.vm.resized.v1":
      return resized(vm, event.data.request, event.data.allocation);
    case "bioxen.vm.destroyed.v1":
      return {
        ...vm,
        ...UNPLACED,
        state: "destroyed",
        reason: event.data.reason,
        destroyRequested: false,
        checkpoint: null,
        snapshots: [],
        preemption: over(vm),
      };
    case "bioxen.vm.checkpointed.v1":
    case "bioxen.vm.checkpoint-lost.v1":
    case "bioxen.vm.snapshotted.v1":
    case "bioxen.vm.snapshot-deleted.v1":
    case "bioxen.vm.restored.v1":
      return { ...vm, ...evolveGuestState(vm, event, atMs) };
    case "bioxen.vm.moved.v1":
      return {
        ...vm,
        ...evolveMove(vm, event, at),
        startsPaused: isPausedByUser(vm),
        preemption: over(vm),
      };
    case "bioxen.vm.migration-requested.v1":
    case "bioxen.vm.migrating.v1":
    case "bioxen.vm.migration-cancelled.v1":
      return { ...vm, ...evolveMove(vm, event, at) };
  }
}

/** One line for a person out of the refusals of all chassis. */
export function describeRefusals(refusals: readonly PlacementRefusal[]): string {
  return refusals.map((r) => `${r.chassisId ?? "cluster"}: ${r.code}: ${r.message}`).join("; ");
}

export const vmFold: Fold<VmState> = {
  schema: 8,
  initial: NO_VM,
  evolve(state, untyped, at) {
    const event = untyped as VmEvent;
    if (event.type === "bioxen.vm.created.v1") {
      const { checkpoint, ...created } = event.data;
      return {
        ...created,
        guarantee: event.data.guarantee ?? null,
        exists: true,
        state: "created",
        reason: null,
        failure: null,
        ...UNPLACED,
        lastFence: state.exists ? state.lastFence : 0,
        refusals: [],
        destroyRequested: false,
        startsPaused: false,
        automaticStarts: 0,
        ...NOT_WAITING,
        preemption: null,
        ...NO_GUEST_STATE,
        checkpoint: checkpoint === undefined ? null : { ...checkpoint, atMs: at.atMs },
        migration: null,
        version: at.version,
        createdAtMs: at.atMs,
        updatedAtMs: at.atMs,
      };
    }
    if (!state.exists) throw new Error(`${event.type} of a VM that was never created`);
    return { ...evolveExisting(state, event, at), version: at.version, updatedAtMs: at.atMs };
  },
};
