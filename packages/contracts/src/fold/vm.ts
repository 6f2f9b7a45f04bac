/**
 * Folds the events of a VM into its state.
 *
 * `evolve` passes each event to the file for its group of events, which returns the new state. Every switch is
 * exhaustive: a new event type does not compile until one of the groups handles it.
 */
import { beginnerOf, type EventPosition, type Fold } from "@bioxen/kernel";
import type { VmEvent } from "../events/vm.ts";
import { endedPreemption, isPausedByUser } from "../preemption.ts";
import { isBeyondUntil } from "../until.ts";
import { evolveGuestState, NO_GUEST_STATE } from "./guest-state.ts";
import { evolveMove } from "./move.ts";
import { evolveObserved } from "./observed.ts";
import { evolveStart } from "./start.ts";
import { evolveAllocation } from "./vm-allocation.ts";
import { changesAfter, scheduledFrom } from "./vm-changes.ts";
import { evolvePlacement, NOT_WAITING, UNPLACED } from "./vm-placement.ts";
import { evolveRun } from "./vm-run.ts";
import { NO_VM, type Vm, type VmState } from "./vm-state.ts";

/** The owner of VMs whose creation names no principal: those of releases before identities. */
export const FORMER_OWNER = "admin";

type Created = Extract<VmEvent, { type: "bioxen.vm.created.v1" }>;

function created(before: VmState, { data }: Created, at: EventPosition): Vm {
  const { checkpoint, schedule, ...rest } = data;
  const changing = schedule === undefined ? {} : scheduledFrom({ schedule }, checkpoint?.simMinutes ?? 0);
  return {
    ...rest,
    ...(schedule === undefined ? {} : { schedule }),
    ...changing,
    owner: beginnerOf({ principal: at.principal, onbehalfof: at.onBehalfOf }) ?? FORMER_OWNER,
    guarantee: data.guarantee ?? null,
    exists: true,
    state: "created",
    reason: null,
    failure: null,
    ...UNPLACED,
    lastFence: before.exists ? before.lastFence : 0,
    refusals: [],
    destroyRequested: false,
    stopDeadline: null,
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

function evolveExisting(vm: Vm, event: Exclude<VmEvent, Created>, at: EventPosition): Vm {
  switch (event.type) {
    case "bioxen.vm.start-requested.v1":
    case "bioxen.vm.deferred.v1":
    case "bioxen.vm.placed.v1":
    case "bioxen.vm.displaced.v2":
      return evolvePlacement(vm, event, at);
    case "bioxen.vm.started.v1":
    case "bioxen.vm.guest-restarted.v1":
    case "bioxen.vm.paused.v1":
    case "bioxen.vm.resumed.v1":
    case "bioxen.vm.stop-requested.v1":
    case "bioxen.vm.until-reached.v1":
    case "bioxen.vm.stopped.v1":
    case "bioxen.vm.failed.v1":
    case "bioxen.vm.destroyed.v1":
      return evolveRun(vm, event, at);
    case "bioxen.vm.preempted.v1":
    case "bioxen.vm.reinstated.v1":
    case "bioxen.vm.resized.v1":
      return evolveAllocation(vm, event, at);
    case "bioxen.vm.environment-changed.v1":
    case "bioxen.vm.executed.v1":
      return vm;
    case "bioxen.vm.transferred.v1":
      return { ...vm, owner: event.data.owner };
    case "bioxen.vm.observed.v1":
      return { ...vm, ...evolveObserved(vm, event.data) };
    case "bioxen.vm.start-refused.v1":
    case "bioxen.vm.start-progressed.v1":
      return evolveStart(vm, event, at);
    case "bioxen.vm.checkpointed.v1":
    case "bioxen.vm.checkpoint-lost.v1":
    case "bioxen.vm.snapshotted.v1":
    case "bioxen.vm.snapshot-deleted.v1":
      return { ...vm, ...evolveGuestState(vm, event, at.atMs) };
    case "bioxen.vm.restored.v1": {
      const untilReached = isBeyondUntil(vm, event.data.simMinutes) || undefined;
      return { ...vm, ...evolveGuestState(vm, event, at.atMs), untilReached };
    }
    case "bioxen.vm.moved.v1":
      return {
        ...vm,
        ...evolveMove(vm, event, at),
        startsPaused: isPausedByUser(vm),
        preemption: endedPreemption(vm),
      };
    case "bioxen.vm.migration-requested.v1":
    case "bioxen.vm.migrating.v1":
    case "bioxen.vm.migration-cancelled.v1":
      return { ...vm, ...evolveMove(vm, event, at) };
  }
}

export const vmFold: Fold<VmState> = {
  schema: 20,
  initial: NO_VM,
  evolve(state, untyped, at) {
    const event = untyped as VmEvent;
    if (event.type === "bioxen.vm.created.v1") return created(state, event, at);
    if (!state.exists) throw new Error(`${event.type} of a VM that was never created`);
    const { changes, allocationCourse } = changesAfter(state, event, at.seq);
    const next = { ...evolveExisting(state, event, at), version: at.version, updatedAtMs: at.atMs };
    const isSame = changes === state.changes && allocationCourse === state.allocationCourse;
    return isSame ? next : { ...next, changes, allocationCourse };
  },
};
