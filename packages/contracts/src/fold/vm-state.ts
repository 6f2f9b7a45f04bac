/**
 * The state of one VM, as the fold of its events. Lifecycle owns the VM and decides on this state; the scheduler,
 * allocator, agent, monitor and queries of the past read the same state.
 *
 * `fence` is the fencing token of the VM's present reservation, and `lastFence` that of its newest reservation so far.
 * With them, a reader recognises a reservation that comes too late, and a guest that still runs after its reservation
 * has ended.
 */

import type { Amounts, CauseEvent } from "@bioxen/kernel";
import type { Recorded } from "../courses.ts";
import type { MoveCode } from "../events/move.ts";
import type { SeenChange } from "../events/observed.ts";
import type { Until } from "../events/until.ts";
import type { PlacementRefusal, ProgramAgain, ScheduledChange, VmBirth } from "../events/vm.ts";
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

/**
 * The modes of preemption, from the mildest to the hardest for the preempted VM. packages/contracts/src/preemption.ts
 * says what each mode leaves the VM.
 */
export const PREEMPTION_MODES = ["starve", "pause", "evict"] as const;
export type PreemptionMode = (typeof PREEMPTION_MODES)[number];

/** The last preemption of a VM. */
export interface Preemption {
  readonly mode: PreemptionMode;
  /** Id of the VM of higher priority that got the resources which this VM gave up. */
  readonly by: string;
  /** Priority of the VM `by` at the time of the preemption. */
  readonly byPriority: number;
  readonly reason: string;
  /** Sequence of the preemption event. */
  readonly seq: number;
  /** Time of the preemption event, epoch ms. */
  readonly atMs: number;
  /**
   * True while the VM holds less than its request because of this preemption. False once the VM has its full request
   * again, or no longer wants to run.
   */
  readonly active: boolean;
  /**
   * Relevant while the VM is paused by preemption. True when the VM's user paused it as well: it then stays paused
   * after the preemption ends.
   */
  readonly heldByUser: boolean;
}

/** A move of the VM to another chassis that is in progress. */
export interface Migration {
  /** The target chassis that the request for the move named; null: any chassis with room. */
  readonly toChassisId: string | null;
  readonly code: MoveCode;
  readonly reason: string;
  readonly requestedAtMs: number;
  readonly requestedSeq: number;
  /** The event that requested the move. Every later event of the move carries the correlation id of this event. */
  readonly requestedBy: CauseEvent;
  /** The VM's reservation on the target chassis; null while the move waits for a reservation. */
  readonly target: {
    readonly chassisId: string;
    readonly fence: number;
    readonly allocation: Amounts;
  } | null;
  /** While the move waits for a reservation: why each chassis refuses the VM. */
  readonly refusals: readonly PlacementRefusal[];
}

/**
 * Changes that other tools made to the VM's machine in its pool. Only changes at the VM's present place count; changes
 * at an earlier place do not count.
 */
export interface Observations {
  /** Fencing token of the place at which the changes were observed. */
  readonly fence: number;
  /** For each kind of change: when it was last recorded, by the agent's clock, epoch ms. */
  readonly seenAtMs: Readonly<Partial<Record<SeenChange, number>>>;
}

/** The time limit that the user set for the end of the guest. */
export interface StopDeadline {
  /** Instant at which the guest is ended if it has not ended by itself, epoch ms. */
  readonly atMs: number;
  /** Time from the command to that instant, ms. */
  readonly withinMs: number;
}

/** The last refusal of a start since the start was requested. */
export interface RefusedStart {
  readonly fence: number;
  readonly chassisId: string;
  readonly code: string;
  /** The host's own code; absent when the host gave none. */
  readonly hostCode?: string | undefined;
  readonly reason: string;
  /** Number of refused tries since the start was requested. */
  readonly tries: number;
  readonly atMs: number;
  readonly seq: number;
  readonly retryAtMs: number;
  readonly placeEndsAtMs: number | null;
}

/** How far the present start is. */
export interface StartProgress {
  readonly fence: number;
  readonly permille: number;
  readonly placeEndsAtMs: number;
}

/** A change of a cell at a minute of its simulated time, or a program that may have changed it. */
export interface CellChange {
  /** Sequence of the event; negative for an entry of the schedule. */
  readonly seq: number;
  readonly simMinute: number;
  /** The fields of the environment that change; absent: none. */
  readonly environment?: Readonly<Record<string, number>> | undefined;
  /** All amounts of the cell from this minute on; absent: they stay. */
  readonly allocation?: Amounts | undefined;
  /** A program of a user that ran at this minute; its source is in the event. Absent: the change is another one. */
  readonly program?: ProgramAgain | undefined;
}

/** The amounts of a cell whose allocation changes at minutes of its simulated time. */
export interface AllocationCourse {
  /** The amounts before the first of these changes. */
  readonly before: Amounts;
  /** The amounts of a cell that continues from the checkpoint of the VM. */
  readonly atCheckpoint: Amounts;
}

export interface Vm extends GuestState {
  readonly exists: true;
  readonly incarnation: number;
  /** The principal that owns the VM: its creator, until the VM is transferred. */
  readonly owner: string;
  readonly biologicalType: BiologicalType;
  readonly vmType: VmType;
  readonly state: VmStateName;
  /** Why the VM is in its present state, as text; null when the name of the state says enough. */
  readonly reason: string | null;
  /** Error code of the VM's failure; null unless the VM's state is `error`. */
  readonly failure: string | null;
  readonly chassisId: string | null;
  readonly fence: number | null;
  readonly lastFence: number;
  /**
   * The chassis whose pool may have the VM's machine, also after the VM has stopped. Absent for a VM whose guest ends with
   * its agent, before the first place, and once the VM is destroyed.
   */
  readonly machineOn?: string | undefined;
  readonly request: Amounts;
  /** Amounts of the cell in a machine of a pool, which no ledger counts; absent: the request names none. */
  readonly cell?: Amounts | undefined;
  /** The minimum that starving leaves the VM; null: the minimum is its full request, so starving takes nothing. */
  readonly guarantee: Amounts | null;
  /**
   * Maximum amounts that the VM may use when it borrows idle capacity of its chassis; absent: the VM borrows nothing.
   */
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
  /** Present in the second daughter of a division. */
  readonly birth?: VmBirth | undefined;
  /** What is recorded of the cell at simulated minutes; absent: nothing. */
  readonly record?: Recorded | undefined;
  /** Number of guests of this VM that have ended. Counted only for a VM that records; absent: none. */
  readonly endedCells?: number | undefined;
  /** While the VM is pending: why each chassis refuses it. */
  readonly refusals: readonly PlacementRefusal[];
  /** While the VM is stopping: true when it will be destroyed as soon as it has stopped. */
  readonly destroyRequested: boolean;
  /** While the VM is stopping: the deadline of its user; null: the guest has the time that is its own default. */
  readonly stopDeadline: StopDeadline | null;
  /** True when the VM's next guest starts paused, because the user had paused the VM before it lost its place. */
  readonly startsPaused: boolean;
  /** Number of automatic starts by the restart policy since the last start by a command. */
  readonly automaticStarts: number;
  readonly pendingSinceMs: number | null;
  /** Log sequence of the event with which the VM began to wait for a place; null while the VM does not wait. */
  readonly pendingSinceSeq: number | null;
  /** Time at which the VM got its present place, epoch ms; null without a place. */
  readonly placedAtMs: number | null;
  readonly preemption: Preemption | null;
  /** What the creation of the VM lets change at minutes of its cell, in order; absent: nothing. */
  readonly schedule?: readonly ScheduledChange[] | undefined;
  /** `max`: the cell lives as fast as its agent can compute it; absent: at the rate of its agent. */
  readonly timeScale?: "max" | undefined;
  /** The last minute of the cell, and what the VM does there; absent: none. */
  readonly until?: Until | undefined;
  /** Whether the present cell has this minute behind it; absent: it has not. */
  readonly untilReached?: true | undefined;
  /** Changes at minutes that a guest may still have to get, in order of their events; absent: none. */
  readonly changes?: readonly CellChange[] | undefined;
  /** What the cell has while its allocation changes at minutes; absent: it has `allocation`. */
  readonly allocationCourse?: AllocationCourse | undefined;
  /** The move in progress; null when the VM is not moving. */
  readonly migration: Migration | null;
  /** Changes that other tools made to the VM's machine in its pool; absent: no such change was observed. */
  readonly observed?: Observations | undefined;
  /** The last refusal of a start since the start was requested; absent: none was refused, or the guest has started. */
  readonly refusedStart?: RefusedStart | undefined;
  /** How far the present start is; absent: it has not reported any progress. */
  readonly startProgress?: StartProgress | undefined;
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export type VmState = { readonly exists: false } | Vm;

/**
 * Returns true while a VM without a place is being destroyed, and waits until the agent of its pool has removed its machine.
 * The agent reports under the VM's last fence.
 */
export function isBeingRemoved(vm: Vm): boolean {
  const isStopping = vm.state === "stopping" && vm.chassisId === null;
  return isStopping && vm.destroyRequested && vm.machineOn !== undefined;
}

export const NO_VM: VmState = Object.freeze({ exists: false });
