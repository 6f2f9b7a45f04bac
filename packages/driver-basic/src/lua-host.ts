/**
 * The agent's side of the Lua worker: it sends calls, monitors the worker, and replaces a worker that blocks.
 *
 * The limits inside the worker end every guest whose instructions Lua can count. The remaining risk is a single
 * instruction that runs for very long. The shared heartbeat counter then stops, and after two seconds the worker is
 * ended. The current call gets `GUEST_TIMEOUT`, other started calls get `UNAVAILABLE`, and calls that had not started
 * are sent to the next worker. Every guest loses its Lua globals, so its program runs again before its next call. The
 * Lua of a guest that blocks three workers is switched off. Cells are in this thread. A cell whose course depends on its
 * Lua goes back with it: `onLost`.
 *
 * The worker starts with the first call, so an agent whose guests use no Lua has no worker.
 */
import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { DriverError } from "@bioxen/vm-driver";
import {
  DEFAULT_EXEC_TIMEOUT_MS,
  KEEP_TIMEOUT_MS,
  MAX_EXEC_INSTRUCTIONS,
  MAX_QUEUED_EXECS,
  MAX_WORKERS_LOST_PER_GUEST,
  QUEUE_GRACE_MS,
  WATCHDOG_INTERVAL_MS,
  WATCHDOG_SILENT_LOOKS,
  WORKER_END_MS,
  WORKER_HEAP_MB,
  WORKER_START_MS,
} from "./limits.ts";
import type { CallLimits } from "./lua-call.ts";
import type { GuestIdentity, Work } from "./lua-guest.ts";
import type { KeptLua } from "./lua-kept.ts";
import {
  type CallId,
  type CallReport,
  type FromWorker,
  type GuestKey,
  type OpenGuest,
  SIGNAL,
  SIGNAL_BYTES,
  type ToWorker,
  type WorkerData,
} from "./lua-protocol.ts";
import { startLuaThread } from "./lua-thread.ts";
import { type MessageTimer, startMessageTimer } from "./message-timer.ts";

export interface LuaHostOptions {
  readonly onPrinted: (key: GuestKey, lines: readonly string[], leftOut: number) => void;
  /**
   * Called when a worker was lost, with the guests whose Lua state it had and the guest that it was running. Returns the
   * guests that shall not go on with the state of their last checkpoint: their calls fail as `UNAVAILABLE`.
   */
  readonly onLost?: (keys: readonly GuestKey[], culprit: GuestKey | undefined) => ReadonlySet<GuestKey>;
  /** URL of a script that replaces the Lua worker, for tests. */
  readonly workerUrl?: URL | undefined;
}

export interface CallRequest {
  readonly work: Work;
  readonly view: unknown;
  readonly limits: CallLimits;
}

interface Pending {
  readonly key: GuestKey;
  readonly request: CallRequest;
  readonly settle: (report: CallReport) => void;
  readonly fail: (error: DriverError) => void;
  /** Fails the call if it does not start in time. It runs while a worker is ready: a new worker's start is not counted. */
  timer: MessageTimer | undefined;
  started: boolean;
  /**
   * Number of times that the call was sent to a worker. After {@link MAX_SENDS} times without a start, the call fails.
   */
  sends: number;
}

interface Tenancy {
  open: OpenGuest;
  /** True if the current worker has received this guest. */
  known: boolean;
  everKnown: boolean;
  workersLost: number;
}

const PROGRAM_LIMITS: CallLimits = {
  instructions: MAX_EXEC_INSTRUCTIONS,
  timeoutMs: DEFAULT_EXEC_TIMEOUT_MS,
};
const MAX_SENDS = 2;
const STARTING_LOOKS = WORKER_START_MS / WATCHDOG_INTERVAL_MS;

export class LuaHost {
  readonly #options: LuaHostOptions;
  readonly #tenancies = new Map<GuestKey, Tenancy>();
  readonly #pending = new Map<CallId, Pending>();
  #worker: Worker | undefined;
  #signals = new Int32Array(new SharedArrayBuffer(SIGNAL_BYTES));
  #ready = false;
  #nextCall: CallId = 1;
  #watchdog: NodeJS.Timeout | undefined;
  #lastBeat = 0;
  #silentLooks = 0;
  #closed = false;

  constructor(options: LuaHostOptions) {
    this.#options = options;
  }

  /** Registers a guest. Its program is not run now, but stored for a repeated run after a loss of the worker. */
  open(key: GuestKey, identity: GuestIdentity, program: string | undefined, kept: KeptLua | null): void {
    const limits = PROGRAM_LIMITS;
    const open: OpenGuest = { kind: "open", key, identity, program, kept, again: false, limits };
    this.#tenancies.set(key, { open, known: false, everKnown: false, workersLost: 0 });
  }

  /** Removes a guest and ends its calls with `INVALID_STATE`. */
  drop(key: GuestKey): void {
    const tenancy = this.#tenancies.get(key);
    this.#tenancies.delete(key);
    if (tenancy?.known === true) this.#worker?.postMessage({ kind: "drop", key } satisfies ToWorker);
    for (const [call, pending] of this.#pending) {
      if (pending.key !== key) continue;
      this.#take(call)?.fail(new DriverError("INVALID_STATE", "the guest was stopped during the call"));
    }
  }

  /**
   * Runs work in the guest's Lua. Resolves with the report of the call, even if the guest's code failed.
   *
   * Rejects with `UNAVAILABLE` if the work did not run to its end: the queue is full, the worker is missing or was
   * lost, or the timeout passed in the queue.
   */
  call(key: GuestKey, request: CallRequest): Promise<CallReport> {
    const tenancy = this.#tenancies.get(key);
    if (this.#closed || tenancy === undefined) {
      return Promise.reject(new DriverError("UNAVAILABLE", "the guest's Lua is closed"));
    }
    if (tenancy.workersLost >= MAX_WORKERS_LOST_PER_GUEST) {
      return Promise.resolve(lostReport("GUEST_ERROR", SWITCHED_OFF));
    }
    const waiting = [...this.#pending.values()].filter((pending) => pending.key === key).length;
    if (waiting >= MAX_QUEUED_EXECS) {
      return Promise.reject(new DriverError("UNAVAILABLE", `${waiting} calls of this guest wait already`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<CallReport>();
    const call = this.#nextCall;
    this.#nextCall += 1;
    const rest = { timer: undefined, started: false, sends: 0 };
    this.#pending.set(call, { key, request, settle: resolve, fail: reject, ...rest });
    this.#send(call);
    if (this.#ready) this.#limitWait(call);
    return promise;
  }

  /**
   * Returns the parts of the guest's Lua state that a checkpoint stores; null if the guest never ran Lua. The state is
   * read after all calls that were sent before.
   *
   * Rejects with `GUEST_ERROR` or `TOO_LARGE` if the guest's `state` cannot be stored, otherwise as `call` does.
   */
  async keep(key: GuestKey, view: unknown): Promise<KeptLua | null> {
    const tenancy = this.#tenancies.get(key);
    // The guest ran no Lua since it was opened, or its Lua is switched off.
    const isAtRest =
      tenancy?.everKnown === false || (tenancy?.workersLost ?? 0) >= MAX_WORKERS_LOST_PER_GUEST;
    if (tenancy !== undefined && isAtRest) return tenancy.open.kept;
    const limits = { instructions: MAX_EXEC_INSTRUCTIONS, timeoutMs: KEEP_TIMEOUT_MS };
    const { outcome } = await this.call(key, { work: { kind: "keep" }, view, limits });
    if (!outcome.ok) throw new DriverError(outcome.code, outcome.message);
    const kept = outcome.result as KeptLua;
    if (tenancy !== undefined) tenancy.open = { ...tenancy.open, kept };
    return kept;
  }

  /** Ends all calls and the worker. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const key of [...this.#tenancies.keys()]) this.drop(key);
    clearInterval(this.#watchdog);
    const worker = this.#detach();
    if (worker !== undefined) await ended(worker);
  }

  #send(call: CallId): void {
    const pending = this.#pending.get(call);
    const tenancy = pending === undefined ? undefined : this.#tenancies.get(pending.key);
    if (pending === undefined || tenancy === undefined) return;
    if (pending.sends >= MAX_SENDS) {
      this.#take(call)?.fail(
        new DriverError("UNAVAILABLE", "the Lua worker died before the call could start"),
      );
      return;
    }
    pending.sends += 1;
    const worker = this.#worker ?? this.#spawn();
    const post = (message: ToWorker): void => worker.postMessage(message);
    if (!tenancy.known) {
      post({ ...tenancy.open, again: tenancy.everKnown });
      tenancy.known = true;
      tenancy.everKnown = true;
    }
    post({ kind: "call", key: pending.key, call, ...pending.request });
    this.#watch();
  }

  #spawn(): Worker {
    this.#signals = new Int32Array(new SharedArrayBuffer(SIGNAL_BYTES));
    this.#ready = false;
    const data: WorkerData = { signals: this.#signals.buffer as SharedArrayBuffer };
    const worker = startLuaThread(this.#options.workerUrl, {
      workerData: data,
      name: "bioxen-lua",
      resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB },
    });
    worker.on("message", (message: FromWorker) => this.#receive(worker, message));
    worker.on("error", (error) => this.#lose(worker, "GUEST_ERROR", `it failed: ${error.message}`));
    worker.on("exit", () => this.#lose(worker, "GUEST_ERROR", "it ended"));
    this.#worker = worker;
    return worker;
  }

  #receive(worker: Worker, message: FromWorker): void {
    if (worker !== this.#worker) return;
    if (message.kind === "ready") {
      this.#ready = true;
      for (const call of this.#pending.keys()) this.#limitWait(call);
    } else if (message.kind === "printed") {
      this.#options.onPrinted(message.key, message.lines, message.leftOut);
    } else if (message.kind === "started") {
      const pending = this.#pending.get(message.call);
      if (pending !== undefined) pending.started = true;
    } else this.#take(message.call)?.settle(message.report);
  }

  #take(call: CallId): Pending | undefined {
    const pending = this.#pending.get(call);
    if (pending === undefined) return undefined;
    this.#pending.delete(call);
    pending.timer?.cancel();
    return pending;
  }

  #limitWait(call: CallId): void {
    const pending = this.#pending.get(call);
    if (pending === undefined) return;
    const withinMs = pending.request.limits.timeoutMs + QUEUE_GRACE_MS;
    pending.timer?.cancel();
    pending.timer = startMessageTimer(withinMs, () => this.#giveUp(call));
  }

  /**
   * Fails a call that did not start in time. The timeout of a started call is left to the worker, which measures it
   * from the start.
   */
  #giveUp(call: CallId): void {
    const pending = this.#pending.get(call);
    if (pending === undefined || pending.started) return;
    this.#worker?.postMessage({ kind: "cancel", key: pending.key, call } satisfies ToWorker);
    this.#take(call)?.fail(
      new DriverError("UNAVAILABLE", "other calls kept this one waiting past its timeout"),
    );
  }

  // -------------------------------------------------------------- the watchdog

  #watch(): void {
    if (this.#watchdog !== undefined) return;
    this.#silentLooks = 0;
    this.#watchdog = setInterval(() => this.#look(), WATCHDOG_INTERVAL_MS);
  }

  /**
   * Checks the worker's heartbeat. The silence of the worker is counted in checks, not measured in time, because a
   * delay of this thread says nothing about the worker.
   */
  #look(): void {
    const beat = Atomics.load(this.#signals, SIGNAL.heartbeat);
    this.#silentLooks = beat === this.#lastBeat ? this.#silentLooks + 1 : 0;
    this.#lastBeat = beat;
    const idle = this.#pending.size === 0 && Atomics.load(this.#signals, SIGNAL.guest) === 0;
    if (idle || this.#worker === undefined) {
      clearInterval(this.#watchdog);
      this.#watchdog = undefined;
      return;
    }
    const patience = this.#ready ? WATCHDOG_SILENT_LOOKS : STARTING_LOOKS;
    if (this.#silentLooks < patience) return;
    this.#lose(this.#worker, "GUEST_TIMEOUT", "it gave no sign of life");
  }

  #lose(worker: Worker, code: "GUEST_TIMEOUT" | "GUEST_ERROR", why: string): void {
    if (worker !== this.#worker) return;
    const culpritCall = Atomics.load(this.#signals, SIGNAL.call);
    const culpritKey = Atomics.load(this.#signals, SIGNAL.guest);
    const culprit = this.#tenancies.get(culpritKey);
    if (culprit !== undefined) culprit.workersLost += 1;
    const keys = [...this.#tenancies].flatMap(([key, { known }]) => (known ? [key] : []));
    void this.#detach()?.terminate();
    const given = this.#options.onLost?.(keys, culprit === undefined ? undefined : culpritKey);
    const unstarted: CallId[] = [];
    for (const [call, pending] of [...this.#pending]) {
      if (call === culpritCall)
        this.#take(call)?.settle(
          lostReport(code, `the Lua worker had to be replaced during this call: ${why}`),
        );
      else if (given?.has(pending.key) === true) {
        this.#take(call)?.fail(
          new DriverError("UNAVAILABLE", "the guest goes back to its last restart point"),
        );
      } else if (!pending.started) unstarted.push(call);
      else {
        const message = "another guest took the Lua worker down during this call";
        this.#take(call)?.fail(new DriverError("UNAVAILABLE", message));
      }
    }
    for (const call of unstarted) this.#send(call);
  }

  #detach(): Worker | undefined {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#ready = false;
    for (const { timer } of this.#pending.values()) timer?.cancel();
    this.#silentLooks = 0;
    for (const tenancy of this.#tenancies.values()) tenancy.known = false;
    return worker;
  }
}

/**
 * Ends the worker at its next turn, and terminates it only if it does not react: the end of a thread in the middle of
 * WebAssembly code can crash the whole process (nodejs/node#64500).
 */
async function ended(worker: Worker): Promise<void> {
  worker.postMessage({ kind: "end" } satisfies ToWorker);
  const end = once(worker, "exit");
  const terminate = setTimeout(() => void worker.terminate(), WORKER_END_MS);
  await end.catch(() => undefined);
  clearTimeout(terminate);
}

const SWITCHED_OFF = `this guest's Lua took the worker down ${MAX_WORKERS_LOST_PER_GUEST} times and is switched off`;

function lostReport(code: "GUEST_TIMEOUT" | "GUEST_ERROR", message: string): CallReport {
  const outcome = { ok: false, code, message } as const;
  return { outcome, instructions: 0, stdout: "", stateLost: true, hooks: undefined };
}
