/**
 * The meaning of a VM's events: what a VM is after them. Public language: the owner decides on this state, and every
 * reader (scheduler, allocator, agent, monitor, time travel) sees the same one.
 *
 * A VM's place is fenced: `fence` names the reservation it lives on, `lastFence` the newest it ever had, so that
 * a reservation that comes late, or a guest that outlived its place, can be told from the present one.
 */
import type { Amounts, Fold } from "@bioxen/kernel";
import type { PlacementRefusal, VmEvent } from "../events/vm.ts";
import type { BiologicalType, VmType } from "../resources.ts";

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

export interface Vm {
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
  /** Starts by restart policy since the last start by command. */
  readonly automaticStarts: number;
  readonly pendingSinceMs: number | null;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export type VmState = { readonly exists: false } | Vm;

export const NO_VM: VmState = Object.freeze({ exists: false });

const UNPLACED = { chassisId: null, fence: null, allocation: null } as const;

function evolveExisting(vm: Vm, event: Exclude<VmEvent, { type: "bioxen.vm.created.v1" }>, atMs: number): Vm {
  switch (event.type) {
    case "bioxen.vm.start-requested.v1":
      return {
        ...vm,
        state: "pending",
        reason: null,
        failure: null,
        refusals: [],
        pendingSinceMs: atMs,
        automaticStarts: event.data.automatic ? vm.automaticStarts + 1 : 0,
      };
    case "bioxen.vm.deferred.v1":
      return { ...vm, refusals: event.data.reasons, reason: describeRefusals(event.data.reasons) };
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
      };
    }
    case "bioxen.vm.started.v1":
      return { ...vm, state: "running", reason: null, pendingSinceMs: null };
    case "bioxen.vm.guest-restarted.v1":
      return { ...vm, reason: event.data.reason };
    case "bioxen.vm.paused.v1":
      return { ...vm, state: "paused", reason: null };
    case "bioxen.vm.resumed.v1":
      return { ...vm, state: "running", reason: null };
    case "bioxen.vm.stop-requested.v1":
      return {
        ...vm,
        state: "stopping",
        reason: null,
        refusals: [],
        destroyRequested: event.data.destroy || vm.destroyRequested,
      };
    case "bioxen.vm.stopped.v1":
      return { ...vm, ...UNPLACED, state: "stopped", reason: event.data.reason, pendingSinceMs: null };
    case "bioxen.vm.failed.v1":
      return {
        ...vm,
        ...UNPLACED,
        state: "error",
        reason: event.data.reason,
        failure: event.data.code,
        pendingSinceMs: null,
      };
    case "bioxen.vm.displaced.v2":
      return { ...vm, ...UNPLACED, state: "pending", reason: event.data.reason, pendingSinceMs: atMs };
    case "bioxen.vm.resized.v1":
      return { ...vm, request: event.data.request, allocation: event.data.allocation };
    case "bioxen.vm.destroyed.v1":
      return { ...vm, ...UNPLACED, state: "destroyed", reason: event.data.reason, destroyRequested: false };
  }
}

/** One line for a person out of the refusals of all chassis. */
export function describeRefusals(refusals: readonly PlacementRefusal[]): string {
  return refusals.map((r) => `${r.chassisId ?? "cluster"}: ${r.code}: ${r.message}`).join("; ");
}

export const vmFold: Fold<VmState> = {
  schema: 1,
  initial: NO_VM,
  evolve(state, untyped, at) {
    const event = untyped as VmEvent;
    if (event.type === "bioxen.vm.created.v1") {
      return {
        ...event.data,
        exists: true,
        state: "created",
        reason: null,
        failure: null,
        ...UNPLACED,
        lastFence: state.exists ? state.lastFence : 0,
        refusals: [],
        destroyRequested: false,
        automaticStarts: 0,
        pendingSinceMs: null,
        version: at.version,
        createdAtMs: at.atMs,
        updatedAtMs: at.atMs,
      };
    }
    if (!state.exists) throw new Error(`${event.type} of a VM that was never created`);
    return { ...evolveExisting(state, event, at.atMs), version: at.version, updatedAtMs: at.atMs };
  },
};
