/**
 * Long operations as tasks of the server, followed by events.
 *
 * Whatever happens to the call that began it, a task of ours is destroyed once it has ended: servers keep them
 * otherwise. When the reply that names it is lost, it is found among the tasks of our session, once every call
 * that was under way then has been answered: what is unknown after that belongs to nobody.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { XapiClient } from "./client.ts";
import { fromList, hasCode, XapiError, XapiUnreachable } from "./errors.ts";
import type { ArgsOf, MethodName } from "./methods.ts";
import type { TaskRecord } from "./records.ts";
import type { XapiEvent } from "./wire.ts";

export interface TaskOptions {
  /** Until the task is cancelled and given up, ms. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((permille: number) => void) | undefined;
}

/** Ended tasks remembered until somebody asks: their event can be here before the reply that names them. */
const MAX_REMEMBERED = 1_000;
/** A task that neither event nor deadline ended is asked about this often, ms. */
const ASK_INTERVAL_MS = 5_000;

interface Waiter {
  readonly settle: (record: TaskRecord) => void;
  readonly onProgress: ((permille: number) => void) | undefined;
}

export class Tasks {
  readonly #client: XapiClient;
  readonly #waiters = new Map<string, Waiter>();
  readonly #ended = new Map<string, TaskRecord>();
  /** References we were given, until they are destroyed. */
  readonly #known = new Set<string>();
  readonly #beginning = new Set<Promise<unknown>>();
  readonly #toDestroy = new Set<string>();
  #sweeping: Promise<void> | undefined;

  constructor(client: XapiClient) {
    this.#client = client;
  }

  /**
   * Runs `method` as a task; resolves with the reference in its result, "" where it has none. Throws `XapiError` with the
   * task's own refusal, `TASK_CANCELLED` too; `XapiUnreachable` "timeout" when it did not end in time, and its
   * outcome is unknown.
   */
  async run<M extends MethodName>(method: M, args: ArgsOf<M>, options: TaskOptions): Promise<string> {
    const task = await this.#begin(method, args);
    try {
      const record = await this.#ending(task, method, options);
      if (record.status === "success")
        return /<value>([^<]*)<\/value>/.exec(record.result)?.[1] ?? record.result;
      if (record.status === "cancelled") throw new XapiError("TASK_CANCELLED", [task], method);
      throw fromList(record.error_info, method);
    } finally {
      this.#waiters.delete(task);
      this.#toDestroy.add(task);
      void this.#destroyOwed();
    }
  }

  async #begin<M extends MethodName>(method: M, args: ArgsOf<M>): Promise<string> {
    const begun = this.#client.begin(method, args);
    this.#beginning.add(begun);
    try {
      const task = await begun;
      this.#known.add(task);
      return task;
    } catch (thrown) {
      if (thrown instanceof XapiUnreachable) void this.sweep();
      throw thrown;
    } finally {
      this.#beginning.delete(begun);
    }
  }

  async #ending(task: string, method: string, options: TaskOptions): Promise<TaskRecord> {
    const known = this.#ended.get(task);
    this.#ended.delete(task);
    if (known !== undefined) return known;
    const { promise, resolve, reject } = Promise.withResolvers<TaskRecord>();
    this.#waiters.set(task, { settle: resolve, onProgress: options.onProgress });
    const giveUp = (why: XapiUnreachable): void => {
      this.#client.call("task.cancel", [task]).catch(() => undefined);
      reject(why);
    };
    const late = `${method}: its task did not end within ${options.timeoutMs} ms`;
    const deadline = setTimeout(() => giveUp(new XapiUnreachable("timeout", late)), options.timeoutMs);
    const asking = setInterval(() => void this.#ask(task), ASK_INTERVAL_MS);
    const onAbort = (): void => giveUp(new XapiUnreachable("closed", `${method}: given up`));
    options.signal?.addEventListener("abort", onAbort, { once: true });
    if (options.signal?.aborted === true) onAbort();
    try {
      return await promise;
    } finally {
      clearTimeout(deadline);
      clearInterval(asking);
      options.signal?.removeEventListener("abort", onAbort);
    }
  }

  /** The event loop heard of a task, anybody's. */
  onEvent(event: XapiEvent): void {
    if (event.operation === "del" || event.snapshot === undefined) return;
    this.#see(event.ref, event.snapshot as TaskRecord);
  }

  #see(task: string, record: TaskRecord): void {
    const waiter = this.#waiters.get(task);
    if (record.status === "pending" || record.status === "cancelling") {
      waiter?.onProgress?.(Math.round(Number(record.progress) * 1000));
      return;
    }
    if (waiter !== undefined) {
      waiter.settle(record);
      return;
    }
    // Of the pool's other tasks only the latest are worth remembering: one of them may be a reply on its way to us.
    this.#ended.set(task, record);
    if (this.#ended.size <= MAX_REMEMBERED) return;
    const oldest = this.#ended.keys().next();
    if (oldest.done !== true) this.#ended.delete(oldest.value);
  }

  /** Events may have been lost: every awaited task is asked about, and what is owed is done. */
  async resync(): Promise<void> {
    await Promise.all([...this.#waiters.keys()].map((task) => this.#ask(task)));
    await this.#destroyOwed();
  }

  async #ask(task: string): Promise<void> {
    try {
      this.#see(task, await this.#client.call("task.get_record", [task]));
    } catch (thrown) {
      if (!hasCode(thrown, "HANDLE_INVALID")) return;
      const gone = { name_label: "", progress: 1, result: "", error_info: ["TASK_CANCELLED", task] };
      this.#waiters.get(task)?.settle({ ...gone, status: "failure" });
    }
  }

  async #destroyOwed(): Promise<void> {
    await Promise.all([...this.#toDestroy].map((task) => this.#destroy(task)));
  }

  async #destroy(task: string): Promise<void> {
    this.#toDestroy.delete(task);
    try {
      await this.#client.call("task.destroy", [task]);
      this.#known.delete(task);
    } catch (thrown) {
      // Gone is gone; anything else is tried again with the next one, or at the next look at the pool.
      if (hasCode(thrown, "HANDLE_INVALID")) this.#known.delete(task);
      else this.#toDestroy.add(task);
    }
  }

  /** Destroys tasks of our session that no reply named. Never throws; done again at the next trouble when it fails. */
  sweep(): Promise<void> {
    this.#sweeping ??= this.#sweep()
      .catch(() => undefined)
      .finally(() => {
        this.#sweeping = undefined;
      });
    return this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const session = await this.#client.session();
    const found = await this.#client.call("session.get_tasks", [session]);
    await Promise.allSettled([...this.#beginning]);
    for (const task of found.filter((one) => !this.#known.has(one))) await endTask(this.#client, task);
  }

  /** Ends the tasks of a session that a crash left, then the session. */
  async endSession(session: string): Promise<void> {
    const left = await this.#client.call("session.get_tasks", [session]).catch((thrown: unknown) => {
      if (hasCode(thrown, "HANDLE_INVALID", "SESSION_INVALID")) return [];
      throw thrown;
    });
    for (const task of left) await endTask(this.#client, task);
    await this.#client.endSession(session);
  }

  /** Everything owed has been done, as far as it can be. */
  async close(): Promise<void> {
    await this.#destroyOwed();
  }
}

/** Longest wait for a task that nobody awaits to end after it was cancelled, ms. */
const ORPHAN_DEADLINE_MS = 30_000;
const ORPHAN_LOOK_MS = 100;

/** Cancels a task, waits until it has ended, destroys it. */
async function endTask(client: XapiClient, task: string): Promise<void> {
  try {
    const deadline = performance.now() + ORPHAN_DEADLINE_MS;
    for (let first = true; ; first = false) {
      const { status } = await client.call("task.get_record", [task]);
      if (status !== "pending" && status !== "cancelling") break;
      if (first) await client.call("task.cancel", [task]).catch(() => undefined);
      if (performance.now() > deadline) break;
      await sleep(ORPHAN_LOOK_MS);
    }
    await client.call("task.destroy", [task]);
  } catch (thrown) {
    if (!hasCode(thrown, "HANDLE_INVALID")) throw thrown;
  }
}
