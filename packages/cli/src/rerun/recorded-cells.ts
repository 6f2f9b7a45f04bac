/**
 * What the log says about the cells of one VM: with what each began, what acted on it and at which minute, and which of its
 * states are stored. So each cell can be computed again.
 *
 * A cell begins with a start, a restore, or the loss of its checkpoint, and ends with the next of these or with its guest.
 */
import {
  amountsAt,
  type CellChange,
  courseBranch,
  eventSubject,
  scheduledChanges,
  type Vm,
  type VmEvent,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import { type Amounts, type EventEnvelope, equalAmounts, positionOf } from "@bioxen/kernel";
import type { GuestChange } from "@bioxen/vm-driver";

/** A stored state of a cell: a checkpoint or a snapshot. */
export interface RecordedState {
  readonly checkpointId: string;
  readonly simMinutes: number;
  readonly sha256: string;
}

export interface RecordedCell {
  /** The branch of the VM's time course that has the rows of this cell. */
  readonly branch: number;
  /** The stored state with which the cell begins; null: it begins at minute 0. */
  readonly from: RecordedState | null;
  readonly allocation: Amounts;
  /** What acted on the cell, in order of the events; that of the schedule first. */
  readonly changes: readonly GuestChange[];
  /** The states of this cell that were stored, in order of their minutes. */
  readonly states: readonly RecordedState[];
}

export interface RecordedVm {
  /** The VM after its last event. */
  readonly vm: Vm;
  readonly cells: readonly RecordedCell[];
}

/** An event as the history of a VM has it. */
export type HistoryEvent = EventEnvelope & { readonly seq: number };

interface OpenCell extends RecordedCell {
  readonly changes: GuestChange[];
  readonly states: RecordedState[];
}

/** Why the cells of a VM cannot be computed again. */
export class NotReproducible extends Error {}

/**
 * Returns the cells of the VM's last incarnation. `events` is the whole history of the VM. Throws {@link NotReproducible} if
 * something acted on a cell of which the log has no minute.
 */
export function recordedCells(vmId: string, events: readonly HistoryEvent[]): RecordedVm {
  let state: VmState = vmFold.initial;
  let cells: OpenCell[] = [];
  let open: OpenCell | undefined;
  for (const { seq, ...envelope } of events) {
    const event = { type: envelope.type, data: envelope.data } as VmEvent;
    const before = state;
    // The history has no digest of the stored bytes, and no state contains it.
    const stored = { seq, streamSubject: eventSubject("vm", vmId), digest: "", envelope };
    const vm = vmFold.evolve(before, event, positionOf(stored));
    state = vm;
    if (!vm.exists) continue;
    if (event.type === "bioxen.vm.created.v1") cells = [];
    const problem = unminuted(event, before, open !== undefined);
    if (problem !== undefined) throw new NotReproducible(`event ${seq}: ${problem}`);
    const next = cellAfter(event, vm, open);
    if (next !== undefined && next !== open) {
      // The rows of a cell that lost its checkpoint are recorded again, by the cell that follows it.
      if (event.type === "bioxen.vm.checkpoint-lost.v1") cells = cells.filter((cell) => cell !== open);
      cells = [...cells, next];
    }
    open = next;
    if (open !== undefined) note(open, seq, event);
  }
  if (!state.exists) throw new NotReproducible(`the history has no VM ${vmId}`);
  return { vm: state, cells };
}

/** Returns the cell that the VM has after the event; undefined: none. */
function cellAfter(event: VmEvent, vm: Vm, open: OpenCell | undefined): OpenCell | undefined {
  switch (event.type) {
    case "bioxen.vm.created.v1":
    case "bioxen.vm.stopped.v1":
    case "bioxen.vm.failed.v1":
      return undefined;
    case "bioxen.vm.placed.v1":
      return open ?? begun(vm);
    case "bioxen.vm.checkpoint-lost.v1":
    case "bioxen.vm.restored.v1":
      return open && begun(vm);
    default:
      return open;
  }
}

function begun(vm: Vm): OpenCell {
  const changes = scheduledChanges(vm, vm.checkpoint?.simMinutes ?? 0).map(
    ({ program: _, ...change }: CellChange): GuestChange => change,
  );
  return {
    branch: courseBranch(vm),
    from: vm.checkpoint,
    allocation: amountsAt(vm, -1),
    changes,
    states: [],
  };
}

/** Notes what the event says about the cell. */
function note({ changes, states }: OpenCell, seq: number, event: VmEvent): void {
  switch (event.type) {
    case "bioxen.vm.environment-changed.v1": {
      const { simMinute, environment } = event.data;
      changes.push({ seq, simMinute, environment });
      return;
    }
    case "bioxen.vm.resized.v1": {
      const { simMinute, allocation, given } = event.data;
      if (simMinute === undefined || allocation === null) return;
      changes.push({ seq, simMinute, allocation: given ?? allocation });
      return;
    }
    case "bioxen.vm.executed.v1": {
      const { simMinute, again, source } = event.data;
      if (simMinute !== undefined && again !== undefined)
        changes.push({ seq, simMinute, program: { ...again, source } });
      return;
    }
    case "bioxen.vm.checkpointed.v1":
    case "bioxen.vm.snapshotted.v1":
      states.push(event.data);
      return;
    case "bioxen.vm.moved.v1": {
      const { checkpoint = null } = event.data;
      if (checkpoint !== null) states.push(checkpoint);
      return;
    }
    default:
      return;
  }
}

/** Returns what the event changes of a cell at a minute that it does not have; undefined: nothing. */
function unminuted(event: VmEvent, before: VmState, hasCell: boolean): string | undefined {
  if (event.type === "bioxen.vm.created.v1") {
    const { checkpoint, parent, burst } = event.data;
    if (checkpoint !== undefined)
      return `the VM began with a state of ${parent}, which only its log explains`;
    return burst === undefined ? undefined : "capacity that the VM borrowed is in no event";
  }
  if (!hasCell || !before.exists) return undefined;
  if (event.type === "bioxen.vm.resized.v1" && event.data.simMinute === undefined) {
    const isSame = equalAmounts(event.data.allocation ?? {}, before.allocation ?? {});
    return isSame ? undefined : "its amounts changed at a minute that was not recorded";
  }
  const isStarved = event.type === "bioxen.vm.preempted.v1" && event.data.mode === "starve";
  return isStarved ? "a preemption took amounts at a minute that was not recorded" : undefined;
}
