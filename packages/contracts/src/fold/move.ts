/**
 * The meaning of a VM's moves: where it is to go, and the place it has there already.
 */
import {
  type Amounts,
  type Causation,
  type CauseEvent,
  causedBy,
  type EventPosition,
  equalAmounts,
} from "@bioxen/kernel";
import type { MoveCode } from "../events/move.ts";
import type { PlacementRefusal, VmEvent } from "../events/vm.ts";
import type { Vm } from "./vm.ts";

/** A move that is under way. */
export interface Migration {
  /** null: wherever there is room. */
  readonly toChassisId: string | null;
  readonly code: MoveCode;
  readonly reason: string;
  readonly requestedAtMs: number;
  readonly requestedSeq: number;
  /** The event that asked for it, and its chain: what follows from the move belongs to that, whatever else happens to the VM. */
  readonly requestedBy: CauseEvent;
  /** The place it has elsewhere; null while it waits for one. */
  readonly target: {
    readonly chassisId: string;
    readonly fence: number;
    readonly allocation: Amounts;
  } | null;
  /** While it waits: why each chassis does not take it. */
  readonly refusals: readonly PlacementRefusal[];
}

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

/** What changes. */
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
      return { migration: null, reason: `it was not moved: ${event.data.reason}` };
  }
}

/**
 * True when `entry`, of another ledger than the one it lives on, is the place this VM's move waits for: reserved for this move and not
 * for one before it that was cancelled, and of what it asks for now.
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

/** What follows from a move that is under way belongs to the chain of whoever asked for it, whatever else happened to the VM since. */
export function causedByMove({ requestedBy }: Migration): Causation {
  return causedBy(requestedBy);
}

function causeAt({ eventId, correlationId, traceparent }: EventPosition): CauseEvent {
  const base = { id: eventId, correlationid: correlationId };
  return traceparent === undefined ? base : { ...base, traceparent };
}
