/**
 * The port between an agent and the software that runs its guests.
 *
 * A driver holds guests and nothing else: no ledger, no retries, no log. The decision is in the log before the agent calls the driver.
 * The driver carries it out once, however often the call is repeated. Two rules ensure this:
 *
 * - **Fences.** Every effect carries the `fence` of its reservation, which is the reservation's stream sequence and only grows. An
 *   older fence is rejected, so that a delayed call cannot undo a newer decision. The fence of a stop is remembered, so that a
 *   start that arrives after it leaves no ghost (see `fences.ts`).
 * - **Idempotence.** A verb that finds the guest already in the target state succeeds and does nothing.
 *
 * A driver declares its abilities as data (`capabilities`), not by missing methods: the agent answers `UNSUPPORTED` without a
 * call. Every method rejects with `DriverError` only; any other exception is a bug of the driver. The port excludes the storage of
 * checkpoints, and the move of a guest between hosts, which consists of a checkpoint, a stop and a start.
 */
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
  /** `host`: simulated time passes only in {@link VmDriver.tick}; `own`: the guests have their own clocks. */
  readonly clock: "host" | "own";
  /** Whether a stopped guest's disks remain here for its next start; see {@link VmDriver.kept}. */
  readonly keepsStopped: boolean;
  /** The resources whose allocation appears as a cap in {@link GuestSample}. */
  readonly meters: readonly string[];
  /** The longest `timeoutMs` that `exec` accepts, ms; 0 without exec. */
  readonly maxExecTimeoutMs: number;
}

/** The input of a start. `allocation` has integers; `config` has JSON values. */
export interface GuestSpec {
  readonly vmId: string;
  /** The incarnation of the VM: 1, 2, 3 …; the id of a destroyed VM can be reused. */
  readonly incarnation: number;
  /** The stream sequence of the guest's reservation. A newer reservation has a larger one. */
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
   * The state to start from: a result of {@link VmDriver.snapshot} for a guest of the same type and config. The allocation still
   * comes from the spec. With another seed, the guest continues from the same state with different random numbers.
   */
  readonly checkpoint?: Uint8Array | undefined;
  /**
   * The number of restores of the VM; default 0. A driver with persistent guests restores `checkpoint` once each time
   * this number has grown.
   */
  readonly restores?: number | undefined;
}

/**
 * Maximum size of a checkpoint, bytes. The checkpoint of a cell has about 1 KB, and up to about 500 KB with the largest
 * Lua state. Every guest is checkpointed once a minute.
 */
export const MAX_CHECKPOINT_BYTES = 786_432;

/** The state of a guest at one moment, in the driver's own format. */
export interface GuestCheckpoint {
  readonly bytes: Uint8Array;
  /** The guest's simulated time, whole minutes. */
  readonly simMinutes: number;
}

/** `failed`: the guest ended on its own. It stays listed and keeps its fence until it is stopped or replaced. */
export type GuestState = "running" | "paused" | "failed";

export interface GuestStatus {
  readonly vmId: string;
  readonly fence: number;
  readonly state: GuestState;
  /** The reason of the failure. */
  readonly reason?: string;
  /** The latest {@link GuestSpec.restores} that the guest received; absent if guests end with their driver. */
  readonly restores?: number | undefined;
}

/** The remains of a stopped guest, such as its disks. */
export interface KeptGuest {
  readonly vmId: string;
  readonly incarnation: number;
  /** The fence of the reservation under which the guest last ran. */
  readonly fence: number;
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
 * `discard`. The checkpoint given to `start` and `restart` is only a reference to one.
 */
export interface SnapshotKeeper {
  /**
   * Takes a snapshot of a running or paused guest without interrupting it. An existing name is left unchanged. Errors as for
   * `snapshot`. A start from a checkpoint whose snapshot was dropped is a `BAD_REQUEST`.
   */
  take(vmId: string, fence: number, name: string): Promise<GuestCheckpoint>;
  /** Returns every snapshot here, including those of stopped guests. Empty until the driver is ready. */
  list(): readonly KeptSnapshot[];
  /** Removes a snapshot. Idempotent. */
  drop(vmId: string, name: string): Promise<void>;
}

export interface ExecOutcome {
  /** The returned JSON value. */
  readonly result: unknown;
  /** The printed output, bounded by the driver. */
  readonly stdout: string;
  /** The instructions used, by the driver's own measure. */
  readonly instructions: number;
}

/** The latest measurement of a guest: the VM telemetry of the contract without `vmId`, `chassisId`, `atMs`. */
export interface GuestSample {
  readonly simMinutes: number;
  readonly growthRatePerMinute: number;
  /** null while the cell does not grow. */
  readonly doublingTimeMinutes: number | null;
  readonly ribosomes: { readonly total: number; readonly engaged: number; readonly cap: number };
  readonly atp: { readonly molecules: number; readonly perSecond: number; readonly capPerSecond: number };
  readonly rnaPolymerases: { readonly cap: number };
  readonly proteinAminoAcids: number;
  readonly divisions: number;
  /** Instructions of the guest's programs since its start. */
  readonly luaInstructions: number;
  /** Health of the guest, 0 to 100. */
  readonly health: number;
  /** Measurements of a machine; absent for a cell. */
  readonly machine?: MachineSample;
  /** Time by which the guest is behind the host's clock because the host is too slow, ms; 0 if there is none. */
  readonly lagMs: number;
}

/** The host's measurements of a machine; null while unknown. */
export interface MachineSample {
  readonly vcpus: number;
  /** Utilisation of all virtual CPUs together, permille. */
  readonly cpuPermille: number | null;
  readonly memoryMiB: number;
  /** Used memory, MiB; known only with the guest tools in the machine. */
  readonly memoryUsedMiB: number | null;
  readonly address: string | null;
  /** The name of its host. */
  readonly host: string | null;
}

/** Changes of a guest that did not come from the agent. `moved`: to another host of the same pool. */
export type OutsideChange = "paused" | "suspended" | "resumed" | "halted" | "started" | "deleted" | "moved";

export type GuestEvent =
  /** The guest printed a line. */
  | { readonly kind: "log"; readonly vmId: string; readonly fence: number; readonly line: string }
  /** The guest has entered the state `failed`. */
  | { readonly kind: "failed"; readonly vmId: string; readonly fence: number; readonly reason: string }
  /** The cell divided this many times since the last event of this kind. */
  | { readonly kind: "divided"; readonly vmId: string; readonly fence: number; readonly divisions: number }
  /**
   * A change of the guest or of its remains that did not come from the agent. This event precedes those of its
   * consequences.
   */
  | {
      readonly kind: "observed";
      readonly vmId: string;
      readonly fence: number;
      readonly seen: OutsideChange;
      /** Host names, for `moved`; absent if unknown. */
      readonly fromHost?: string | undefined;
      readonly toHost?: string | undefined;
    }
  /** The guest or its remains changed without a call of this driver: the agent should reconcile the VM again. */
  | { readonly kind: "changed"; readonly vmId: string; readonly fence: number };

export interface ExecOptions {
  /**
   * Time limit of the program, ms: 1 to {@link DriverCapabilities.maxExecTimeoutMs}; any other value is `BAD_REQUEST`.
   */
  readonly timeoutMs: number;
}

export interface VmDriver {
  readonly capabilities: DriverCapabilities;
  /**
   * Present if snapshots are stored with their guest. Such a driver has no `snapshot`; a `restart` without a checkpoint
   * changes nothing.
   */
  readonly snapshots?: SnapshotKeeper | undefined;

  /**
   * Starts a guest; resolves when it runs.
   *
   * With the fence of the present guest the call does nothing. With a newer fence it ends the present guest and
   * replaces it. An older fence, or one that is not newer than the last stop, is rejected with `STALE_FENCE`. A failed
   * start (`BAD_REQUEST`, `GUEST_ERROR`, …) leaves nothing behind and may be retried with the same fence. A malformed
   * or foreign checkpoint is a `BAD_REQUEST`; one that is too long is `TOO_LARGE`.
   */
  start(spec: GuestSpec): Promise<void>;

  /**
   * Replaces the content of the guest that has exactly this fence, from a checkpoint or by a fresh start. A running
   * guest stays running, a paused guest stays paused. Each call restarts the guest. Errors as for `pause` and `start`;
   * a rejected spec leaves the guest unchanged.
   */
  restart(spec: GuestSpec): Promise<void>;

  /** Pauses the guest. `GUEST_NOT_FOUND`, `STALE_FENCE`; `INVALID_STATE` if the guest has failed; `UNSUPPORTED`. */
  pause(vmId: string, fence: number): Promise<void>;
  resume(vmId: string, fence: number): Promise<void>;

  /** Ends the guest and its running calls. An absent guest counts as stopped. `STALE_FENCE`. */
  stop(vmId: string, fence: number): Promise<void>;

  /** Replaces the whole allocation of a running or paused guest. Errors as for `pause`, and `BAD_REQUEST`. */
  resize(vmId: string, fence: number, allocation: Readonly<Record<string, number>>): Promise<void>;

  /**
   * Runs source in a running guest: Lua in a cell, whose effects are applied together on success, or shell in a
   * machine.
   *
   * `GUEST_ERROR`, `GUEST_TIMEOUT` and `GUEST_OUT_OF_MEMORY` are errors of the source; the guest continues.
   * `INVALID_STATE` if the guest is not running; `UNAVAILABLE` (retryable) if the source did not run and a retry can
   * run it; `UNAVAILABLE` (not retryable) if it is unknown whether the source ran, or if a retry cannot help;
   * `TOO_LARGE`.
   */
  exec(vmId: string, fence: number, source: string, options: ExecOptions): Promise<ExecOutcome>;

  /**
   * Returns the state of a running or paused guest without interrupting it. The state is consistent at one moment, after every exec
   * that was answered before. A guest that is started from it continues exactly like this one.
   *
   * `GUEST_NOT_FOUND`, `STALE_FENCE`, `INVALID_STATE`, `UNSUPPORTED`; `GUEST_ERROR` or `TOO_LARGE` if the guest has state that
   * cannot be stored; `UNAVAILABLE` (retryable) if the guest is too busy.
   */
  snapshot(vmId: string, fence: number): Promise<GuestCheckpoint>;

  /** Returns the latest sample, or undefined if the guest is absent. */
  sample(vmId: string): GuestSample | undefined;

  /**
   * Resolves once `list` and `kept` are complete, because guests can outlive the driver that started them. Rejects with
   * `UNAVAILABLE` while they cannot be determined. Until then the absence of a guest has no meaning.
   */
  whenReady(): Promise<void>;

  /** Returns every guest here, in order of id. */
  list(): readonly GuestStatus[];

  /** Returns the remains of stopped guests, in order of id; empty if a stop leaves nothing. */
  kept(): readonly KeptGuest[];

  /** Removes the remains of a stopped guest up to this incarnation. Idempotent. `INVALID_STATE` while it runs. */
  discard(vmId: string, incarnation: number): Promise<void>;

  /** Adds a listener. Listeners are called synchronously, in order of registration; their exceptions are not caught. */
  onGuestEvent(listener: (event: GuestEvent) => void): void;

  /** Advances the host's clock by `elapsedMs`. Ignored if the guests have their own clocks. */
  tick(elapsedMs: number): void;

  /**
   * Releases all resources. Afterwards no guest is listed and every verb rejects with `UNAVAILABLE`. Guests end, unless the driver
   * `keepsStopped`: such guests run outside this process, and the next driver finds them. Idempotent.
   */
  close(): Promise<void>;
}
