/**
 * The port between an agent and the software that runs its guests.
 *
 * A driver holds guests and nothing else: no ledger, no retries, no log. A decision is in the log before the agent
 * calls the driver. The driver carries the decision out once, however often the call is repeated. Two rules ensure
 * this:
 *
 * - **Fences.** Every effect carries the `fence` of its reservation, which is the reservation's stream sequence and
 *   only grows. An older fence is rejected, so that a delayed call cannot undo a newer decision. The driver remembers
 *   the fence of each stop. A delayed start that arrives after the stop therefore creates no guest (see `fences.ts`).
 * - **Idempotence.** A verb that finds the guest already in the target state succeeds and does nothing.
 *
 * A driver declares its abilities as data (`capabilities`), not by missing methods: the agent answers `UNSUPPORTED`
 * without a call. Every method rejects with `DriverError` only; any other exception is a bug of the driver. The port
 * excludes the storage of checkpoints. It also excludes the move of a guest between hosts, which consists of a
 * checkpoint, a stop and a start.
 */

import type { ChangesAtMinutes, GuestChange, ResizeOptions } from "./changes.ts";
import type { DividingCells } from "./daughters.ts";
import type { ExecOptions, ExecOutcome } from "./exec.ts";
import type { GuestCapabilities } from "./guest-capabilities.ts";
import type { GuestCheckpoint } from "./guest-checkpoint.ts";
import type { GuestEvent } from "./guest-event.ts";
import type { GuestRecord } from "./guest-record.ts";
import type { GuestSample } from "./guest-sample.ts";
import type { KeptGuest, LeftBehind, Orphan } from "./remains.ts";

export interface DriverCapabilities {
  /** The `vmType` of the contract that this driver runs: `basic`, `xcpng`. */
  readonly vmType: string;
  readonly exec: boolean;
  /** The reason why exec is missing, and the setting that enables it, if there is one. */
  readonly noExec?: string | undefined;
  readonly pause: boolean;
  /** Whether a running guest accepts a new allocation without a restart. */
  readonly liveResize: boolean;
  /** Whether guests provide checkpoints and can start from them. */
  readonly snapshot: boolean;
  /** Present if guests stop at the {@link GuestSpec.lastMinute} of their spec. */
  readonly lastMinute?: true | undefined;
  /** `host`: simulated time passes only in {@link VmDriver.tick}; `own`: the guests have their own clocks. */
  readonly clock: "host" | "own";
  /** Whether the driver keeps a stopped guest's disks for the guest's next start; see {@link VmDriver.kept}. */
  readonly keepsStopped: boolean;
  /**
   * Names of the resources whose allocations appear as caps in each {@link GuestSample}. A driver whose guests differ
   * names here those of every guest; `guestCapabilities` has those of one guest.
   */
  readonly meters: readonly string[];
  /** The longest `timeoutMs` that `exec` accepts, ms; 0 without exec. */
  readonly maxExecTimeoutMs: number;
}

/** The input of a start. `allocation` has integers; `config` has JSON values. */
export interface GuestSpec {
  readonly vmId: string;
  /** The incarnation of the VM: 1, 2, 3 …; the id of a destroyed VM can be reused. */
  readonly incarnation: number;
  /** The stream sequence of the guest's reservation. A newer reservation has a larger fence. */
  readonly fence: number;
  readonly biologicalType: string;
  /** The seed of all random numbers in the guest; a safe integer. */
  readonly seed: number;
  readonly allocation: Readonly<Record<string, number>>;
  /** Priority, 1 (low) to 5 (high); default 1. Used by drivers whose host shares its processors by weight. */
  readonly priority?: number | undefined;
  readonly environment?: Readonly<Record<string, number>> | undefined;
  /** Source that runs once at the start. If it fails, the start fails. */
  readonly program?: string | undefined;
  readonly config: Readonly<Record<string, unknown>>;
  /**
   * The state to start from: a result of {@link VmDriver.snapshot} for a guest of the same type and config. The
   * allocation still comes from the spec. With another seed, the guest continues from the same state with different
   * random numbers.
   */
  readonly checkpoint?: Uint8Array | undefined;
  /**
   * Changes that act on the guest at their minutes, in order of `seq`. Those that the checkpoint contains, and those of
   * earlier minutes, do not act again. `allocation` is the allocation before all of them.
   */
  readonly changes?: readonly GuestChange[] | undefined;
  /**
   * The number of restores of the VM; default 0. A driver with persistent guests restores `checkpoint` once each time
   * this number has grown.
   */
  readonly restores?: number | undefined;
  /**
   * The last simulated minute of the guest, which it has not passed; absent: none. Once it is there and everything of this
   * minute has acted, it computes no further minute, its status has `atLastMinute`, and the driver emits `changed`. Only
   * for drivers with the capability `lastMinute`.
   */
  readonly lastMinute?: number | undefined;
  /**
   * `max`: simulated time passes as fast as the driver can compute the guest; absent: by {@link VmDriver.tick}. A driver
   * that has no such guests ignores it. The course of a guest does not depend on it.
   */
  readonly timeScale?: "max" | undefined;
  /**
   * Present if the guest is paused once its start resolves, and no simulated time has passed for it. A driver whose guests
   * have their own clocks may ignore it: the agent pauses its guest then. Ignored by {@link VmDriver.restart}.
   */
  readonly startsPaused?: true | undefined;
  /** The rows of its time course that the guest records; absent: none. Ignored by a driver without cells. */
  readonly record?: GuestRecord | undefined;
}

/** State of a guest. `failed`: it ended on its own; it stays listed and keeps its fence until a stop or a replacement. */
export type GuestState = "running" | "paused" | "failed";

export interface GuestStatus {
  readonly vmId: string;
  readonly fence: number;
  readonly state: GuestState;
  /** Why the guest failed; present only in the state `failed`. */
  readonly reason?: string;
  /** The latest {@link GuestSpec.restores} that the guest received; absent if guests end with their driver. */
  readonly restores?: number | undefined;
  /**
   * Present if the start of the guest is not complete: the driver starts it now, or the process that started it ended
   * before. A `start` with the same fence completes it.
   */
  readonly unfinished?: true | undefined;
  /** Present while the guest stays at its {@link GuestSpec.lastMinute}; what it has recorded up to there is emitted. */
  readonly atLastMinute?: true | undefined;
  /**
   * Present while the cell stays at the minute of its division, until its second daughter is taken; see
   * {@link DividingCells}. The driver emits `changed` with it.
   */
  readonly dividing?: true | undefined;
}

/** A snapshot that is stored with its guest. */
export interface KeptSnapshot {
  readonly vmId: string;
  readonly name: string;
  /** Creation time, by the clock of the driver that took it. */
  readonly takenAtMs: number;
}

/**
 * Stores snapshots that are too large to transfer. They are stored with the guest, and survive its stops but not its
 * `discard`. The checkpoint that such a driver accepts in `start` and `restart` is only a reference to a snapshot.
 */
export interface SnapshotKeeper {
  /**
   * Takes a snapshot of a running or paused guest without interrupting it. If the guest has a snapshot of this name,
   * that snapshot is left unchanged. Rejects with the same errors as `VmDriver.snapshot`. After `drop`, a start from
   * the returned checkpoint is a `BAD_REQUEST`.
   */
  take(vmId: string, fence: number, name: string): Promise<GuestCheckpoint>;
  /** Returns the snapshots of all guests of this driver, including stopped guests. Empty until the driver is ready. */
  list(): readonly KeptSnapshot[];
  /** Returns the snapshots of one guest, as `list` does. Without this method the agent searches `list`. */
  of?(vmId: string): readonly KeptSnapshot[];
  /** Removes the VM's snapshot of this name. Idempotent. */
  drop(vmId: string, name: string): Promise<void>;
}

export interface ResumeOptions {
  /** Whether the guest has no last minute from now on. Default false. */
  readonly beyondLastMinute?: boolean | undefined;
}

export interface TickOptions {
  /** Whether guests at the time scale `max` compute nothing until the next tick. Default false. */
  readonly onlyAtRate?: boolean | undefined;
}

export interface StopOptions {
  /**
   * Time that the guest has to end by itself, ms: a machine shuts down, and a cell completes its running calls. 0 ends
   * the guest at once. Default: the driver's own.
   */
  readonly graceMs?: number | undefined;
}

export interface VmDriver extends ChangesAtMinutes, DividingCells {
  readonly capabilities: DriverCapabilities;
  /**
   * Present if the driver stores snapshots with their guests. Such a driver does not support the verb `snapshot`, and
   * its `restart` without a checkpoint changes nothing.
   */
  readonly snapshots?: SnapshotKeeper | undefined;

  /**
   * Starts a guest; resolves when it runs.
   *
   * With the fence of the present guest the call does nothing, or completes the start of an unfinished guest. With a
   * newer fence the call replaces the present guest.
   * Rejects with `STALE_FENCE` if the fence is older than the present guest's, or not newer than the fence of the last
   * stop. A failed start (`BAD_REQUEST`, `GUEST_ERROR`, …) leaves nothing behind and may be retried with the same
   * fence. A checkpoint that is malformed or from another driver is a `BAD_REQUEST`; a checkpoint that is too long is
   * `TOO_LARGE`.
   */
  start(spec: GuestSpec): Promise<void>;

  /**
   * Replaces the content of the guest that has exactly this fence, from a checkpoint or by a fresh start. A running
   * guest stays running, a paused guest stays paused. Each call restarts the guest. Rejects with the errors of `pause`
   * and `start`; a rejected spec leaves the guest unchanged.
   */
  restart(spec: GuestSpec): Promise<void>;

  /**
   * Pauses the guest. Rejects with `GUEST_NOT_FOUND`, with `STALE_FENCE`, with `INVALID_STATE` if the guest has failed,
   * or with `UNSUPPORTED`.
   */
  pause(vmId: string, fence: number): Promise<void>;
  /** Resumes the guest; rejects with the errors of `pause`. */
  resume(vmId: string, fence: number, options?: ResumeOptions): Promise<void>;

  /**
   * Ends the guest and its running calls. An absent guest counts as stopped. A further stop during the grace of an
   * earlier one can shorten that grace, and never extends it. Rejects with `STALE_FENCE`.
   */
  stop(vmId: string, fence: number, options?: StopOptions): Promise<void>;

  /**
   * Replaces the whole allocation of a guest at its present minute. Rejects with the errors of `pause`, and `BAD_REQUEST`.
   */
  resize(
    vmId: string,
    fence: number,
    allocation: Readonly<Record<string, number>>,
    options?: ResizeOptions,
  ): Promise<void>;

  /**
   * Runs source in a running guest: Lua in a cell, shell in a machine without a cell, or with `shell`. The effects of a
   * Lua program are applied together once it has succeeded.
   *
   * Rejects with `GUEST_ERROR`, `GUEST_TIMEOUT` or `GUEST_OUT_OF_MEMORY` if the source fails; the guest then continues.
   * Rejects with `INVALID_STATE` if the guest is not running, and with `TOO_LARGE` if source or result are too large.
   * Rejects with a retryable `UNAVAILABLE` if the source did not run and a retry can run it. Rejects with an
   * `UNAVAILABLE` that is not retryable if it is unknown whether the source ran, or if a retry cannot help.
   */
  exec(vmId: string, fence: number, source: string, options: ExecOptions): Promise<ExecOutcome>;

  /**
   * Returns the state of a running or paused guest without interrupting it. The state is consistent at one moment, and
   * includes the effects of every exec that was answered before, and of everything that the guest itself does at its
   * present minute. A guest that starts from this state continues exactly like the original guest.
   *
   * Rejects with `GUEST_NOT_FOUND`, `STALE_FENCE`, `INVALID_STATE` or `UNSUPPORTED`. Rejects with `GUEST_ERROR` or
   * `TOO_LARGE` if the guest has state that cannot be stored, and with a retryable `UNAVAILABLE` if the guest is too
   * busy.
   */
  snapshot(vmId: string, fence: number): Promise<GuestCheckpoint>;

  /** Returns the latest sample, or undefined if the guest is absent. */
  sample(vmId: string): GuestSample | undefined;

  /**
   * Resolves once the driver has found the guests that outlived the process that started them: `list` and `kept` are
   * then complete. Until then the absence of a guest has no meaning. Rejects with `UNAVAILABLE` while the guests cannot
   * be determined.
   */
  whenReady(): Promise<void>;

  /** Returns every guest of this driver, in order of VM id. */
  list(): readonly GuestStatus[];

  /**
   * Returns the VM's guest as `list` does; undefined if the VM has no guest. The agent calls this method several times
   * for each change of a VM, so its cost must not grow with the number of guests. Without this method the agent
   * searches `list`.
   */
  guest?(vmId: string): GuestStatus | undefined;

  /**
   * Returns what the VM's guest can do; undefined if the VM has no guest. Absent if every guest is a cell with the
   * driver's {@link capabilities}. See {@link capabilitiesOfGuest}.
   */
  guestCapabilities?(vmId: string): GuestCapabilities | undefined;

  /** Returns what is kept of stopped guests, in order of VM id; empty if the driver keeps nothing after a stop. */
  kept(): readonly KeptGuest[];

  /** Returns what is kept of the VM's stopped guest, as `kept` does. Without this method the agent searches `kept`. */
  keptGuest?(vmId: string): KeptGuest | undefined;

  /**
   * Removes what is kept of the VM's stopped guests up to this incarnation. Idempotent. Rejects with `INVALID_STATE`
   * while the guest runs. What cannot be removed now is listed by {@link leftBehind}, and no longer by {@link kept}.
   */
  discard(vmId: string, incarnation: number): Promise<void>;

  /**
   * Returns what the driver should have removed and what is still there. The driver tries again a limited number of
   * times. Absent if a driver removes everything at once.
   */
  leftBehind?(): readonly LeftBehind[];

  /**
   * Resolves with whether such an object is still there, also one that {@link leftBehind} does not list because an earlier
   * run of the driver noted it. Present with `leftBehind`. Rejects with `UNAVAILABLE`.
   */
  stillHas?(kind: LeftBehind["kind"], uuid: string): Promise<boolean>;

  /** Returns the machines that other owners left where this driver runs its guests. Absent if there can be none. */
  orphans?(): readonly Orphan[];

  /**
   * Makes an orphan a guest of this agent, or what is kept of a stopped one, under the VM id `uuid`. The log has no such
   * VM, so that the agent ends the guest and discards it. Idempotent. Resolves with false when there is no such machine.
   * Rejects with `BAD_REQUEST` when the machine is no orphan.
   */
  claimOrphan?(uuid: string): Promise<boolean>;

  /** Adds a listener. Listeners are called synchronously, in order of registration; their exceptions are not caught. */
  onGuestEvent(listener: (event: GuestEvent) => void): void;

  /**
   * Advances the simulated time of running guests by `elapsedMs` of host time. Ignored if the guests have their own
   * clocks. Guests at the time scale `max` use the time that the others leave.
   */
  tick(elapsedMs: number, options?: TickOptions): void;

  /**
   * Releases all resources. Afterwards no guest is listed and every verb rejects with `UNAVAILABLE`. All guests end,
   * except with `keepsStopped`: the guests of such a driver run outside this process, and the next driver finds them.
   * Idempotent.
   */
  close(): Promise<void>;
}
