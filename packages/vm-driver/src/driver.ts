/**
 * The port between an agent and what runs its guests.
 *
 * A driver holds guests and nothing else: no ledger, no retries, no log. Whoever calls it has recorded the decision
 * before; the driver only has to make it true, once, however often it is told. Two things keep that sound:
 *
 * - **Fences.** Every effect names the reservation it acts for by its `fence`, the stream sequence of the reservation:
 *   a number that only grows. An older fence is refused, so that a call delayed in a queue cannot undo a newer
 *   decision, and a stop is remembered, so that a start which arrives after it leaves no ghost (see `fences.ts`).
 * - **Idempotence.** Every verb that finds the guest already where it leads succeeds and does nothing.
 *
 * What a driver can do is data (`capabilities`), not a method that happens to be missing: the agent answers `UNSUPPORTED`
 * without a call. Every method rejects with `DriverError` only; anything else thrown is a bug of the driver.
 * What the port leaves out: storing checkpoints, and moving a guest between hosts, which is a checkpoint, an end and a start.
 */
export interface DriverCapabilities {
  /** The contract's `vmType` this driver runs: `basic`, `xcpng`. */
  readonly vmType: string;
  readonly exec: boolean;
  /** Why there is no exec, and what to set to have it, where that is a setting. */
  readonly noExec?: string | undefined;
  readonly pause: boolean;
  /** A running guest takes a new allocation without being started again. */
  readonly liveResize: boolean;
  /** Guests give checkpoints and go on from them. */
  readonly snapshot: boolean;
  /** `host`: simulated time passes only in {@link VmDriver.tick}; `own`: the guests' clocks run by themselves. */
  readonly clock: "host" | "own";
  /** A stop leaves the guest's disks here, for its next start; see {@link VmDriver.kept}. */
  readonly keepsStopped: boolean;
  /** Resources whose allocation is seen as a cap in {@link GuestSample}. */
  readonly meters: readonly string[];
  /** Longest `timeoutMs` that `exec` takes, ms. 0 where there is no exec. */
  readonly maxExecTimeoutMs: number;
}

/** What a guest is started with. Integers in `allocation`; JSON values in `config`. */
export interface GuestSpec {
  readonly vmId: string;
  /** Which life of this id it is: 1, 2, 3 …, a destroyed VM's id can be taken again. */
  readonly incarnation: number;
  /** Stream sequence of the reservation this guest runs on. A newer reservation has a larger one. */
  readonly fence: number;
  readonly biologicalType: string;
  /** Seed of everything random in the guest. Safe integer. */
  readonly seed: number;
  readonly allocation: Readonly<Record<string, number>>;
  /** 1 (low) to 5 (high); default 1. For drivers whose host shares its processors by weight. */
  readonly priority?: number | undefined;
  readonly environment?: Readonly<Record<string, number>> | undefined;
  /** Source that runs once at the start; the start fails when it fails. */
  readonly program?: string | undefined;
  readonly config: Readonly<Record<string, unknown>>;
  /**
   * Where it goes on instead of beginning: what {@link VmDriver.snapshot} gave of a guest of this type and config. Its allocation is
   * the spec's all the same. With another seed than that guest had it is another individual: the same state, chance of its own.
   */
  readonly checkpoint?: Uint8Array | undefined;
  /** How often its VM was set back: a driver that keeps what is in a guest over its end goes back to `checkpoint` once for each. Default 0. */
  readonly restores?: number | undefined;
}

/**
 * Bytes of one checkpoint. One of a cell is about 1 KB, with all the Lua state that may be kept up to some 500 KB; a checkpoint of
 * every guest is stored each minute.
 */
export const MAX_CHECKPOINT_BYTES = 786_432;

/** The state of a guest at one moment, in the driver's own form. */
export interface GuestCheckpoint {
  readonly bytes: Uint8Array;
  /** Its simulated time, whole minutes. */
  readonly simMinutes: number;
}

/** `failed`: it stopped running by itself; it stays listed, and holds its fence, until it is stopped or replaced. */
export type GuestState = "running" | "paused" | "failed";

export interface GuestStatus {
  readonly vmId: string;
  readonly fence: number;
  readonly state: GuestState;
  /** Why it failed. */
  readonly reason?: string;
  /** The latest `restores` it was given; absent where guests end with their driver: whoever started it knows. */
  readonly restores?: number | undefined;
}

/** What a stopped guest left here. */
export interface KeptGuest {
  readonly vmId: string;
  readonly incarnation: number;
  /** Of the reservation it last ran on. */
  readonly fence: number;
}

/** A snapshot that stayed with its guest. */
export interface KeptSnapshot {
  readonly vmId: string;
  readonly name: string;
  /** By the clock of the driver that took it. */
  readonly takenAtMs: number;
}

/**
 * Snapshots too large to be carried about: they stay where the guest is, and outlive its stops, but not its `discard`. What `start`
 * and `restart` take for a checkpoint only names one.
 */
export interface SnapshotKeeper {
  /**
   * Of a running or paused guest, which goes on. A name that is there already is left as it is. Errors as for `snapshot`; a checkpoint
   * whose snapshot is gone is a `BAD_REQUEST` to whoever starts from it.
   */
  take(vmId: string, fence: number, name: string): Promise<GuestCheckpoint>;
  /** Every snapshot here, those of stopped guests too. Empty until the driver is ready. */
  list(): readonly KeptSnapshot[];
  /** Idempotent. */
  drop(vmId: string, name: string): Promise<void>;
}

export interface ExecOutcome {
  /** A JSON value. */
  readonly result: unknown;
  /** What it printed, bounded by the driver. */
  readonly stdout: string;
  /** Instructions it took, by the driver's own measure. */
  readonly instructions: number;
}

/** The latest measurement of a guest: a VM's telemetry in the contract without `vmId`, `chassisId`, `atMs`. */
export interface GuestSample {
  readonly simMinutes: number;
  readonly growthRatePerMinute: number;
  /** null while it does not grow. */
  readonly doublingTimeMinutes: number | null;
  readonly ribosomes: { readonly total: number; readonly engaged: number; readonly cap: number };
  readonly atp: { readonly molecules: number; readonly perSecond: number; readonly capPerSecond: number };
  readonly rnaPolymerases: { readonly cap: number };
  readonly proteinAminoAcids: number;
  readonly divisions: number;
  /** Instructions of the guest's own programs since it was started. */
  readonly luaInstructions: number;
  /** 0–100. */
  readonly health: number;
  /** Of a guest that is a machine; absent where it is a cell. */
  readonly machine?: MachineSample;
  /** Host time by which the guest is behind the host's clock because the host is too slow, ms; 0 when it keeps up. */
  readonly lagMs: number;
}

/** What the host measured of a machine; null while it is not known. */
export interface MachineSample {
  readonly vcpus: number;
  /** Of all its virtual CPUs together, thousandths. */
  readonly cpuPermille: number | null;
  readonly memoryMiB: number;
  /** Needs the guest's tools. */
  readonly memoryUsedMiB: number | null;
  readonly address: string | null;
  /** Name of the host it runs on. */
  readonly host: string | null;
}

/** What somebody else can do to a guest that is not in the agent's process. `moved`: to another host of the same pool. */
export type OutsideChange = "paused" | "suspended" | "resumed" | "halted" | "started" | "deleted" | "moved";

export type GuestEvent =
  /** A line the guest printed. */
  | { readonly kind: "log"; readonly vmId: string; readonly fence: number; readonly line: string }
  /** The guest is in state `failed` from now on. */
  | { readonly kind: "failed"; readonly vmId: string; readonly fence: number; readonly reason: string }
  /** The cell divided this many times since the last such event. */
  | { readonly kind: "divided"; readonly vmId: string; readonly fence: number; readonly divisions: number }
  /** Somebody else did this to the guest, or to what is kept of it. Comes before what follows from it. */
  | {
      readonly kind: "observed";
      readonly vmId: string;
      readonly fence: number;
      readonly seen: OutsideChange;
      /** Names of the hosts, with `moved`; absent: not known. */
      readonly fromHost?: string | undefined;
      readonly toHost?: string | undefined;
    }
  /** Something else than this driver changed the guest, or what is kept of it: whoever cares should look. */
  | { readonly kind: "changed"; readonly vmId: string; readonly fence: number };

export interface ExecOptions {
  /** 1..{@link DriverCapabilities.maxExecTimeoutMs}; else `BAD_REQUEST`. */
  readonly timeoutMs: number;
}

export interface VmDriver {
  readonly capabilities: DriverCapabilities;
  /** There where guests' states stay with them; such a driver has no `snapshot`, and a `restart` without a checkpoint leaves the guest as it is. */
  readonly snapshots?: SnapshotKeeper | undefined;

  /**
   * Starts a guest; resolves when it runs.
   *
   * The fence of the guest that is here: does nothing. A newer one: the guest that is here ends and this one
   * takes its place. An older one, or one not newer than the last stop: `STALE_FENCE`. A start that fails
   * (`BAD_REQUEST`, `GUEST_ERROR`, …) leaves nothing behind and may be tried again with the same fence. A checkpoint
   * that is none, is of another kind of guest or is damaged in form is a `BAD_REQUEST`, a too long one `TOO_LARGE`.
   */
  start(spec: GuestSpec): Promise<void>;

  /**
   * Puts a guest in the place of the one of this very fence, whose inside is given up: set back to a checkpoint, or begun anew.
   * Running or paused, it stays so. Done again, it is done again. Errors as for `pause` and `start`; a spec that is refused
   * leaves the guest as it was.
   */
  restart(spec: GuestSpec): Promise<void>;

  /** `GUEST_NOT_FOUND`, `STALE_FENCE`; `INVALID_STATE` when the guest has failed; `UNSUPPORTED`. */
  pause(vmId: string, fence: number): Promise<void>;
  resume(vmId: string, fence: number): Promise<void>;

  /** Ends the guest and whatever it was doing. A guest that is not here is stopped already. `STALE_FENCE`. */
  stop(vmId: string, fence: number): Promise<void>;

  /** Gives a running or paused guest this allocation instead, all of it. Errors as for `pause`, and `BAD_REQUEST`. */
  resize(vmId: string, fence: number, allocation: Readonly<Record<string, number>>): Promise<void>;

  /**
   * Runs source in a running guest: Lua in a cell, whose effects are applied together when it succeeds; shell in a machine.
   *
   * `GUEST_ERROR`, `GUEST_TIMEOUT`, `GUEST_OUT_OF_MEMORY`: the guest's own doing, and the guest goes on.
   * `INVALID_STATE` when it is not running, `UNAVAILABLE` (retryable) when asking again runs it once, `UNAVAILABLE` (not
   * retryable) when nobody knows whether it ran, or asking again cannot help, `TOO_LARGE`.
   */
  exec(vmId: string, fence: number, source: string, options: ExecOptions): Promise<ExecOutcome>;

  /**
   * The state of a running or paused guest, which goes on. All of it is of one moment, after every exec that was
   * answered before. A guest started from it goes on as this one does.
   *
   * `GUEST_NOT_FOUND`, `STALE_FENCE`, `INVALID_STATE`, `UNSUPPORTED`; `GUEST_ERROR` or `TOO_LARGE` when the guest holds what
   * cannot be kept; `UNAVAILABLE` (retryable) when it is too busy.
   */
  snapshot(vmId: string, fence: number): Promise<GuestCheckpoint>;

  /** undefined when no such guest is here. */
  sample(vmId: string): GuestSample | undefined;

  /**
   * Resolves once `list` and `kept` say what is here: guests can outlive the driver that started them. Rejects with
   * `UNAVAILABLE` while that cannot be learnt. Nothing may be concluded from a guest's absence before.
   */
  whenReady(): Promise<void>;

  /** Every guest here, in order of id. */
  list(): readonly GuestStatus[];

  /** What stopped guests left here, in order of id; empty where a stop leaves nothing. */
  kept(): readonly KeptGuest[];

  /** Removes what a stopped guest of at most this incarnation left. Idempotent. `INVALID_STATE` while it runs. */
  discard(vmId: string, incarnation: number): Promise<void>;

  /** Listeners are called synchronously, in order of registration; what they throw is not caught. */
  onGuestEvent(listener: (event: GuestEvent) => void): void;

  /** The host's clock: `elapsedMs` have passed. Ignored where the clock is the guests' own. */
  tick(elapsedMs: number): void;

  /**
   * Frees everything. After it nothing is listed and every verb rejects with `UNAVAILABLE`. Guests end, but for those of a
   * driver that `keepsStopped`: they are not in this process, and the next driver finds them. Idempotent.
   */
  close(): Promise<void>;
}
