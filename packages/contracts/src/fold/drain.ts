/**
 * Folds the events of a drain into its state: the VMs that must leave the chassis, and where each of them went.
 */
import { type CauseEvent, causeAt, type Fold } from "@bioxen/kernel";
import type { DrainEvent } from "../events/drain.ts";

export const DRAIN_STATUSES = ["draining", "completed", "incomplete", "cancelled"] as const;

/** How one VM left the drained chassis. `toChassisId` is null when the VM left without a place on another chassis. */
export interface LeftVm {
  readonly toChassisId: string | null;
  readonly reason: string | null;
}

/** The latest drain of a chassis. */
export interface Drain {
  readonly exists: true;
  readonly status: (typeof DRAIN_STATUSES)[number];
  /** The VMs of the drain by VM id. A value of null means that the VM has not left the chassis yet. */
  readonly vms: Readonly<Record<string, LeftVm | null>>;
  /** After the drain was given up: why each VM in this record was still on the chassis, by VM id. Empty otherwise. */
  readonly remaining: Readonly<Record<string, string>>;
  readonly wasCordoned: boolean;
  readonly parallelism: number;
  readonly startedAtMs: number;
  readonly startedSeq: number;
  readonly deadlineAtMs: number;
  /** The event that started the drain. Every later event of the drain carries the correlation id of this event. */
  readonly startedBy: CauseEvent;
  readonly ended: { readonly atMs: number; readonly seq: number } | null;
  readonly version: number;
}

export type DrainState = { readonly exists: false } | Drain;

export const NO_DRAIN: DrainState = Object.freeze({ exists: false });

export const drainFold: Fold<DrainState> = {
  schema: 3,
  initial: NO_DRAIN,
  evolve(state, untyped, at) {
    const event = untyped as DrainEvent;
    const { version } = at;
    if (event.type === "bioxen.drain.started.v1") {
      const { vmIds, ...data } = event.data;
      const startedBy = causeAt(at);
      return {
        exists: true,
        status: "draining",
        ...data,
        vms: Object.fromEntries(vmIds.map((vmId) => [vmId, null])),
        remaining: {},
        startedAtMs: at.atMs,
        startedSeq: at.seq,
        startedBy,
        ended: null,
        version,
      };
    }
    if (!state.exists) throw new Error(`${event.type} of a drain that was never started`);
    const ended = { atMs: at.atMs, seq: at.seq };
    switch (event.type) {
      case "bioxen.drain.progressed.v1": {
        const joined = Object.fromEntries(event.data.joined.map((vmId) => [vmId, null]));
        return { ...state, vms: { ...state.vms, ...joined, ...gone(event.data.left) }, version };
      }
      case "bioxen.drain.completed.v1":
        return { ...state, status: "completed", ended, version };
      case "bioxen.drain.given-up.v1": {
        const remaining = Object.fromEntries(event.data.remaining.map((vm) => [vm.vmId, vm.reason]));
        return { ...state, status: "incomplete", remaining, ended, version };
      }
      case "bioxen.drain.cancelled.v1":
        return {
          ...state,
          status: "cancelled",
          vms: { ...state.vms, ...gone(event.data.left) },
          ended,
          version,
        };
    }
  },
};

function gone(left: readonly (LeftVm & { readonly vmId: string })[]): Record<string, LeftVm> {
  return Object.fromEntries(left.map(({ vmId, toChassisId, reason }) => [vmId, { toChassisId, reason }]));
}
