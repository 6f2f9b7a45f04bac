/**
 * One guest of the basic driver: its cell, its state, and the pending calls of its hooks. This file runs no Lua.
 *
 * Everything that changes the cell acts at a simulated minute. At the end of a minute the cell is held until its hooks
 * for this minute have ended; calls from outside follow them, still at this minute.
 */
import type { CellAllocation, HostedCell, HostedModel } from "@bioxen/cell-models";
import { messageOf } from "@bioxen/kernel";
import {
  DriverError,
  type GuestChange,
  type GuestSample,
  type GuestSpec,
  type GuestState,
  type GuestStatus,
} from "@bioxen/vm-driver";
import { CallsUnderWay } from "./calls-under-way.ts";
import type { Clocked } from "./cell-clock.ts";
import { bootOptionsOf } from "./cell-settings.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { GuestChanges } from "./guest-changes.ts";
import { GuestCourse } from "./guest-course.ts";
import { GuestDaughters } from "./guest-daughters.ts";
import { type Act, actOf, GuestJournal, type JournalEntry, RestartPoints, withAct } from "./guest-journal.ts";
import type { HookName } from "./lua-guest.ts";
import type { KeptLua } from "./lua-kept.ts";
import type { GuestKey } from "./lua-protocol.ts";
import { startMessageTimer } from "./message-timer.ts";
import { badRequestUnless } from "./model-errors.ts";
import { checkSource } from "./source-limit.ts";

/** A call of a hook that the guest has not had yet, with its argument. */
export interface DueHook {
  readonly name: HookName;
  readonly argument: number;
}

export class CellGuest implements Clocked {
  readonly spec: GuestSpec;
  readonly key: GuestKey;
  readonly cell: HostedCell;
  readonly model: HostedModel;
  #lastSample: GuestSample | undefined;
  #unmeasurable: unknown;
  /**
   * State of the guest. `starting`: the guest's program runs, the guest is not listed yet, and no simulated time
   * passes. `ended`: the guest was stopped or replaced.
   */
  state: GuestState | "starting" | "ended" = "starting";
  reason: string | undefined;
  isFailureReported = false;
  owedMinutes = 0;
  luaInstructions = 0;
  /** The hook functions that the guest had defined at the end of its last call. */
  hooks: readonly HookName[] = [];
  hooksOff = false;
  hookErrorsInARow = 0;
  hookUnderWay = false;
  readonly calls = new CallsUnderWay();
  /** Number of calls from outside that wait for the guest or act on it; the cell stays at its minute until they end. */
  holds = 0;
  /** The guest has lost its Lua state and will be replaced by one that continues from its restart point. */
  isRewinding = false;
  isReplaying = false;
  /** A program of a user runs in the guest; nothing else acts on it meanwhile. */
  programUnderWay = false;
  /** Number of Lua workers that the guest has blocked. */
  workersLost = 0;
  /** Whether the program has hooks, so that the course of the cell follows from the Lua state. */
  followsLua = false;
  readonly points: RestartPoints;
  readonly journal = new GuestJournal();
  /** What has to act on the guest at a coming minute: changes, and what had acted before the guest went back. */
  replay: readonly JournalEntry[] = [];
  readonly changes = new GuestChanges();
  readonly daughters = new GuestDaughters();
  readonly atMax: boolean;
  /** The last minute of the guest; undefined: it has none. */
  lastMinute: number | undefined;
  isEndReported = false;
  /** Divisions up to this minute have been reported before the guest went back. */
  reportedMinutes = 0;
  /** The recorded time course; undefined if the guest records nothing. */
  readonly course: GuestCourse | undefined;
  readonly #waiting: (() => void)[] = [];
  /** Simulated minutes that the next call of `on_minute` will report. */
  minutesForHook = 0;
  divisionsForHook = 0;
  /** Cell divisions that the next `divided` event will report. */
  divisionsToReport = 0;

  private constructor(
    spec: GuestSpec,
    key: GuestKey,
    model: HostedModel,
    cell: HostedCell,
    kept: KeptLua | null,
  ) {
    this.model = model;
    this.spec = spec;
    this.key = key;
    this.cell = cell;
    this.kept = kept;
    const { checkpoint, allocation, record } = spec;
    this.lastMinute = spec.lastMinute;
    this.atMax = spec.timeScale === "max";
    this.course = GuestCourse.of(record, model, cell);
    this.daughters.follow(cell, spec);
    this.points = new RestartPoints({ checkpoint, allocation, simMinutes: cell.simMinutes });
  }

  /** The stored Lua state that the guest starts with; null if there is none. */
  readonly kept: KeptLua | null;

  /**
   * Returns a guest with a new cell, or with the cell of the spec's checkpoint. Throws `BAD_REQUEST` with every problem
   * of the spec, or `TOO_LARGE`.
   */
  static boot(spec: GuestSpec, key: GuestKey, model: HostedModel): CellGuest {
    if (spec.program !== undefined) checkSource(spec.program);
    const options = bootOptionsOf(spec, model);
    if (spec.checkpoint !== undefined) return CellGuest.#goOn(spec, key, model, spec.checkpoint);
    const cell = badRequestUnless(() => model.boot(options));
    const guest = new CellGuest(spec, key, model, cell, null);
    guest.course?.observe(cell);
    return guest;
  }

  static #goOn(spec: GuestSpec, key: GuestKey, model: HostedModel, bytes: Uint8Array): CellGuest {
    const { checkpoint, cell } = openCheckpoint(bytes, spec, model);
    const guest = new CellGuest(spec, key, model, cell, checkpoint.lua);
    guest.changes.restore(checkpoint.changed ?? [], checkpoint.programs ?? 0, cell.simMinutes);
    guest.resize(guest.changes.allocationOf(spec, cell.simMinutes));
    guest.points.take({ checkpoint: bytes, allocation: cell.allocation, simMinutes: cell.simMinutes });
    guest.owedMinutes = guest.isAtLastMinute() || guest.atMax ? 0 : checkpoint.owedMinutes;
    guest.luaInstructions = checkpoint.luaInstructions;
    guest.hooksOff = checkpoint.hooks.off;
    guest.hookErrorsInARow = checkpoint.hooks.errorsInARow;
    guest.minutesForHook = checkpoint.hooks.minutes;
    guest.divisionsForHook = checkpoint.hooks.divisions;
    return guest;
  }

  isRunning(): boolean {
    return this.state === "running" && !this.isAtLastMinute();
  }

  isAtLastMinute(): boolean {
    return this.lastMinute !== undefined && this.cell.simMinutes >= this.lastMinute;
  }

  /** Returns true if the guest stays at its last minute, and everything of this minute has acted. */
  hasEnded(): boolean {
    return this.isAlive() && this.isAtLastMinute() && this.isSettled();
  }

  /** Returns true if the guest runs or is paused. */
  isAlive(): boolean {
    return this.state === "running" || this.state === "paused";
  }

  /** The part of its status about a division whose second daughter was not taken yet. */
  get division(): Pick<GuestStatus, "dividing"> {
    return this.isAlive() && this.daughters.isWaiting ? { dividing: true } : {};
  }

  isHeld(): boolean {
    if (this.holds > 0 || this.daughters.isWaiting) return true;
    return !this.isSettled() || this.changes.isHeldAt(this.cell.simMinutes);
  }

  /** Returns true if no hook, no program and nothing that acts again is due or under way at the present minute. */
  isSettled(): boolean {
    return this.isFree() && this.hookDue() === undefined && this.replayDue() === undefined;
  }

  /** Returns true if nothing acts on the guest now. */
  isFree(): boolean {
    return !(this.hookUnderWay || this.isRewinding || this.isReplaying || this.programUnderWay);
  }

  /** Returns the next hook call of the present minute; undefined if there is none. */
  hookDue(): DueHook | undefined {
    if (this.hooksOff) return undefined;
    const [divisions, minutes] = [this.divisionsForHook, this.minutesForHook];
    if (divisions > 0 && this.hooks.includes("on_division")) {
      return { name: "on_division", argument: divisions };
    }
    if (minutes > 0 && this.hooks.includes("on_minute")) return { name: "on_minute", argument: minutes };
    return undefined;
  }

  /** Notes that the hook has had its call. */
  hookDone(name: HookName): void {
    if (name === "on_division") this.divisionsForHook = 0;
    else this.minutesForHook = 0;
  }

  replayDue(): JournalEntry | undefined {
    const next = this.replay[0];
    return next !== undefined && next.minute <= this.cell.simMinutes ? next : undefined;
  }

  /** Returns the next act of {@link replay} that is due, and removes it; undefined if there is none. */
  takeReplayDue(): Act | undefined {
    const next = this.replayDue();
    if (next !== undefined) this.replay = this.replay.slice(1);
    return next?.act;
  }

  /** Resolves once the guest is settled or has ended, at the latest after `withinMs`, ms. Returns whether it did. */
  async settled(withinMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = startMessageTimer(withinMs, () => resolve(false));
    this.#waiting.push(() => resolve(true));
    const isSettled = await promise;
    timer.cancel();
    return isSettled;
  }

  /** Ends the waits of {@link settled} if the guest is settled or has ended. */
  noteSettled(): void {
    if (this.isAlive() && !this.isSettled()) return;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Ends the guest because of the reason. */
  fail(reason: string): void {
    this.state = "failed";
    this.reason = reason;
  }

  /** Computes one simulated minute of the cell. If the cell cannot be computed, the guest fails. */
  liveQuantum(): void {
    let divisions: number;
    try {
      if (this.#unmeasurable !== undefined) throw this.#unmeasurable;
      divisions = this.cell.advance(1);
      this.course?.observe(this.cell);
    } catch (error) {
      this.fail(messageOf(error));
      return;
    }
    // No time is owed that the guest will not compute.
    if (this.isAtLastMinute()) this.owedMinutes = 0;
    // A hook that is defined later gets no minutes from before.
    this.minutesForHook = this.hooks.includes("on_minute") ? 1 : 0;
    this.divisionsForHook = this.hooks.includes("on_division") ? divisions : 0;
    if (this.cell.simMinutes > this.reportedMinutes) this.divisionsToReport += divisions;
  }

  resize(allocation: CellAllocation): void {
    badRequestUnless(() => this.cell.setAllocation(allocation));
  }

  /** Lets the act change the cell at its present minute. Throws `BAD_REQUEST`; the cell is then unchanged. */
  apply(act: Exclude<Act, { kind: "exec" }>): void {
    const { cell } = this;
    if (act.kind === "allocation") this.resize(act.allocation);
    else if (act.kind === "environment") badRequestUnless(() => cell.setEnvironment(act.environment));
    else {
      const { seq, allocation, environment } = act;
      this.changes.acted(seq, cell.simMinutes);
      if (allocation !== undefined) this.resize(allocation);
      if (environment !== undefined)
        badRequestUnless(() => cell.setEnvironment({ ...cell.environment, ...environment }));
    }
  }

  /**
   * Lets the change act when the guest reaches its minute, unless the guest has got it. Throws `INVALID_STATE` if the guest
   * is beyond the minute.
   */
  expect(change: GuestChange): void {
    const { seq, simMinute } = change;
    const present = this.cell.simMinutes;
    if (this.changes.has(seq)) return;
    const hasRun = this.changes.hasRun(change, present);
    if (simMinute < present || (!hasRun && this.changes.isBeyond(change, present))) {
      throw new DriverError("INVALID_STATE", `"${this.spec.vmId}" is beyond minute ${simMinute}`);
    }
    this.changes.take(seq);
    if (!hasRun) this.replay = withAct(this.replay, { minute: simMinute, act: actOf(change) });
  }

  /** Keeps the guest at this minute, or at its present one, and returns it. Throws `BAD_REQUEST` if it is beyond the minute. */
  holdAt(atMinute: number | undefined): number {
    const { simMinutes } = this.cell;
    const simMinute = atMinute ?? simMinutes;
    if (simMinute < simMinutes) {
      const message = `"${this.spec.vmId}" is at minute ${simMinutes}, beyond ${simMinute}`;
      throw new DriverError("BAD_REQUEST", message);
    }
    this.changes.hold(simMinute);
    return simMinute;
  }

  /** Drops the changes of the allocation that the guest has got for coming minutes. */
  endAllocationChanges(): void {
    this.replay = this.replay.filter(({ act }) => act.kind !== "change" || act.allocation === undefined);
  }

  /** Makes this checkpoint, which is of the present moment, the state to which the guest can go back. */
  restartFrom(checkpoint: Uint8Array): void {
    const { allocation, simMinutes } = this.cell;
    this.points.take({ checkpoint, allocation, simMinutes });
    this.journal.clear();
  }

  /**
   * Returns a sample of the cell's present state. If the cell cannot be measured, returns the last sample; the guest
   * then fails at its next simulated minute.
   */
  sample(lagMs: number): GuestSample | undefined {
    try {
      const { ribosomalMassFraction: _, ...sample } = this.cell.sample();
      this.#lastSample = { ...sample, luaInstructions: this.luaInstructions, lagMs };
    } catch (error) {
      this.#unmeasurable = error;
    }
    return this.#lastSample;
  }
}

/** Returns true if the guest is listed: its start is complete, and it has not ended. */
export function isListed(guest: CellGuest): guest is CellGuest & { state: GuestState } {
  return guest.state !== "starting" && guest.state !== "ended";
}
