/**
 * A driver without a model, for tests of code that uses a driver.
 *
 * By default the driver works correctly, and is deterministic. `script` makes the next calls of a verb fail in one of
 * the four ways of a real driver. The driver rejects the call (`refuse`), or carries it out only later (`late-effect`).
 * Or the driver carries the call out at once, and replies later (`late-reply`) or never (`lost-reply`). `release` ends
 * the delay of deferred calls and replies. Further faults: `failGuest`, `loseGuest`, `plantGhost`.
 *
 * The driver has no timers, and no background promises for which a test would have to wait.
 */
import type { GuestChange, HoldOptions, ResizeOptions } from "./changes.ts";
import type {
  DriverCapabilities,
  GuestSpec,
  GuestStatus,
  ResumeOptions,
  StopOptions,
  VmDriver,
} from "./driver.ts";
import { DriverError } from "./driver-error.ts";
import type { ExecOptions, ExecOutcome } from "./exec.ts";
import { Fences } from "./fences.ts";
import type { GuestCheckpoint } from "./guest-checkpoint.ts";
import type { GuestEvent } from "./guest-event.ts";
import type { GuestSample } from "./guest-sample.ts";
import type { KeptGuest } from "./remains.ts";
import { scriptedCheckpoint } from "./scripted-checkpoint.ts";
import {
  expectChange,
  type Guest,
  isAtLastMinute,
  newGuest,
  pass,
  sampleOf,
  statusOf,
} from "./scripted-guest.ts";

export type ScriptedVerb = "start" | "pause" | "resume" | "stop" | "resize" | "exec" | "snapshot" | "restart";

export type Behaviour =
  /** The call has no effect and rejects with this error. */
  | { readonly kind: "refuse"; readonly error: DriverError }
  /** The call is carried out and answered only at `release`. Its caller may have given up before. */
  | { readonly kind: "late-effect" }
  /** The call is carried out at once, and answered at `release`. */
  | { readonly kind: "late-reply" }
  /** The call is carried out at once, and never answered. */
  | { readonly kind: "lost-reply" };

export interface ScriptedCall {
  readonly verb: ScriptedVerb;
  readonly vmId: string;
  readonly fence: number;
}

export interface ScriptedOptions {
  readonly capabilities?: Partial<DriverCapabilities>;
  /**
   * The function that answers `exec`; it throws a `DriverError` to reject. Default: the source is returned as the
   * result.
   */
  readonly exec?: (source: string, spec: GuestSpec) => ExecOutcome;
}

export interface ScriptedDriver extends VmDriver {
  /**
   * Applies the fault to the next `times` calls (default 1) of the verb for `vmId`, or for any VM if `vmId` is absent.
   * Several faults apply in the order in which they were added.
   */
  script(verb: ScriptedVerb, behaviour: Behaviour, options?: { vmId?: string; times?: number }): void;
  /**
   * Completes all deferred calls and replies, in order; with `vmId`, only those of this VM. Returns the number of
   * completed calls and replies.
   */
  release(vmId?: string): number;
  /** Every call so far, in order, including rejected ones. */
  readonly calls: readonly ScriptedCall[];
  /** The `graceMs` of every stop so far, in order. */
  readonly graces: readonly (number | undefined)[];
  /** Makes the guest fail, like a guest whose host ended it. */
  failGuest(vmId: string, reason: string): void;
  /** Makes the guest vanish, like a guest whose thread ended. */
  loseGuest(vmId: string): void;
  /** Adds a guest that was not started through this driver, like the leftover of a crashed agent. */
  plantGhost(spec: GuestSpec): void;
  emit(event: GuestEvent): void;
}

interface Planned {
  readonly verb: ScriptedVerb;
  readonly vmId: string | undefined;
  readonly behaviour: Behaviour;
  left: number;
}

/** The clock rate of a scripted guest: one simulated minute per second of the host. */
const SCRIPTED_MINUTES_PER_SECOND = 1;
const MAX_EXEC_TIMEOUT_MS = 60_000;

const CAPABILITIES: DriverCapabilities = {
  vmType: "basic",
  exec: true,
  pause: true,
  liveResize: true,
  snapshot: true,
  lastMinute: true,
  clock: "host",
  keepsStopped: false,
  meters: ["ribosomes", "atpPerSecond", "rnaPolymerases"],
  maxExecTimeoutMs: MAX_EXEC_TIMEOUT_MS,
};

export function createScriptedDriver(options: ScriptedOptions = {}): ScriptedDriver {
  return new Scripted(options);
}

class Scripted implements ScriptedDriver {
  readonly capabilities: DriverCapabilities;
  readonly calls: ScriptedCall[] = [];
  readonly graces: (number | undefined)[] = [];
  readonly #exec: (source: string, spec: GuestSpec) => ExecOutcome;
  readonly #fences = new Fences();
  readonly #guests = new Map<string, Guest>();
  readonly #listeners: ((event: GuestEvent) => void)[] = [];
  readonly #plan: Planned[] = [];
  #held: { readonly vmId: string; readonly go: () => void }[] = [];
  #closed = false;

  constructor(options: ScriptedOptions) {
    this.capabilities = { ...CAPABILITIES, ...options.capabilities };
    this.#exec = options.exec ?? ((source) => ({ result: source, stdout: "", instructions: source.length }));
  }

  start(spec: GuestSpec): Promise<void> {
    return this.#carryOut("start", spec.vmId, spec.fence, () => {
      const held = this.#guests.get(spec.vmId);
      if (this.#fences.start(spec.vmId, spec.fence, held?.spec.fence) === "same") return;
      if (spec.checkpoint !== undefined) this.#require("snapshot");
      this.#guests.set(spec.vmId, newGuest(spec));
    });
  }

  restart(spec: GuestSpec): Promise<void> {
    return this.#carryOut("restart", spec.vmId, spec.fence, () => {
      this.#require("snapshot");
      const { state } = this.#alive(spec.vmId, spec.fence);
      this.#guests.set(spec.vmId, { ...newGuest(spec), state });
    });
  }

  pause(vmId: string, fence: number): Promise<void> {
    return this.#carryOut("pause", vmId, fence, () => {
      this.#require("pause");
      this.#alive(vmId, fence).state = "paused";
    });
  }

  resume(vmId: string, fence: number, { beyondLastMinute = false }: ResumeOptions = {}): Promise<void> {
    return this.#carryOut("resume", vmId, fence, () => {
      this.#require("pause");
      const guest = this.#alive(vmId, fence);
      if (beyondLastMinute) guest.lastMinute = undefined;
      guest.state = "running";
    });
  }

  stop(vmId: string, fence: number, { graceMs }: StopOptions = {}): Promise<void> {
    this.graces.push(graceMs);
    return this.#carryOut("stop", vmId, fence, () => {
      this.#fences.stop(vmId, fence, this.#guests.get(vmId)?.spec.fence);
      this.#guests.delete(vmId);
    });
  }

  resize(
    vmId: string,
    fence: number,
    allocation: Readonly<Record<string, number>>,
    { endsChanges = false }: ResizeOptions = {},
  ): Promise<void> {
    return this.#carryOut("resize", vmId, fence, () => {
      this.#require("liveResize");
      const guest = this.#alive(vmId, fence);
      guest.allocation = { ...allocation };
      if (endsChanges) guest.coming = [];
    });
  }

  /** A scripted guest is not kept at its minute, so a change can come too late for it. */
  async hold(vmId: string, fence: number, { atMinute }: HoldOptions): Promise<{ simMinute: number }> {
    const present = Math.ceil(this.#alive(vmId, fence).simMinutes);
    if (atMinute === undefined || atMinute >= present) return { simMinute: atMinute ?? present };
    throw new DriverError("BAD_REQUEST", `"${vmId}" is beyond minute ${atMinute}`);
  }

  async change(vmId: string, fence: number, change: GuestChange): Promise<void> {
    const guest = this.#alive(vmId, fence);
    const { seq, simMinute } = change;
    if (seq <= guest.changed) return;
    if (simMinute < guest.simMinutes) throw new DriverError("INVALID_STATE", `"${vmId}" is beyond it`);
    guest.changed = seq;
    expectChange(guest, change);
  }

  exec(vmId: string, fence: number, source: string, options: ExecOptions): Promise<ExecOutcome> {
    return this.#carryOut("exec", vmId, fence, () => {
      this.#require("exec");
      const guest = this.#alive(vmId, fence);
      if (guest.state !== "running") throw new DriverError("INVALID_STATE", `"${vmId}" is ${guest.state}`);
      const { timeoutMs, shell = false, readOnly = false } = options;
      if (shell) throw new DriverError("UNSUPPORTED", "a scripted guest has no shell");
      if (readOnly) this.#require("snapshot");
      if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > this.capabilities.maxExecTimeoutMs) {
        throw new DriverError("BAD_REQUEST", `timeoutMs ${timeoutMs} is out of range`);
      }
      const outcome = this.#exec(source, guest.spec);
      if (!readOnly) guest.instructions += outcome.instructions;
      return { simMinute: Math.floor(guest.simMinutes), ...outcome };
    });
  }

  snapshot(vmId: string, fence: number): Promise<GuestCheckpoint> {
    return this.#carryOut("snapshot", vmId, fence, () => {
      this.#require("snapshot");
      const { simMinutes, instructions, spec } = this.#alive(vmId, fence);
      const bytes = scriptedCheckpoint({ scripted: spec.biologicalType, simMinutes, instructions });
      return { bytes, simMinutes: Math.floor(simMinutes) };
    });
  }

  sample(vmId: string): GuestSample | undefined {
    const guest = this.#guests.get(vmId);
    return guest === undefined ? undefined : sampleOf(guest);
  }

  list(): readonly GuestStatus[] {
    return [...this.#guests.values()].map(statusOf).sort((a, b) => (a.vmId < b.vmId ? -1 : 1));
  }

  guest(vmId: string): GuestStatus | undefined {
    const guest = this.#guests.get(vmId);
    return guest === undefined ? undefined : statusOf(guest);
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
    for (const guest of this.#guests.values()) {
      if (guest.state !== "running" || isAtLastMinute(guest)) continue;
      pass(guest, (elapsedMs / 1000) * SCRIPTED_MINUTES_PER_SECOND);
      const { vmId, fence } = guest.spec;
      if (isAtLastMinute(guest)) this.emit({ kind: "changed", vmId, fence });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#guests.clear();
    this.#held = [];
  }

  script(verb: ScriptedVerb, behaviour: Behaviour, options: { vmId?: string; times?: number } = {}): void {
    this.#plan.push({ verb, behaviour, vmId: options.vmId, left: options.times ?? 1 });
  }

  release(vmId?: string): number {
    const due = this.#held.filter((held) => vmId === undefined || held.vmId === vmId);
    this.#held = this.#held.filter((held) => !due.includes(held));
    for (const held of due) held.go();
    return due.length;
  }

  failGuest(vmId: string, reason: string): void {
    const guest = this.#guests.get(vmId);
    if (guest === undefined || guest.state === "failed") return;
    guest.state = "failed";
    guest.reason = reason;
    this.emit({ kind: "failed", vmId, fence: guest.spec.fence, reason });
  }

  loseGuest(vmId: string): void {
    const fence = this.#guests.get(vmId)?.spec.fence;
    if (fence !== undefined && this.#guests.delete(vmId)) this.emit({ kind: "changed", vmId, fence });
  }

  plantGhost(spec: GuestSpec): void {
    this.#guests.set(spec.vmId, newGuest(spec));
  }

  emit(event: GuestEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #carryOut<T>(verb: ScriptedVerb, vmId: string, fence: number, effect: () => T): Promise<T> {
    this.calls.push({ verb, vmId, fence });
    const behaviour = this.#behaviourOf(verb, vmId);
    if (behaviour?.kind === "refuse") return Promise.reject(behaviour.error);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const attempt = (answer: (reply: () => void) => void): void => {
      try {
        if (this.#closed) throw new DriverError("UNAVAILABLE", "the driver is closed");
        const value = effect();
        answer(() => resolve(value));
      } catch (error) {
        answer(() => reject(error));
      }
    };
    if (behaviour === undefined) attempt((reply) => reply());
    else if (behaviour.kind === "lost-reply") attempt(() => {});
    else if (behaviour.kind === "late-reply") attempt((reply) => this.#held.push({ vmId, go: reply }));
    else this.#held.push({ vmId, go: () => attempt((reply) => reply()) });
    return promise;
  }

  #behaviourOf(verb: ScriptedVerb, vmId: string): Behaviour | undefined {
    const index = this.#plan.findIndex((p) => p.verb === verb && (p.vmId ?? vmId) === vmId);
    const planned = this.#plan[index];
    if (planned === undefined) return undefined;
    planned.left -= 1;
    if (planned.left === 0) this.#plan.splice(index, 1);
    return planned.behaviour;
  }

  #alive(vmId: string, fence: number): Guest {
    const guest = this.#guests.get(vmId);
    this.#fences.touch(vmId, fence, guest?.spec.fence);
    if (guest === undefined || guest.state === "failed") {
      throw new DriverError("INVALID_STATE", `"${vmId}" has failed`);
    }
    return guest;
  }

  #require(capability: "exec" | "pause" | "liveResize" | "snapshot"): void {
    if (this.capabilities[capability]) return;
    throw new DriverError("UNSUPPORTED", `this driver has no ${capability}`);
  }
}
