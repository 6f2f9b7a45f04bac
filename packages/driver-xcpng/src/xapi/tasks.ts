/**
 * Runs long operations as tasks of the server and follows them by events.
 *
 * A server keeps finished tasks, so each task is destroyed once it has ended, even if the call that started it failed.
 * When the reply with a task's reference is lost, a search finds the task among the tasks of the session. The search
 * first waits for the replies to all calls in flight. A task that no reply has named by then has no caller, and is
 * destroyed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { XapiClient } from "./client.ts";
import { fromList, hasCode, XapiError, XapiUnreachable } from "./errors.ts";
import type { ArgsOf, MethodName } from "./methods.ts";
import type { TaskRecord } from "./records.ts";
import type { XapiEvent } from "./wire.ts";

export interface TaskOptions {
  /**
   * Longest time without progress, ms: the deadline counts from the start, and again from each growth of the task's
   * progress. At the deadline the task is cancelled.
   */
  readonly stallMs: number;
  /** True when progress does not extend the deadline. Default false. */
  readonly isFixed?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((permille: number) => void) | undefined;
}

/**
 * Maximum number of finished tasks that are remembered: a task's event can arrive before the reply with the task's
 * reference.
 */
const MAX_REMEMBERED = 1_000;
/** Interval at which a pending task is polled, in case its event was lost, ms. */
const POLL_INTERVAL_MS = 5_000;

interface Waiter {
  readonly settle: (record: TaskRecord) => void;
  /** Called with each growth of the progress, permille. */
  readonly onProgress: (permille: number) => void;
  permille: number;
}

export class Tasks {
  readonly #client: XapiClient;
  readonly #waiters = new Map<string, Waiter>();
  readonly #ended = new Map<string, TaskRecord>();
  /** References of the tasks that a reply has named and that are not destroyed yet. */
  readonly #known = new Set<string>();
  readonly #beginning = new Set<Promise<unknown>>();
  readonly #toDestroy = new Set<string>();
  #sweeping: Promise<void> | undefined;

  constructor(client: XapiClient) {
    this.#client = client;
  }

  /**
   * Runs `method` as a task and resolves with the reference in the task's result, or "" for an empty result. Rejects
   * with `XapiError` when the task fails (`TASK_CANCELLED` when it was cancelled). Rejects with `XapiUnreachable` of
   * kind "timeout" when the task has passed its deadline; its outcome is then unknown.
   */
  async run<M extends MethodName>(method: M, args: ArgsOf<M>, options: TaskOptions): Promise<string> {
    const task = await this.#begin(method, args);
    try {
      const record = await this.#untilEnded(task, method, options);
      if (record.status === "success")
        return /<value>([^<]*)<\/value>/.exec(record.result)?.[1] ?? record.result;
      if (record.status === "cancelled") throw new XapiError("TASK_CANCELLED", [task], method);
      throw fromList(record.error_info, method);
    } finally {
      this.#waiters.delete(task);
      this.#toDestroy.add(task);
      void this.#destroyEnded();
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

  async #untilEnded(task: string, method: string, options: TaskOptions): Promise<TaskRecord> {
    const known = this.#ended.get(task);
    this.#ended.delete(task);
    if (known !== undefined) return known;
    const { promise, resolve, reject } = Promise.withResolvers<TaskRecord>();
    const giveUp = (why: XapiUnreachable): void => {
      this.#client.call("task.cancel", [task]).catch(() => undefined);
      reject(why);
    };
    const { stallMs, isFixed = false, onProgress } = options;
    const how = isFixed ? "did not end" : "made no progress";
    const late = `${method}: the task ${how} within ${stallMs} ms; cancelling it`;
    const deadline = setTimeout(() => giveUp(new XapiUnreachable("timeout", late)), stallMs);
    this.#waiters.set(task, {
      settle: resolve,
      permille: 0,
      onProgress: (permille) => {
        if (!isFixed) deadline.refresh();
        onProgress?.(permille);
      },
    });
    const polling = setInterval(() => void this.#poll(task), POLL_INTERVAL_MS);
    const onAbort = (): void => giveUp(new XapiUnreachable("closed", `${method}: the caller cancelled it`));
    options.signal?.addEventListener("abort", onAbort, { once: true });
    if (options.signal?.aborted === true) onAbort();
    try {
      return await promise;
    } finally {
      clearTimeout(deadline);
      clearInterval(polling);
      options.signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Processes an event about a task of the pool; any client may have started the task. */
  onEvent(event: XapiEvent): void {
    if (event.operation === "del" || event.snapshot === undefined) return;
    this.#see(event.ref, event.snapshot as TaskRecord);
  }

  #see(task: string, record: TaskRecord): void {
    const waiter = this.#waiters.get(task);
    if (record.status === "pending" || record.status === "cancelling") {
      const permille = Math.round(Number(record.progress) * 1000);
      if (waiter === undefined || !(permille > waiter.permille)) return;
      waiter.permille = permille;
      waiter.onProgress(permille);
      return;
    }
    if (waiter !== undefined) {
      waiter.settle(record);
      return;
    }
    // The reply with this task's reference may still be on its way, so the latest finished tasks are remembered.
    this.#ended.set(task, record);
    if (this.#ended.size <= MAX_REMEMBERED) return;
    const oldest = this.#ended.keys().next();
    if (oldest.done !== true) this.#ended.delete(oldest.value);
  }

  /** After a possible loss of events: polls every awaited task and destroys the finished ones. */
  async resync(): Promise<void> {
    await Promise.all([...this.#waiters.keys()].map((task) => this.#poll(task)));
    await this.#destroyEnded();
  }

  async #poll(task: string): Promise<void> {
    try {
      this.#see(task, await this.#client.call("task.get_record", [task]));
    } catch (thrown) {
      if (!hasCode(thrown, "HANDLE_INVALID")) return;
      const gone = { name_label: "", progress: 1, result: "", error_info: ["TASK_CANCELLED", task] };
      this.#waiters.get(task)?.settle({ ...gone, status: "failure" });
    }
  }

  async #destroyEnded(): Promise<void> {
    await Promise.all([...this.#toDestroy].map((task) => this.#destroy(task)));
  }

  async #destroy(task: string): Promise<void> {
    this.#toDestroy.delete(task);
    try {
      await this.#client.call("task.destroy", [task]);
      this.#known.delete(task);
    } catch (thrown) {
      // A missing task is destroyed already; any other failure is retried with the next task or resync.
      if (hasCode(thrown, "HANDLE_INVALID")) this.#known.delete(task);
      else this.#toDestroy.add(task);
    }
  }

  /**
   * Destroys the tasks of this session that no reply has named. Never rejects; a failed sweep is repeated at the next
   * resync.
   */
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

  /** Ends the tasks of a session that a crash left behind, then the session itself. */
  async endSession(session: string): Promise<void> {
    const left = await this.#client.call("session.get_tasks", [session]).catch((thrown: unknown) => {
      if (hasCode(thrown, "HANDLE_INVALID", "SESSION_INVALID")) return [];
      throw thrown;
    });
    for (const task of left) await endTask(this.#client, task);
    await this.#client.endSession(session);
  }

  /** Destroys the finished tasks, as far as the pool allows. */
  async close(): Promise<void> {
    await this.#destroyEnded();
  }
}

/** Longest wait for an orphaned task to end after its cancellation, ms. */
const ORPHAN_DEADLINE_MS = 30_000;
/** Interval at which an orphaned task is polled, ms. */
const ORPHAN_POLL_MS = 100;

/** Cancels a task, waits for its end, and destroys it. */
async function endTask(client: XapiClient, task: string): Promise<void> {
  try {
    const deadline = performance.now() + ORPHAN_DEADLINE_MS;
    for (let first = true; ; first = false) {
      const { status } = await client.call("task.get_record", [task]);
      if (status !== "pending" && status !== "cancelling") break;
      if (first) await client.call("task.cancel", [task]).catch(() => undefined);
      if (performance.now() > deadline) break;
      await sleep(ORPHAN_POLL_MS);
    }
    await client.call("task.destroy", [task]);
  } catch (thrown) {
    if (!hasCode(thrown, "HANDLE_INVALID")) throw thrown;
  }
}
