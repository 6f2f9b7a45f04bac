/**
 * Runs a call: checks its session and its arguments, applies planned faults, and runs the method, directly or as a
 * task.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Call, Handler } from "./handler.ts";
import { allMethods, type FakeCredentials, removeTask } from "./methods.ts";
import { Operations } from "./operations.ts";
import type { Pool } from "./pool.ts";
import { Refusal } from "./refusal.ts";
import { requireRole } from "./roles.ts";
import { checkArguments, SIGNATURES } from "./signatures.ts";

export interface Outcome {
  /** True when the server must drop the connection instead of sending a reply. */
  readonly dropped: boolean;
  readonly result?: unknown;
  /** Type of the result, in the datamodel's notation. */
  readonly type: string;
}

/** Statistics of the calls since the start, for tests. */
export interface CallStatistics {
  total: number;
  inFlight: number;
  /** The highest number of concurrent calls so far; calls that wait for events are not counted. */
  mostInFlight: number;
  /** Sum of the durations of all calls, without waits for events, ms. */
  busyMs: number;
  readonly byMethod: Map<string, number>;
  /** The sessions of logins that a call has used, also those that have ended. */
  readonly usedSessions: Set<string>;
}

/** A call that is about to run: its arguments were checked, and the caller has the role. */
export interface ObservedCall {
  /** Without the prefix `Async.`. */
  readonly method: string;
  /** Without the session. */
  readonly args: readonly unknown[];
  /** The originator of the caller's session; empty for a login. */
  readonly originator: string;
  readonly atMs: number;
}

const LOGIN = "session.login_with_password";
/** A method of the protocol, not of XAPI's datamodel: it takes no session and lists the other methods. */
const LIST_METHODS = "system.listMethods";

/** Returns the names of all methods. As in XAPI, a method that only reads cannot run as a task. */
function methodNames(): string[] {
  const names = Object.keys(SIGNATURES);
  return [...names, ...names.filter((name) => !name.includes(".get_")).map((name) => `Async.${name}`)];
}

export class Dispatch {
  readonly operations: Operations;
  readonly statistics: CallStatistics = {
    total: 0,
    inFlight: 0,
    mostInFlight: 0,
    busyMs: 0,
    byMethod: new Map(),
    usedSessions: new Set(),
  };
  /** Delay of each call before it runs, ms. */
  callMs = 0;
  /** Called with each call before it runs. */
  readonly observers: ((call: ObservedCall) => void)[] = [];
  readonly #pool: Pool;
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #running = new Map<string, AbortController>();

  constructor(pool: Pool, credentials: readonly FakeCredentials[]) {
    this.#pool = pool;
    this.operations = new Operations(pool);
    this.#handlers = allMethods(pool, this.operations, credentials, (task) => this.#cancel(task));
  }

  /** Runs a client's call and resolves with its outcome. Rejects with `Refusal` when XAPI would reject the call. */
  async call(method: string, params: readonly unknown[]): Promise<Outcome> {
    const { statistics } = this;
    const { faults } = this.#pool;
    statistics.total += 1;
    statistics.byMethod.set(method, (statistics.byMethod.get(method) ?? 0) + 1);
    const isCounted = method !== "event.from";
    if (isCounted) statistics.inFlight += 1;
    statistics.mostInFlight = Math.max(statistics.mostInFlight, statistics.inFlight);
    const began = performance.now();
    try {
      if (isCounted && this.callMs > 0) await delay(this.callMs);
      const slow = faults.strike("slow", method);
      if (slow !== undefined) await delay(slow.ms);
      await faults.strike("held", method)?.until.catch(() => undefined);
      if (faults.strike("drop-before", method) !== undefined) return { dropped: true, type: "void" };
      const outcome = await this.#answer(method, params);
      return faults.strike("drop-after", method) === undefined ? outcome : { ...outcome, dropped: true };
    } finally {
      if (isCounted) {
        statistics.inFlight -= 1;
        statistics.busyMs += performance.now() - began;
      }
    }
  }

  async #answer(method: string, params: readonly unknown[]): Promise<Outcome> {
    if (method === LIST_METHODS) return { dropped: false, result: methodNames(), type: "string set" };
    const isAsync = method.startsWith("Async.");
    const plain = isAsync ? method.slice("Async.".length) : method;
    const signature = SIGNATURES[plain];
    const handler = this.#handlers.get(plain);
    if (signature === undefined || handler === undefined) throw new Refusal("MESSAGE_METHOD_UNKNOWN", method);
    const session = plain === LOGIN ? "" : this.#sessionOf(method, params);
    const args = checkArguments(method, signature, plain === LOGIN ? params : params.slice(1));
    const refused = this.#pool.faults.strike("refuse", method);
    const work = async (task: Partial<Call> = {}): Promise<unknown> => {
      // A session without an own role is that of another client of the pool, which may do everything.
      requireRole(this.#pool.roles.get(session) ?? "pool-admin", plain);
      if (refused !== undefined) throw new Refusal(refused.code, ...(refused.params ?? []));
      const originator = String(this.#pool.db.find("session", session)?.["originator"] ?? "");
      for (const observe of this.observers) observe({ method: plain, args, originator, atMs: Date.now() });
      return handler({ session, ...task }, ...args);
    };
    if (!isAsync) return { dropped: false, result: (await work()) ?? "", type: signature.result };
    return { dropped: false, result: this.#begin(method, session, work), type: "task ref" };
  }

  #sessionOf(method: string, params: readonly unknown[]): string {
    const { db, faults } = this.#pool;
    const session = String(params[0] ?? "");
    if (faults.strike("lose-session", method) !== undefined) db.remove("session", session);
    if (db.find("session", session) === undefined) throw new Refusal("SESSION_INVALID", session);
    if (this.#pool.roles.has(session)) this.statistics.usedSessions.add(session);
    return session;
  }

  #begin(method: string, session: string, work: (task: Partial<Call>) => Promise<unknown>): string {
    const { db, faults } = this.#pool;
    const abort = new AbortController();
    const task = db.add("task", {
      name_label: method,
      created: this.#pool.now(),
      status: "pending",
      type: "<none/>",
      allowed_operations: ["cancel"],
    });
    this.#pool.link("session", session, "tasks", task);
    this.#running.set(task, abort);
    const isStuck = faults.strike("stuck-task", method) !== undefined;
    const onProgress = (progress: number): void => {
      if (db.find("task", task) !== undefined) db.update("task", task, { progress });
    };
    const running = isStuck ? untilAborted(abort.signal) : work({ signal: abort.signal, onProgress });
    running.then(
      (value) => this.#end(task, { status: "success", result: value ? `<value>${value}</value>` : "" }),
      (thrown: unknown) => {
        const refusal = thrown instanceof Refusal ? thrown : new Refusal("INTERNAL_ERROR", String(thrown));
        const status = refusal.code === "TASK_CANCELLED" ? "cancelled" : "failure";
        this.#end(task, { status, error_info: refusal.list() });
      },
    );
    return task;
  }

  #end(task: string, fields: Readonly<Record<string, unknown>>): void {
    this.#running.delete(task);
    if (this.#pool.db.find("task", task) === undefined) return;
    const ended = { progress: 1, finished: this.#pool.now(), allowed_operations: ["destroy"] };
    this.#pool.db.update("task", task, { ...ended, ...fields });
  }

  #cancel(task: string): void {
    const running = this.#running.get(task);
    if (running === undefined) throw new Refusal("OPERATION_NOT_ALLOWED", "the task has ended");
    this.#pool.db.update("task", task, { status: "cancelling" });
    running.abort();
  }

  forgetSessions(): void {
    for (const [session] of this.#pool.db.all("session")) this.#pool.db.remove("session", session);
  }

  /** Restarts the toolstack: running tasks are aborted, and tasks, sessions and past events are lost. */
  restart(): void {
    this.close();
    this.#running.clear();
    for (const [task] of this.#pool.db.all("task")) removeTask(this.#pool, task);
    this.forgetSessions();
    this.#pool.db.forgetHistory();
  }

  /** Aborts and removes every running task. */
  close(): void {
    for (const [task, abort] of this.#running) {
      abort.abort();
      removeTask(this.#pool, task);
    }
  }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new Refusal("TASK_CANCELLED", "")), { once: true });
  });
}
