/**
 * The changes of a guest's environment and allocation that a guest of the VM may still have to get: those since its
 * checkpoint, and those of coming minutes. Programs of users that ran since the checkpoint are among them.
 *
 * While a change of the allocation is among them, the VM holds the largest amounts of all of them, and its cell has at each
 * minute those of this minute. An event that changes the allocation without a minute acts at once, and ends these changes.
 */
import { type Amounts, equalAmounts, largestAmounts } from "@bioxen/kernel";
import type { VmEvent } from "../events/vm.ts";
import { scheduledAmounts, scheduledBefore, scheduledChanges } from "../schedule.ts";
import type { CellChange, Vm } from "./vm-state.ts";

/** Maximum number of changes since the checkpoint of a VM: every state of the VM contains them. */
export const MAX_COMING_CHANGES = 1_000;

type Changing = Pick<Vm, "changes" | "allocationCourse">;
type Changes = readonly CellChange[];

const NO_CHANGES: Changing = { changes: undefined, allocationCourse: undefined };

/** Returns the changes of the schedule that a guest which begins at this minute has to get. */
export function scheduledFrom(vm: Pick<Vm, "schedule">, minute: number): Changing {
  const before = scheduledBefore(vm, minute);
  return {
    changes: orNone(scheduledChanges(vm, minute)),
    allocationCourse: before && { before, atCheckpoint: before },
  };
}

/** Returns what the event changes of the VM's changes. `vm` is the VM before the event. */
export function changesAfter(vm: Vm, event: VmEvent, seq: number): Changing {
  switch (event.type) {
    case "bioxen.vm.environment-changed.v1": {
      const { simMinute, environment } = event.data;
      return {
        changes: [...(vm.changes ?? []), { seq, simMinute, environment }],
        allocationCourse: vm.allocationCourse,
      };
    }
    case "bioxen.vm.resized.v1":
      return resized(vm, event.data, seq);
    case "bioxen.vm.executed.v1": {
      const { simMinute, again } = event.data;
      // A checkpoint of a later minute contains what the program did.
      if (simMinute === undefined || again === undefined || simMinute < (vm.checkpoint?.simMinutes ?? 0))
        return vm;
      const changes = [...(vm.changes ?? []), { seq, simMinute, program: again }];
      return { changes, allocationCourse: vm.allocationCourse };
    }
    case "bioxen.vm.preempted.v1":
    case "bioxen.vm.reinstated.v1":
      // A VM with scheduled amounts has no guarantee, so a preemption only pauses it: its cell keeps its amounts.
      return scheduledAmounts(vm).length > 0 ? vm : withoutAllocations(vm);
    case "bioxen.vm.checkpointed.v1":
      return since(vm, event.data.simMinutes);
    case "bioxen.vm.moved.v1":
      return since(vm, event.data.checkpoint?.simMinutes ?? 0);
    // The next guest starts from the beginning, or from a snapshot: it has another course, with the same schedule.
    case "bioxen.vm.restored.v1":
      return scheduledFrom(vm, event.data.simMinutes);
    case "bioxen.vm.checkpoint-lost.v1":
    case "bioxen.vm.stopped.v1":
    case "bioxen.vm.failed.v1":
      return scheduledFrom(vm, 0);
    case "bioxen.vm.destroyed.v1":
      return NO_CHANGES;
    default:
      return vm;
  }
}

type Resized = Extract<VmEvent, { type: "bioxen.vm.resized.v1" }>["data"];

function resized(vm: Vm, { allocation, simMinute, given }: Resized, seq: number): Changing {
  if (allocation === null || simMinute === undefined) return withoutAllocations(vm);
  const before = vm.allocation ?? allocation;
  return {
    changes: [...(vm.changes ?? []), { seq, simMinute, allocation: given ?? allocation }],
    allocationCourse: vm.allocationCourse ?? { before, atCheckpoint: before },
  };
}

function withoutAllocations({ changes }: Changing): Changing {
  const left = changes?.filter(({ allocation }) => allocation === undefined);
  return { changes: left?.length === changes?.length ? changes : orNone(left), allocationCourse: undefined };
}

function since(vm: Vm, simMinutes: number): Changing {
  const { changes, allocationCourse } = vm;
  const left = orNone(changes?.filter(({ simMinute }) => simMinute >= simMinutes));
  if (allocationCourse === undefined) return { changes: left, allocationCourse };
  const atCheckpoint = amountsAt(vm, simMinutes - 1);
  const isOver = !hasAllocation(left) && equalAmounts(atCheckpoint, vm.allocation ?? {});
  return { changes: left, allocationCourse: isOver ? undefined : { ...allocationCourse, atCheckpoint } };
}

function orNone(changes: Changes | undefined): Changes | undefined {
  return changes === undefined || changes.length === 0 ? undefined : changes;
}

function hasAllocation(changes: Changes | undefined): boolean {
  return changes?.some(({ allocation }) => allocation !== undefined) === true;
}

type Holding = Pick<Vm, "changes" | "allocationCourse" | "allocation">;

/**
 * Returns the amounts of the VM's cell at this minute of its simulated time, after the changes of the minute. A minute
 * before the checkpoint counts as the checkpoint's.
 */
export function amountsAt({ changes = [], allocationCourse, allocation }: Holding, minute: number): Amounts {
  let latest: CellChange | undefined;
  for (const change of changes) {
    const acts = change.allocation !== undefined && change.simMinute <= minute;
    if (acts && change.simMinute >= (latest?.simMinute ?? 0)) latest = change;
  }
  return latest?.allocation ?? allocationCourse?.atCheckpoint ?? allocation ?? {};
}

/** Returns the largest amounts that the VM's cell has from this minute of its simulated time on. */
export function largestFrom(vm: Holding, minute: number): Amounts {
  return largestAmounts([amountsAt(vm, minute), ...allocationsAfter(vm, minute)]);
}

/** Returns the amounts that the VM's cell gets after this minute of its simulated time. */
export function allocationsAfter({ changes = [] }: Holding, minute: number): Amounts[] {
  return changes.flatMap(({ simMinute, allocation }) =>
    simMinute > minute && allocation !== undefined ? [allocation] : [],
  );
}

/**
 * Returns the amounts to which the VM's reservation can shrink: its cell has had all changes of its allocation, also when it
 * continues from its checkpoint, and the VM holds more than the cell has. Otherwise undefined, also for a VM whose schedule
 * changes its amounts.
 */
export function releasableTo(vm: Vm): Amounts | undefined {
  const isSettled = vm.state === "running" || vm.state === "paused";
  const isFree = vm.preemption?.active !== true && vm.migration === null;
  if (!isSettled || !isFree || hasAllocation(vm.changes) || scheduledAmounts(vm).length > 0) return undefined;
  return vm.allocationCourse?.atCheckpoint;
}
