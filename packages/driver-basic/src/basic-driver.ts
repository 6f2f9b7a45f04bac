/**
 * The basic driver: it computes the cells in this thread and runs their Lua in a worker (`lua-host.ts`).
 *
 * A cell and its Lua exchange data only at the start and end of a call. A call carries the measurements of the cell. A
 * successful reply carries the environment changes that the guest requested, which are applied all together or not at
 * all. Therefore neither a guest's Lua nor the loss of the worker leaves a cell half changed. Simulated time passes
 * only in `tick`, and only for running guests.
 */
import { type CellEnvironment, type CellModel, WEISSE } from "@bioxen/cell-models";
import {
  type DriverCapabilities,
  DriverError,
  type ExecOptions,
  type ExecOutcome,
  Fences,
  type GuestCheckpoint,
  type GuestEvent,
  type GuestSample,
  type GuestSpec,
  type GuestState,
  type GuestStatus,
  type KeptGuest,
  type StopOptions,
  type VmDriver,
} from "@bioxen/vm-driver";
import { CellClock } from "./cell-clock.ts";
import { CellGuest, checkSource } from "./cell-guest.ts";
import { applyWanted, cellView, luaEnvironmentBounds } from "./cell-view.ts";
import { GuestHooks } from "./guest-hooks.ts";
import {
  DEFAULT_EXEC_TIMEOUT_MS,
  DEFAULT_TIME_SCALE,
  MAX_EXEC_INSTRUCTIONS,
  MAX_EXEC_TIMEOUT_MS,
  MAX_TIME_SCALE,
} from "./limits.ts";
import type { Work } from "./lua-guest.ts";
import { LuaHost } from "./lua-host.ts";
import type { CallReport, GuestKey } from "./lua-protocol.ts";

export interface BasicDriverOptions {
  /** Time scale: simulated minutes per second of host time, above 0 and at most {@link MAX_TIME_SCALE}. Default 1. */
  readonly timeScaleMinutesPerSecond?: number | undefined;
  /**
   * Returns the time of a monotonic clock in ms, which measures the time budget of a tick. Default: `performance.now`.
   */
  readonly now?: (() => number) | undefined;
  /** The cell model; default: the built-in {@link WEISSE}. */
  readonly model?: CellModel | undefined;
  /** URL of a script that replaces the Lua worker, for tests. */
  readonly workerUrl?: URL | undefined;
}

const CAPABILITIES: DriverCapabilities = {
  vmType: "basic",
  exec: true,
  pause: true,
  liveResize: true,
  snapshot: true,
  clock: "host",
  keepsStopped: false,
  meters: ["ribosomes", "atpPerSecond", "rnaPolymerases"],
  maxExecTimeoutMs: MAX_EXEC_TIMEOUT_MS,
};

export interface BasicDriver extends VmDriver {
  /**
   * Replaces the whole environment of a running or paused guest; absent fields return to the default of the type.
   * Rejects with the errors of `pause`, and with `BAD_REQUEST`.
   */
  setEnvironment(vmId: string, fence: number, environment: CellEnvironment): Promise<void>;
}

/** Returns a driver without guests. Throws `RangeError` if the time scale is out of range. */
export function createBasicDriver(options: BasicDriverOptions = {}): BasicDriver {
  return new Basic(options);
}

interface Held {
  readonly guest: CellGuest;
  readonly started: Promise<void>;
}

class Basic implements BasicDriver {
  readonly capabilities = CAPABILITIES;
  readonly #fences = new Fences();
  readonly #held = new Map<string, Held>();
  readonly #byKey = new Map<GuestKey, CellGuest>();
  readonly #listeners: ((event: GuestEvent) => void)[] = [];
  readonly #clock: CellClock;
  readonly #model: CellModel;
  readonly #lua: LuaHost;
  readonly #hooks: GuestHooks;
  #nextKey: GuestKey = 1;
  #closed = false;

  constructor(options: BasicDriverOptions) {
    const scale = options.timeScaleMinutesPerSecond ?? DEFAULT_TIME_SCALE;
    if (!(scale > 0 && scale <= MAX_TIME_SCALE)) {
      throw new RangeError(
        `time scale ${scale} is out of range: it must be above 0 and at most ${MAX_TIME_SCALE} min/s`,
      );
    }
    this.#model = options.model ?? WEISSE;
    this.#clock = new CellClock(scale, options.now ?? (() => performance.now()));
    this.#lua = new LuaHost({
      workerUrl: options.workerUrl,
      onPrinted: (key, lines, leftOut) => {
        const guest = this.#byKey.get(key);
        if (guest === undefined) return;
        for (const line of lines) this.#log(guest, line);
        if (leftOut > 0) this.#log(guest, `… ${leftOut} lines omitted`);
      },
    });
    this.#hooks = new GuestHooks({
      call: (guest, work, limits) => this.#call(guest, work, limits),
      log: (guest, line) => this.#log(guest, line),
    });
  }

  async start(spec: GuestSpec): Promise<void> {
    this.#requireOpen();
    const held = this.#held.get(spec.vmId);
    if (this.#fences.start(spec.vmId, spec.fence, held?.guest.spec.fence) === "same") return held?.started;
    const guest = this.#boot(spec);
    if (held !== undefined) this.#end(held.guest);
    const started = this.#runProgram(guest);
    this.#held.set(spec.vmId, { guest, started });
    await started;
  }

  async restart(spec: GuestSpec): Promise<void> {
    const before = this.#alive(spec.vmId, spec.fence);
    const guest = this.#boot(spec);
    // The old guest stays until the program of the new guest has run. If that program fails, the old guest is kept.
    await this.#runProgram(guest);
    if (this.#held.get(spec.vmId)?.guest !== before) {
      this.#end(guest);
      throw new DriverError("INVALID_STATE", "the guest was stopped during its restart");
    }
    guest.state = before.state === "paused" ? "paused" : "running";
    this.#held.set(spec.vmId, { guest, started: Promise.resolve() });
    this.#end(before);
  }

  #boot(spec: GuestSpec): CellGuest {
    const guest = CellGuest.boot(spec, this.#nextKey, this.#model);
    this.#nextKey += 1;
    const { vmId, biologicalType, seed, program } = spec;
    this.#byKey.set(guest.key, guest);
    const identity = { vmId, biologicalType, seed, environmentBounds: luaEnvironmentBounds };
    this.#lua.open(guest.key, identity, program, guest.kept);
    return guest;
  }

  async #runProgram(guest: CellGuest): Promise<void> {
    const { program } = guest.spec;
    try {
      if (program !== undefined) {
        const work = { kind: "chunk", source: program, name: "program" } as const;
        const limits = { instructions: MAX_EXEC_INSTRUCTIONS, timeoutMs: DEFAULT_EXEC_TIMEOUT_MS };
        outcomeOf(await this.#call(guest, work, limits));
      }
      if (guest.state === "starting") guest.state = "running";
    } catch (error) {
      this.#end(guest);
      throw error;
    }
  }

  async pause(vmId: string, fence: number): Promise<void> {
    this.#alive(vmId, fence).state = "paused";
  }

  async resume(vmId: string, fence: number): Promise<void> {
    this.#alive(vmId, fence).state = "running";
  }

  async stop(vmId: string, fence: number, { graceMs = 0 }: StopOptions = {}): Promise<void> {
    this.#requireOpen();
    const guest = this.#held.get(vmId)?.guest;
    this.#fences.stop(vmId, fence, guest?.spec.fence);
    if (guest === undefined) return;
    if (graceMs > 0) await guest.calls.ended(graceMs);
    if (guest.state !== "ended") this.#end(guest);
  }

  async resize(vmId: string, fence: number, allocation: Readonly<Record<string, number>>): Promise<void> {
    this.#alive(vmId, fence).resize(allocation);
  }

  async setEnvironment(vmId: string, fence: number, environment: CellEnvironment): Promise<void> {
    this.#alive(vmId, fence).setEnvironment(environment);
  }

  async exec(vmId: string, fence: number, source: string, options: ExecOptions): Promise<ExecOutcome> {
    const guest = this.#alive(vmId, fence);
    if (guest.state !== "running") throw new DriverError("INVALID_STATE", `"${vmId}" is ${guest.state}`);
    const { timeoutMs, shell = false } = options;
    if (shell) throw new DriverError("UNSUPPORTED", `"${vmId}" is a cell without a machine: it has no shell`);
    if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_EXEC_TIMEOUT_MS) {
      throw new DriverError(
        "BAD_REQUEST",
        `timeoutMs: ${timeoutMs} is not an integer from 1 to ${MAX_EXEC_TIMEOUT_MS}`,
      );
    }
    checkSource(source);
    const limits = { instructions: MAX_EXEC_INSTRUCTIONS, timeoutMs };
    return outcomeOf(await this.#call(guest, { kind: "chunk", source, name: "exec" }, limits));
  }

  async snapshot(vmId: string, fence: number): Promise<GuestCheckpoint> {
    const guest = this.#alive(vmId, fence);
    guest.snapshotsUnderWay += 1;
    try {
      const lua = await this.#lua.keep(guest.key, cellView(guest.cell));
      // No other code runs between the arrival of the Lua state and the encoding of the cell. The two states therefore
      // belong to the same moment.
      return this.#alive(vmId, fence).checkpoint(lua);
    } finally {
      guest.snapshotsUnderWay -= 1;
    }
  }

  sample(vmId: string): GuestSample | undefined {
    const guest = this.#held.get(vmId)?.guest;
    if (guest === undefined || guest.state === "starting") return undefined;
    return guest.sample(this.#clock.lagMs(guest));
  }

  list(): readonly GuestStatus[] {
    const statuses = [...this.#held.keys()].flatMap((vmId) => this.guest(vmId) ?? []);
    return statuses.sort((a, b) => (a.vmId < b.vmId ? -1 : 1));
  }

  guest(vmId: string): GuestStatus | undefined {
    const guest = this.#held.get(vmId)?.guest;
    if (guest === undefined || guest.state === "starting" || guest.state === "ended") return undefined;
    const { state, reason } = guest;
    const status = { vmId, fence: guest.spec.fence, state };
    return reason === undefined ? status : { ...status, reason };
  }

  async whenReady(): Promise<void> {}

  kept(): readonly KeptGuest[] {
    return [];
  }

  keptGuest(): undefined {}

  async discard(): Promise<void> {}

  onGuestEvent(listener: (event: GuestEvent) => void): void {
    this.#listeners.push(listener);
  }

  tick(elapsedMs: number): void {
    // If the clock went backwards, no simulated time passes.
    if (this.#closed || !(elapsedMs > 0)) return;
    const guests = [...this.#held.values()].map(({ guest }) => guest);
    const ran = guests.filter((guest) => guest.isRunning());
    this.#clock.tick(guests, elapsedMs);
    for (const guest of ran) {
      const { vmId, fence } = guest.spec;
      const { divisionsToReport: divisions, reason } = guest;
      guest.divisionsToReport = 0;
      if (divisions > 0) this.#emit({ kind: "divided", vmId, fence, divisions });
      if (!guest.isRunning()) this.#emit({ kind: "failed", vmId, fence, reason: reason ?? "unknown" });
      else this.#hooks.callDue(guest);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { guest } of [...this.#held.values()]) this.#end(guest);
    await this.#lua.close();
  }

  /** Runs work in the guest's Lua, then applies the changes of the cell's environment that the guest requested. */
  async #call(
    guest: CellGuest,
    work: Work,
    limits: { readonly instructions: number; readonly timeoutMs: number },
  ): Promise<CallReport> {
    const call = this.#lua.call(guest.key, { work, view: cellView(guest.cell), limits });
    const report = await guest.calls.track(call);
    if (guest.state === "ended")
      throw new DriverError("INVALID_STATE", "the guest was stopped during the call");
    guest.hooks = report.hooks ?? guest.hooks;
    // A guest that starts from a checkpoint runs its program a second time. The checkpoint already contains the
    // program's effects on the cell and its instruction count.
    const isAgain = guest.state === "starting" && guest.spec.checkpoint !== undefined;
    if (isAgain) return report;
    guest.luaInstructions += report.instructions;
    if (report.outcome.ok && report.outcome.environment !== undefined) {
      applyWanted(guest.cell, report.outcome.environment);
    }
    return report;
  }

  #end(guest: CellGuest): void {
    guest.state = "ended";
    this.#byKey.delete(guest.key);
    if (this.#held.get(guest.spec.vmId)?.guest === guest) this.#held.delete(guest.spec.vmId);
    this.#lua.drop(guest.key);
  }

  #alive(vmId: string, fence: number): CellGuest & { state: GuestState } {
    this.#requireOpen();
    const guest = this.#held.get(vmId)?.guest;
    this.#fences.touch(vmId, fence, guest?.spec.fence);
    if (guest === undefined || guest.state === "failed" || !isListed(guest)) {
      throw new DriverError("INVALID_STATE", `"${vmId}" is ${guest?.state ?? "absent"}`);
    }
    return guest;
  }

  #requireOpen(): void {
    if (this.#closed) throw new DriverError("UNAVAILABLE", "the driver is closed");
  }

  #log(guest: CellGuest, line: string): void {
    this.#emit({ kind: "log", vmId: guest.spec.vmId, fence: guest.spec.fence, line });
  }

  #emit(event: GuestEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function isListed(guest: CellGuest): guest is CellGuest & { state: GuestState } {
  return guest.state !== "starting" && guest.state !== "ended";
}

/**
 * Converts the report of a call to the driver port's outcome of an exec. Throws a `DriverError` if the guest's code
 * failed.
 */
function outcomeOf({ outcome, instructions, stdout, stateLost }: CallReport): ExecOutcome {
  if (outcome.ok) return { result: outcome.result, stdout, instructions };
  const details = { instructions, stdout, stateLost };
  throw new DriverError(outcome.code, outcome.message, {
    details: outcome.traceback === undefined ? details : { ...details, traceback: outcome.traceback },
  });
}
