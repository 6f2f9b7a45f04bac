/**
 * The basic driver with its cells in threads of their own: each thread runs a basic driver for a part of the guests.
 *
 * This object keeps what an agent asks for at once: which guests there are, their states and their samples, as the
 * threads last reported them. A thread reports a guest with each answer and with each change of its state, and all
 * samples after each tick. What a guest does is the same in every thread, so its course does not depend on their number.
 *
 * When a thread ends, its guests are gone, and each is reported as changed: the agent starts them from their checkpoints.
 */
import { type MediumFields, WEISSE } from "@bioxen/cell-models";
import { invariant } from "@bioxen/kernel";
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
  type GuestStatus,
  type HoldOptions,
  type ResizeOptions,
  type ResumeOptions,
  type StopOptions,
  type TickOptions,
} from "@bioxen/vm-driver";
import { type BasicDriver, CAPABILITIES, timeScaleOf } from "./basic-driver-options.ts";
import { modelNameOf } from "./cell-settings.ts";
import { CellThreadHost } from "./cell-thread-host.ts";
import type { CellArguments, CellCall, CellResult, GuestNow, Outputs } from "./cell-thread-protocol.ts";
import { EndsWithDriver } from "./ends-with-driver.ts";
import { type CellBudgets, GUESTS_BEFORE_NEXT_THREAD, OWN_THREAD_BUDGETS } from "./limits.ts";
import { ROW_LENGTH, sampleOf } from "./sample-row.ts";

export interface ThreadedDriverOptions {
  /**
   * Number of threads that compute the cells of one model, 1 or more. Each is started when it gets its first guest, and
   * computes no other model, so that a model that never returns stops only its own guests.
   */
  readonly threads: number;
  /** Models beside the built-in one: the name of each, and the URL of the module that exports it as `cellModel`. */
  readonly models?: readonly ThreadModel[] | undefined;
  /** Time scale, as of `createBasicDriver`. */
  readonly timeScaleMinutesPerSecond?: number | undefined;
  /** Times that the cells of each thread may spend; default: those of a thread without other work. */
  readonly budgets?: CellBudgets | undefined;
  /** Called when a thread has ended by itself, with the reason and the number of guests that it had. */
  readonly onLost?: ((why: string, guests: number) => void) | undefined;
  /** Time without an answer after which a thread is ended, ms. Default: 30 s. */
  readonly silentMs?: number | undefined;
  /** URL of a script that replaces the one of a thread, for tests. */
  readonly threadUrl?: URL | undefined;
}

/**
 * Returns a driver without guests. Throws `RangeError` if the time scale or the number of threads is out of range.
 */
export function createThreadedDriver(options: ThreadedDriverOptions): BasicDriver {
  return new Threaded(options);
}

export interface ThreadModel {
  readonly name: string;
  readonly url: string;
}

interface Thread {
  /** Name of the model that the thread computes. */
  readonly model: string;
  readonly host: CellThreadHost;
  /** The ids of its guests, also of those that are starting. */
  readonly vmIds: Set<string>;
}

/** A guest as its thread last reported it. */
interface Held {
  readonly thread: Thread;
  fence: number;
  readonly atMax: boolean;
  /** The start that is under way or was the last one; undefined if an earlier guest went on after a failed start. */
  started: Promise<void> | undefined;
  isStarting: boolean;
  status: GuestStatus | undefined;
  sample: { readonly rows: Float64Array; readonly offset: number; readonly outputs: Outputs } | undefined;
}

class Threaded extends EndsWithDriver implements BasicDriver {
  readonly capabilities = CAPABILITIES;
  readonly #fences = new Fences();
  readonly #threads: readonly Thread[];
  readonly #held = new Map<string, Held>();
  readonly #listeners: ((event: GuestEvent) => void)[] = [];
  readonly #msPerMinute: number;
  #closed = false;

  constructor(options: ThreadedDriverOptions) {
    super();
    const { threads, timeScaleMinutesPerSecond, budgets = OWN_THREAD_BUDGETS, onLost } = options;
    const { silentMs, threadUrl } = options;
    if (!Number.isSafeInteger(threads) || threads < 1) {
      throw new RangeError(`${threads} threads are out of range: it must be an integer of at least 1`);
    }
    const timeScale = timeScaleOf({ timeScaleMinutesPerSecond });
    this.#msPerMinute = 1_000 / timeScale;
    const make = (model: string, modelUrl?: string) => (): Thread => {
      const vmIds = new Set<string>();
      const host: CellThreadHost = new CellThreadHost(
        { timeScaleMinutesPerSecond: timeScale, budgets, modelUrl },
        {
          silentMs,
          threadUrl,
          onGuest: (...now) => this.#note(host, ...now),
          onEvent: (event) => this.#emit(event),
          onSamples: (...samples) => this.#noteSamples(host, ...samples),
          onLost: (why) => {
            onLost?.(why, vmIds.size);
            this.#forget(vmIds);
          },
        },
      );
      return { model, host, vmIds };
    };
    this.#threads = [
      make(WEISSE.name),
      ...(options.models ?? []).map(({ name, url }) => make(name, url)),
    ].flatMap((one) => Array.from({ length: threads }, one));
  }

  async start(spec: GuestSpec): Promise<void> {
    this.#requireOpen();
    const { vmId, fence } = spec;
    const before = this.#held.get(vmId);
    if (this.#fences.start(vmId, fence, before?.fence) === "same") return before?.started;
    const model = modelNameOf(spec.config);
    const thread = before?.thread.model === model ? before.thread : this.#nextThread(model);
    if (before !== undefined && before.thread !== thread) this.#leave(before, vmId);
    const atMax = spec.timeScale === "max";
    const held: Held = {
      thread,
      fence,
      atMax,
      started: undefined,
      isStarting: true,
      status: undefined,
      sample: undefined,
    };
    this.#held.set(vmId, held);
    thread.vmIds.add(vmId);
    held.started = thread.host.call(vmId, "start", [spec]);
    await held.started;
  }

  restart(spec: GuestSpec): Promise<void> {
    return this.#call("restart", spec.vmId, spec.fence, [spec]);
  }

  pause(vmId: string, fence: number): Promise<void> {
    return this.#call("pause", vmId, fence, [vmId, fence]);
  }

  resume(vmId: string, fence: number, options: ResumeOptions = {}): Promise<void> {
    return this.#call("resume", vmId, fence, [vmId, fence, options]);
  }

  async stop(vmId: string, fence: number, options: StopOptions = {}): Promise<void> {
    this.#requireOpen();
    const held = this.#held.get(vmId);
    this.#fences.stop(vmId, fence, held?.fence);
    if (held !== undefined) await held.thread.host.call(vmId, "stop", [vmId, fence, options]);
  }

  resize(
    vmId: string,
    fence: number,
    allocation: Readonly<Record<string, number>>,
    options: ResizeOptions = {},
  ): Promise<void> {
    return this.#call("resize", vmId, fence, [vmId, fence, allocation, options]);
  }

  setEnvironment(vmId: string, fence: number, environment: MediumFields): Promise<void> {
    return this.#call("setEnvironment", vmId, fence, [vmId, fence, environment]);
  }

  hold(vmId: string, fence: number, options: HoldOptions): Promise<{ readonly simMinute: number }> {
    return this.#call("hold", vmId, fence, [vmId, fence, options]);
  }

  change(vmId: string, fence: number, change: GuestChange): Promise<void> {
    return this.#call("change", vmId, fence, [vmId, fence, change]);
  }

  exec(vmId: string, fence: number, source: string, options: ExecOptions): Promise<ExecOutcome> {
    return this.#call("exec", vmId, fence, [vmId, fence, source, options]);
  }

  snapshot(vmId: string, fence: number): Promise<GuestCheckpoint> {
    return this.#call("snapshot", vmId, fence, [vmId, fence]);
  }

  daughter(vmId: string, fence: number): Promise<Daughter | undefined> {
    return this.#call("daughter", vmId, fence, [vmId, fence]);
  }

  daughterTaken(vmId: string, fence: number, division: number): Promise<void> {
    return this.#call("daughterTaken", vmId, fence, [vmId, fence, division]);
  }

  sample(vmId: string): GuestSample | undefined {
    const held = this.#held.get(vmId);
    if (held?.sample === undefined) return undefined;
    const { rows, offset, outputs } = held.sample;
    const sample = { ...sampleOf(rows, offset), ...(outputs === undefined ? {} : { outputs }) };
    if (held.status?.state !== "running" || held.status.atLastMinute === true || held.atMax) return sample;
    // Host time that the thread has not computed yet is lag as well, in whole minutes.
    const minutes = Math.floor(held.thread.host.behindMs / this.#msPerMinute);
    return { ...sample, lagMs: sample.lagMs + minutes * this.#msPerMinute };
  }

  list(): readonly GuestStatus[] {
    const statuses = [...this.#held.values()].flatMap(({ status }) => status ?? []);
    return statuses.sort((a, b) => (a.vmId < b.vmId ? -1 : 1));
  }

  guest(vmId: string): GuestStatus | undefined {
    return this.#held.get(vmId)?.status;
  }

  onGuestEvent(listener: (event: GuestEvent) => void): void {
    this.#listeners.push(listener);
  }

  tick(elapsedMs: number, { onlyAtRate = false }: TickOptions = {}): void {
    // If the clock went backwards, no simulated time passes.
    if (this.#closed || !(elapsedMs > 0)) return;
    for (const { host } of this.#threads) host.tick(elapsedMs, onlyAtRate);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#held.clear();
    await Promise.all(this.#threads.map(({ host }) => host.close()));
  }

  async #call<Call extends CellCall>(
    method: Call,
    vmId: string,
    fence: number,
    args: CellArguments<Call>,
  ): Promise<CellResult<Call>> {
    this.#requireOpen();
    const held = this.#held.get(vmId);
    this.#fences.touch(vmId, fence, held?.fence);
    if (held === undefined) throw new DriverError("GUEST_NOT_FOUND", `no guest "${vmId}" runs here`);
    return held.thread.host.call(vmId, method, args);
  }

  /**
   * Returns the thread for a new guest of the model: the one with the fewest, or a further one once all have some. Throws
   * `UNSUPPORTED` for a model that no thread computes.
   */
  #nextThread(model: string): Thread {
    const threads = this.#threads.filter((one) => one.model === model);
    if (threads.length === 0) {
      const known = [...new Set(this.#threads.map((one) => one.model))].join(", ");
      throw new DriverError("UNSUPPORTED", `there is no model ${model} here: use ${known}`);
    }
    const started = threads.filter(({ vmIds, host }) => vmIds.size > 0 || host.isStarted);
    const [least] = started.toSorted((one, other) => one.vmIds.size - other.vmIds.size);
    if (least !== undefined && least.vmIds.size < GUESTS_BEFORE_NEXT_THREAD) return least;
    const next = threads.find((thread) => !started.includes(thread)) ?? least;
    invariant(next !== undefined, "the driver has a thread");
    return next;
  }

  /** Ends a guest whose successor is in another thread. */
  #leave({ thread, fence }: Held, vmId: string): void {
    thread.vmIds.delete(vmId);
    // If the call fails, the thread has ended, and the guest with it.
    thread.host.call(vmId, "stop", [vmId, fence, {}]).catch(() => undefined);
  }

  /** Takes over what a thread reports of a guest. */
  #note(
    host: CellThreadHost,
    vmId: string,
    { status, sample, outputs }: GuestNow,
    startFence?: number,
  ): void {
    const held = this.#held.get(vmId);
    if (held?.thread.host !== host) return;
    // A message about the guest before, during the start of the next one.
    if (held.isStarting && startFence !== held.fence && status?.fence !== held.fence) return;
    this.#settle(held, vmId, status);
    held.sample = sample && { rows: sample, offset: 0, outputs };
  }

  #settle(held: Held, vmId: string, status: GuestStatus | undefined): void {
    if (status === undefined) {
      this.#held.delete(vmId);
      held.thread.vmIds.delete(vmId);
      return;
    }
    held.isStarting = false;
    held.fence = status.fence;
    held.status = status;
  }

  #noteSamples(
    host: CellThreadHost,
    vmIds: readonly string[],
    rows: Float64Array,
    outputs: Readonly<Record<string, Outputs>>,
  ): void {
    for (const [index, vmId] of vmIds.entries()) {
      const held = this.#held.get(vmId);
      if (held?.thread.host === host && held.status !== undefined)
        held.sample = { rows, offset: index * ROW_LENGTH, outputs: outputs[vmId] };
    }
  }

  /** Forgets the guests of a thread that has ended, and tells of each. */
  #forget(vmIds: Set<string>): void {
    const lost = [...vmIds].flatMap((vmId) => {
      const held = this.#held.get(vmId);
      this.#held.delete(vmId);
      return held === undefined ? [] : [{ vmId, fence: held.fence }];
    });
    vmIds.clear();
    for (const { vmId, fence } of lost) this.#emit({ kind: "changed", vmId, fence });
  }

  #requireOpen(): void {
    if (this.#closed) throw new DriverError("UNAVAILABLE", "the driver is closed");
  }

  #emit(event: GuestEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
