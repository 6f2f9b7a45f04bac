/**
 * Folds the events of a VM's move to another chassis: the target of the move, and the reservation of the VM on that
 * target.
 */
import {
  type Amounts,
  type Causation,
  causeAt,
  causedBy,
  type EventPosition,
  equalAmounts,
} from "@bioxen/kernel";
import type { VmEvent } from "../events/vm.ts";
import type { Migration, Vm } from "./vm-state.ts";

type MoveEvent = Extract<
  VmEvent,
  {
    type:
      | "bioxen.vm.migration-requested.v1"
      | "bioxen.vm.migrating.v1"
      | "bioxen.vm.moved.v1"
      | "bioxen.vm.migration-cancelled.v1";
  }
>;

/** Returns the fields of the VM that a move event changes. */
export function evolveMove(vm: Vm, event: MoveEvent, at: EventPosition): Partial<Vm> {
  switch (event.type) {
    case "bioxen.vm.migration-requested.v1":
      return {
        migration: {
          ...event.data,
          requestedAtMs: at.atMs,
          requestedSeq: at.seq,
          requestedBy: causeAt(at),
          target: null,
          refusals: [],
        },
      };
    case "bioxen.vm.migrating.v1":
      if (vm.migration === null) return {};
      return {
        lastFence: event.data.fence,
        migration: { ...vm.migration, target: event.data, refusals: [] },
      };
    case "bioxen.vm.moved.v1": {
      const { checkpoint, ...place } = event.data;
      const from = checkpoint ? { checkpoint: { ...checkpoint, atMs: at.atMs } } : {};
      return { ...place, ...from, placedAtMs: at.atMs, state: "starting", reason: null, migration: null };
    }
    case "bioxen.vm.migration-cancelled.v1":
      // A move that its user or a drain cancelled is over: the VM is where it should be.
      return {
        migration: null,
        reason: event.data.code === "CANCELLED" ? null : `it was not moved: ${event.data.reason}`,
      };
  }
}

/**
 * Returns true when `entry`, from the ledger of another chassis, is the reservation that the VM's move waits for. It
 * must be younger than the request for this move, so that a cancelled earlier move does not count. Its amounts must be
 * those that the VM requests now.
 */
export function isForMove(
  vm: Vm,
  entry: { readonly incarnation: number; readonly fence: number; readonly amounts: Amounts },
): boolean {
  return (
    vm.migration !== null &&
    vm.migration.target === null &&
    entry.incarnation === vm.incarnation &&
    entry.fence > vm.migration.requestedSeq &&
    equalAmounts(entry.amounts, vm.request)
  );
}

/**
 * Returns the causation for all events that follow from a move. They get the correlation id of the request for the
 * move, whatever else has happened to the VM since that request.
 */
export function causedByMove({ requestedBy }: Migration): Causation {
  return causedBy(requestedBy);
}
