/**
 * The state of one VM, as the fold of its events gives it. Every reader of the log sees this state: the owner decides
 * on it, and scheduler, allocator, agent, monitor and time travel read it.
 *
 * The place of a VM is fenced: `fence` is the token of its present reservation, `lastFence` that of the newest
 * reservation it ever had. A reader thereby recognises a late reservation, and a guest that has outlived its
 * reservation.
 */
import type { Amounts, CauseEvent } from "@bioxen/kernel";
import type { MoveCode } from "../events/move.ts";
import type { SeenChange } from "../events/observed.ts";
import type { PlacementRefusal } from "../events/vm.ts";
import type { BiologicalType, VmType } from "../resources.ts";
import type { GuestState } from "./guest-state.ts";

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

/** From the mildest to the hardest for the victim; packages/contracts/src/preemption.ts says what each mode leaves. */
export const PREEMPTION_MODES = ["starve", "pause", "evict"] as const;
export type PreemptionMode = (typeof PREEMPTION_MODES)[number];

/** The last preemption of a VM. */
export interface Preemption {
  readonly mode: PreemptionMode;
  /** The VM that the resources went to. */
  readonly by: string;
  /** Priority of the VM `by` at the time of the preemption. */
  readonly byPriority: number;
  readonly reason: string;
  /** Sequence of the preemption event. */
  readonly seq: number;
  /** Time of the preemption event, epoch ms. */
  readonly atMs: number;
  /**
   * True while the VM holds less than its request. False once it has its full request again, or no longer wants to run.
   */
  readonly active: boolean;
  /**
   * While the VM is paused by preemption: true when its user wants it paused as well. It then stays paused when it is
   * reinstated.
   */
  readonly heldByUser: boolean;
}

/** A move to another chassis that is under way. */
export interface Migration {
  /** The chassis that the request named; null for any chassis with room. */
  readonly toChassisId: string | null;
  readonly code: MoveCode;
  readonly reason: string;
  readonly requestedAtMs: number;
  readonly requestedSeq: number;
  /** The event that requested the move. Everything that follows from the move continues its causal chain. */
  readonly requestedBy: CauseEvent;
  /** The reservation on the target chassis; null while the move waits for one. */
  readonly target: {
    readonly chassisId: string;
    readonly fence: number;
    readonly allocation: Amounts;
  } | null;
  /** While the move waits: why each chassis refuses the VM. */
  readonly refusals: readonly PlacementRefusal[];
}

/** Changes that other tools made to the VM's machine in its present place. A new place starts with none. */
export interface Observations {
  /** Fence of the VM's present place. */
  readonly fence: number;
  /** The agent's clock when each kind of change was last recorded, epoch ms. */
  readonly seenAtMs: Readonly<Partial<Record<SeenChange, number>>>;
}

export interface Vm extends GuestState {
  readonly exists: true;
  readonly incarnation: number;
  readonly biologicalType: BiologicalType;
  readonly vmType: VmType;
  readonly state: VmStateName;
  /** Why the VM is in this state, as a sentence; null when the state explains itself. */
  readonly reason: string | null;
  /** Code of the failure; null unless the state is `error`. */
  readonly failure: string | null;
  readonly chassisId: string | null;
  readonly fence: number | null;
  readonly lastFence: number;
  readonly request: Amounts;
  /** The minimum that starving leaves the VM; null: its full request, so that starving takes nothing. */
  readonly guarantee: Amounts | null;
  /** Ceiling for borrowing idle capacity of the chassis; absent: the VM borrows nothing. */
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
  /** While pending: why each chassis refuses the VM. */
  readonly refusals: readonly PlacementRefusal[];
  /** While stopping: true when the VM is destroyed as soon as it has stopped. */
  readonly destroyRequested: boolean;
  /** True when the VM was paused as it lost its place: its next guest starts paused. */
  readonly startsPaused: boolean;
  /** Starts by the restart policy since the last start by a command. */
  readonly automaticStarts: number;
  readonly pendingSinceMs: number | null;
  /** Sequence of the event that made the VM wait for a place. */
  readonly pendingSinceSeq: number | null;
  /** When the VM got its present place, epoch ms; null without a place. */
  readonly placedAtMs: number | null;
  readonly preemption: Preemption | null;
  /** The move that is under way; null when there is none. */
  readonly migration: Migration | null;
  /** Changes that other tools made to the VM's machine; absent: none was seen. */
  readonly observed?: Observations | undefined;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export type VmState = { readonly exists: false } | Vm;

export const NO_VM: VmState = Object.freeze({ exists: false });
