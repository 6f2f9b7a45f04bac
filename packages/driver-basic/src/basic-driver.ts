/**
 * The basic driver: it computes the cells in this thread and runs their Lua in a worker (`lua-host.ts`).
 *
 * A cell and its Lua exchange data only at the start and end of a call. A call carries the measurements of the cell. A
 * successful reply carries the environment changes that the guest requested, which are applied all together or not at
 * all. Meanwhile the cell stays at its simulated minute (`guest-turns.ts`). Therefore neither a guest's Lua nor the loss
 * of the worker leaves a cell half changed. Simulated time passes only for running guests, by the time given to `tick`.
 */
import type { MediumFields } from "@bioxen/cell-models";
import {
  type Daughter,
  DriverError,
  type ExecOptions,
  type ExecOutcome,
  Fences,
  type GuestChange,
  type GuestCheckpoint,
  type GuestEvent,
  type GuestSample,
  type GuestSpec,
  type GuestState,
  type GuestStatus,
  type HoldOptions,
  type ResizeOptions,
  type ResumeOptions,
  type StopOptions,
  type TickOptions,
} from "@bioxen/vm-driver";
import {
  type BasicDriverOptions,
  CAPABILITIES,
  type ComputingDriver,
  timeScaleOf,
} from "./basic-driver-options.ts";
import { CellClock } from "./cell-clock.ts";
import { CellGuest, isListed } from "./cell-guest.ts";
import { type Models, modelOf, modelsWith } from "./cell-settings.ts";
import { luaEnvironmentBounds } from "./cell-view.ts";
import { EndsWithDriver } from "./ends-with-driver.ts";
import { checkExec, GuestCalls } from "./guest-calls.ts";
import { GuestCopies } from "./guest-copies.ts";
import { GuestHooks } from "./guest-hooks.ts";
import { GuestRewinds } from "./guest-rewinds.ts";
import { GuestSnapshots } from "./guest-snapshots.ts";
import { GuestTurns } from "./guest-turns.ts";
import { KEEP_TIMEOUT_MS, QUEUE_GRACE_MS } from "./limits.ts";
import { LuaHost } from "./lua-host.ts";
import type { GuestKey } from "./lua-protocol.ts";
import { type Moved, MovedGuests } from "./moved-guests.ts";

/** Returns a driver without guests. Throws `RangeError` if the time scale is out of range. */
export function createBasicDriver(options: BasicDriverOptions = {}): ComputingDriver {
  return new Basic(options);
}

interface Held {
  readonly guest: CellGuest;
  readonly started: Promise<void>;
}

class Basic extends EndsWithDriver implements ComputingDriver {
  readonly capabilities = CAPABILITIES;
  readonly #fences = new Fences();
  readonly #held = new Map<string, Held>();
  readonly #byKey = new Map<GuestKey, CellGuest>();
  readonly #listeners: ((event: GuestEvent) => void)[] = [];
  readonly #clock: CellClock;
  readonly #models: Models;
  readonly #lua: LuaHost;
  readonly #calls: GuestCalls;
  readonly #copies: GuestCopies;
  readonly #turns: GuestTurns;
  readonly #snapshots: GuestSnapshots;
  readonly #rewinds: GuestRewinds;
  readonly #moved = new MovedGuests();
  #nextKey: GuestKey = 1;
  #closed = false;

  constructor(options: BasicDriverOptions) {
    super();
    this.#models = modelsWith(options.models);
    this.#clock = new CellClock(timeScaleOf(options), options.now, options.budgets);
    this.#lua = new LuaHost({
      workerUrl: options.workerUrl,
      onPrinted: (key, lines, leftOut) => {
        const guest = this.#byKey.get(key);
        if (guest === undefined) return;
        for (const line of lines) this.#log(guest, line);
        if (leftOut > 0) this.#log(guest, `… ${leftOut} lines omitted`);
      },
      onLost: (keys, culprit) => {
        const guests = keys.flatMap((key) => this.#byKey.get(key) ?? []);
        return this.#rewinds.lost(guests, culprit === undefined ? undefined : this.#byKey.get(culprit));
      },
    });
    const log = (guest: CellGuest, line: string): void => this.#log(guest, line);
    this.#calls = new GuestCalls({ lua: this.#lua, onStateLost: (guest) => this.#rewinds.begin(guest) });
    const hooks = new GuestHooks({
      call: (guest, work, limits) => this.#calls.call(guest, work, limits),
      log,
    });
    this.#turns = new GuestTurns(this.#clock, hooks, {
      apply: (guest, act) => this.#calls.applyAgain(guest, act),
      execAgain: (guest, act) => this.#calls.execAgain(guest, act),
      emit: (event) => this.#emit(event),
      later: options.later ?? ((body) => void setImmediate(body)),
      acted: (guest) => this.#refreshPoint(guest),
    });
    const [lua, calls, turns] = [this.#lua, this.#calls, this.#turns];
    this.#copies = new GuestCopies({ lua, calls, turns });
    this.#snapshots = new GuestSnapshots(lua, turns);
    this.#rewinds = new GuestRewinds({
      boot: (spec) => this.#boot(spec),
      runProgram: (guest) => this.#runProgram(guest),
      replace: (before, guest) => {
        this.#replace(before, guest);
        this.#turns.goOn(guest);
      },
      failed: (guest) => this.#turns.goOn(guest),
      log,
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
    this.#replace(before, guest);
  }

  #replace(before: CellGuest, guest: CellGuest): void {
    const { vmId } = before.spec;
    if (this.#held.get(vmId)?.guest !== before || !before.isAlive()) {
      this.#end(guest);
      return;
    }
    guest.state = before.state === "paused" ? "paused" : "running";
    this.#held.set(vmId, { guest, started: Promise.resolve() });
    this.#end(before);
  }

  #boot(spec: GuestSpec): CellGuest {
    const guest = CellGuest.boot(spec, this.#nextKey, modelOf(spec.config, this.#models));
    this.#nextKey += 1;
    const { vmId, biologicalType, seed, program } = spec;
    this.#byKey.set(guest.key, guest);
    const identity = { vmId, biologicalType, seed, environmentBounds: luaEnvironmentBounds(guest.model) };
    for (const change of spec.changes ?? []) {
      if (change.simMinute >= guest.cell.simMinutes) guest.expect(change);
    }
    this.#lua.open(guest.key, identity, program, guest.kept);
    return guest;
  }

  async #runProgram(guest: CellGuest): Promise<void> {
    const { program, startsPaused } = guest.spec;
    try {
      if (program !== undefined) await this.#calls.program(guest, program);
      if (guest.state === "starting") guest.state = startsPaused === true ? "paused" : "running";
    } catch (error) {
      this.#end(guest);
      throw error;
    }
  }

  async pause(vmId: string, fence: number): Promise<void> {
    this.#alive(vmId, fence).state = "paused";
  }

  async resume(vmId: string, fence: number, { beyondLastMinute }: ResumeOptions = {}): Promise<void> {
    const guest = this.#alive(vmId, fence);
    if (beyondLastMinute === true) guest.lastMinute = undefined;
    guest.state = "running";
  }

  async stop(vmId: string, fence: number, { graceMs = 0 }: StopOptions = {}): Promise<void> {
    this.#requireOpen();
    const guest = this.#held.get(vmId)?.guest;
    this.#fences.stop(vmId, fence, guest?.spec.fence);
    if (guest === undefined) return;
    if (graceMs > 0) await guest.calls.ended(graceMs);
    if (guest.state !== "ended") this.#end(guest);
  }

  resize(
    vmId: string,
    fence: number,
    allocation: Readonly<Record<string, number>>,
    { endsChanges = false }: ResizeOptions = {},
  ): Promise<void> {
    return this.#turns.act(this.#finder(vmId, fence), KEEP_TIMEOUT_MS, (guest) => {
      this.#calls.apply(guest, { kind: "allocation", allocation });
      if (endsChanges) guest.endAllocationChanges();
    });
  }

  setEnvironment(vmId: string, fence: number, environment: MediumFields): Promise<void> {
    return this.#turns.act(this.#finder(vmId, fence), KEEP_TIMEOUT_MS, (guest) =>
      this.#calls.apply(guest, { kind: "environment", environment }),
    );
  }

  async hold(vmId: string, fence: number, { atMinute, forMs }: HoldOptions): Promise<{ simMinute: number }> {
    return this.#turns.act(this.#finder(vmId, fence), KEEP_TIMEOUT_MS, (guest) => {
      const simMinute = guest.holdAt(atMinute);
      const release = (): void => {
        const present = this.#held.get(vmId)?.guest;
        if (present === undefined || present.spec.fence !== fence) return;
        present.changes.release(simMinute);
        this.#turns.goOn(present);
      };
      setTimeout(release, forMs).unref();
      return { simMinute };
    });
  }

  async change(vmId: string, fence: number, change: GuestChange): Promise<void> {
    const guest = this.#alive(vmId, fence);
    guest.expect(change);
    guest.changes.release(change.simMinute);
    this.#turns.goOn(guest);
  }

  async exec(vmId: string, fence: number, source: string, options: ExecOptions): Promise<ExecOutcome> {
    const find = (): CellGuest => {
      const guest = this.#alive(vmId, fence);
      if (guest.state !== "running") throw new DriverError("INVALID_STATE", `"${vmId}" is ${guest.state}`);
      return guest;
    };
    const { timeoutMs, readOnly = false } = options;
    checkExec(find(), source, options);
    if (readOnly) return this.#copies.exec(find, source, timeoutMs);
    return this.#turns.act(find, timeoutMs + QUEUE_GRACE_MS, (guest) =>
      this.#turns.alone(guest, () => this.#calls.exec(guest, source, timeoutMs)),
    );
  }

  snapshot(vmId: string, fence: number): Promise<GuestCheckpoint> {
    return this.#snapshots.take(this.#finder(vmId, fence));
  }

  daughter(vmId: string, fence: number): Promise<Daughter | undefined> {
    return this.#snapshots.daughter(this.#finder(vmId, fence));
  }

  async daughterTaken(vmId: string, fence: number, division: number): Promise<void> {
    const guest = this.#alive(vmId, fence);
    guest.daughters.taken(division);
    this.#turns.goOn(guest);
  }

  #refreshPoint({ points, journal, cell, spec, followsLua }: CellGuest): void {
    if (!followsLua) return;
    points.refresh(cell.simMinutes, journal.size, () => this.snapshot(spec.vmId, spec.fence));
  }

  takeMoved(): Moved {
    const guests = [...this.#held.values()].map(({ guest }) => guest);
    return this.#moved.take(guests, (guest) => this.#clock.lagMs(guest));
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
    const status = { vmId, fence: guest.spec.fence, state, ...guest.division };
    if (guest.hasEnded()) return { ...status, atLastMinute: true };
    return reason === undefined ? status : { ...status, reason };
  }

  onGuestEvent(listener: (event: GuestEvent) => void): void {
    this.#listeners.push(listener);
  }

  tick(elapsedMs: number, { onlyAtRate }: TickOptions = {}): void {
    // If the clock went backwards, no simulated time passes.
    if (this.#closed || !(elapsedMs > 0)) return;
    this.#rewinds.tick();
    const guests = [...this.#held.values()].map(({ guest }) => guest);
    this.#turns.tick(guests, elapsedMs, onlyAtRate);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { guest } of [...this.#held.values()]) this.#end(guest);
    await this.#lua.close();
  }

  #end(guest: CellGuest): void {
    guest.state = "ended";
    this.#byKey.delete(guest.key);
    if (this.#held.get(guest.spec.vmId)?.guest === guest) this.#held.delete(guest.spec.vmId);
    this.#lua.drop(guest.key);
    guest.noteSettled();
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

  #finder(vmId: string, fence: number): () => CellGuest {
    return () => this.#alive(vmId, fence);
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
