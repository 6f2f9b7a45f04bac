/**
 * Folds the events of a VM's guest (start, restart, pause, resume, stop, failure) and the event that destroys the VM.
 */
import type { EventPosition } from "@bioxen/kernel";
import type { VmEvent } from "../events/vm.ts";
import { endedPreemption, isHeldByPreemption, remainingReason } from "../preemption.ts";
import { NOT_WAITING, UNPLACED } from "./vm-placement.ts";
import type { StopDeadline, Vm } from "./vm-state.ts";

export type RunEvent = Extract<
  VmEvent,
  {
    type:
      | "bioxen.vm.started.v1"
      | "bioxen.vm.guest-restarted.v1"
      | "bioxen.vm.paused.v1"
      | "bioxen.vm.resumed.v1"
      | "bioxen.vm.stop-requested.v1"
      | "bioxen.vm.until-reached.v1"
      | "bioxen.vm.stopped.v1"
      | "bioxen.vm.failed.v1"
      | "bioxen.vm.destroyed.v1";
  }
>;

export function evolveRun(vm: Vm, event: RunEvent, at: EventPosition): Vm {
  switch (event.type) {
    case "bioxen.vm.started.v1":
      return {
        ...vm,
        state: event.data.paused === true ? "paused" : "running",
        startsPaused: false,
        reason: null,
        refusedStart: undefined,
        startProgress: undefined,
        ...NOT_WAITING,
      };
    case "bioxen.vm.guest-restarted.v1":
      return { ...vm, reason: event.data.reason, refusedStart: undefined };
    case "bioxen.vm.paused.v1":
      return paused(vm, remainingReason(vm));
    case "bioxen.vm.until-reached.v1": {
      const reached = { ...vm, untilReached: true } as const;
      const reason = untilReason(event.data);
      return event.data.then === "pause"
        ? paused(reached, reason)
        : { ...reached, ...stopping(vm, reason, false) };
    }
    case "bioxen.vm.resumed.v1":
      return { ...vm, state: "running", reason: remainingReason(vm) };
    case "bioxen.vm.stop-requested.v1":
      return {
        ...vm,
        ...stopping(vm, null, event.data.destroy),
        stopDeadline: deadlineOf(event.data, at) ?? vm.stopDeadline,
      };
    case "bioxen.vm.stopped.v1":
      return { ...vm, ...ended("stopped", event.data.reason), ...nextCell(vm), refusedStart: undefined };
    case "bioxen.vm.failed.v1":
      return {
        ...vm,
        ...ended("error", event.data.reason),
        ...nextCell(vm),
        failure: event.data.code,
        preemption: endedPreemption(vm),
        migration: null,
      };
    case "bioxen.vm.destroyed.v1":
      return {
        ...vm,
        ...UNPLACED,
        state: "destroyed",
        machineOn: undefined,
        reason: event.data.reason,
        destroyRequested: false,
        stopDeadline: null,
        checkpoint: null,
        snapshots: [],
        preemption: endedPreemption(vm),
      };
  }
}

/** Returns why a VM has ended at the last minute of its cell. */
export function untilReason({ simMinute }: { readonly simMinute: number }): string {
  return `its cell reached minute ${simMinute}, the last one of the VM`;
}

/** Returns the paused VM. A VM that preemption has paused stays paused when it is reinstated. */
function paused(vm: Vm, reason: string | null): Vm {
  return vm.preemption !== null && isHeldByPreemption(vm)
    ? { ...vm, preemption: { ...vm.preemption, heldByUser: true } }
    : { ...vm, state: "paused", reason };
}

function ended(state: "stopped" | "error", reason: string): Partial<Vm> {
  return {
    ...UNPLACED,
    state,
    reason,
    ...NOT_WAITING,
    checkpoint: null,
    startProgress: undefined,
    stopDeadline: null,
  };
}

/** Counts the end of a guest: the next one begins at minute 0, with a branch of its own in the time course. */
function nextCell({ record, endedCells = 0 }: Vm): Pick<Vm, "endedCells"> {
  return record === undefined ? {} : { endedCells: endedCells + 1 };
}

type StopRequested = Extract<VmEvent, { type: "bioxen.vm.stop-requested.v1" }>["data"];

/** Returns the deadline that a request for a stop sets; null when it leaves the time to the guest's default. */
function deadlineOf({ deadlineMs, force }: StopRequested, { atMs }: EventPosition): StopDeadline | null {
  const withinMs = deadlineMs ?? (force === true ? 0 : undefined);
  return withinMs === undefined ? null : { atMs: atMs + withinMs, withinMs };
}

/**
 * Returns the changed fields of a VM that begins to stop. The cause is a command, or a stop or deletion of the VM's
 * machine in its pool.
 */
export function stopping(vm: Vm, reason: string | null, destroy: boolean): Partial<Vm> {
  return {
    state: "stopping",
    reason,
    refusals: [],
    preemption: endedPreemption(vm),
    migration: null,
    destroyRequested: destroy || vm.destroyRequested,
  };
}
