/**
 * Shares one thread among the calls of many guests.
 *
 * The calls of one guest are queued, because they share its globals. Guests with a pending call take turns of one time
 * slice each, so a busy guest delays another guest by one slice per turn. When the Lua state of a guest was lost, the
 * scheduler creates a new one before the next call and runs the guest's program again. That repeated run finds the
 * global `state` of the guest's last checkpoint. Environment changes of a repeated run are not applied, because the
 * cell still has the changes of the first run.
 */

import { type CallEnd, type CallLimits, type CallOutcome, LuaCall } from "./lua-call.ts";
import { GuestBootError, type GuestIdentity, HOOK_NAMES, LuaGuest, type Work } from "./lua-guest.ts";
import { ResultError } from "./lua-json.ts";
import type { KeptLua } from "./lua-kept.ts";
import { CallOutput, LogLines } from "./lua-output.ts";
import type { CallId, FromWorker, GuestKey, GuestMessage } from "./lua-protocol.ts";
import type { LuaRuntime } from "./lua-runtime.ts";

interface Job {
  /** The call of this job; undefined for a repeated run of the program. */
  readonly call: CallId | undefined;
  readonly work: Work;
  readonly view: unknown;
  readonly limits: CallLimits;
}

interface Tenant {
  readonly key: GuestKey;
  readonly identity: GuestIdentity;
  readonly program: string | undefined;
  readonly programLimits: CallLimits;
  readonly log: LogLines;
  readonly queue: Job[];
  guest: LuaGuest | undefined;
  kept: KeptLua | null;
  running: { readonly job: Job; readonly call: LuaCall | undefined; readonly output: CallOutput } | undefined;
  /** Whether the guest's next Lua state replaces an earlier one, so that the program must run again before any call. */
  again: boolean;
}

const NOTHING_RUN = { instructions: 0, stateLost: false } as const;

export interface SchedulerOptions {
  readonly post: (message: FromWorker) => void;
  /**
   * Called with the guest and the call that the thread now begins to work on. `call` is undefined during a repeated run
   * of the program. Both `key` and `call` are undefined when the thread works on no guest.
   */
  readonly workingFor: (key: GuestKey | undefined, call: CallId | undefined) => void;
}

export class LuaScheduler {
  readonly #runtime: LuaRuntime;
  readonly #post: (message: FromWorker) => void;
  readonly #workingFor: SchedulerOptions["workingFor"];
  readonly #tenants = new Map<GuestKey, Tenant>();
  /** Guests with pending work, in the order of their next time slices. */
  #ready: Tenant[] = [];

  constructor(runtime: LuaRuntime, options: SchedulerOptions) {
    this.#runtime = runtime;
    this.#post = options.post;
    this.#workingFor = options.workingFor;
  }

  receive(message: GuestMessage): void {
    if (message.kind === "open") {
      const { key, identity, program, again, limits, kept } = message;
      const log = new LogLines(this.#runtime.now);
      const rest = { queue: [], guest: undefined, running: undefined, programLimits: limits };
      this.#tenants.set(key, { key, identity, program, again, kept, log, ...rest });
      return;
    }
    const tenant = this.#tenants.get(message.key);
    if (tenant === undefined) return;
    if (message.kind === "call") {
      tenant.queue.push(message);
      if (!this.#ready.includes(tenant)) this.#ready.push(tenant);
    } else if (message.kind === "cancel") {
      const index = tenant.queue.findIndex((job) => job.call === message.call);
      if (index >= 0) tenant.queue.splice(index, 1);
    } else {
      this.#tenants.delete(message.key);
      this.#ready = this.#ready.filter((other) => other !== tenant);
      tenant.guest?.close();
    }
  }

  /** Runs time slices of pending calls for about `budgetMs` milliseconds. Returns whether calls are still pending. */
  turn(budgetMs: number): boolean {
    const endMs = this.#runtime.now() + budgetMs;
    while (this.#runtime.now() < endMs) {
      const tenant = this.#ready.shift();
      if (tenant === undefined) break;
      if (this.#slice(tenant)) this.#ready.push(tenant);
    }
    this.#workingFor(undefined, undefined);
    return this.#ready.length > 0;
  }

  /** Runs one time slice of the guest's current or next job. Returns whether the guest has more work. */
  #slice(tenant: Tenant): boolean {
    this.#workingFor(tenant.key, tenant.running?.job.call ?? tenant.queue[0]?.call);
    const end = tenant.running === undefined ? this.#startNext(tenant) : tenant.running.call?.advance();
    // The output of a call is published before the report that the call has ended.
    this.#publishLog(tenant, end !== undefined);
    if (end !== undefined) this.#finish(tenant, end);
    return tenant.running !== undefined || tenant.queue.length > 0;
  }

  /** Starts the next job in the guest's queue. Returns the end of the job if it ends at once, else undefined. */
  #startNext(tenant: Tenant): CallEnd | undefined {
    const refusal = tenant.guest === undefined ? this.#boot(tenant) : undefined;
    const job = tenant.queue.shift();
    if (job === undefined) return undefined;
    if (job.call !== undefined) this.#post({ kind: "started", call: job.call });
    const output = new CallOutput(tenant.log);
    const { guest } = tenant;
    if (guest === undefined) {
      tenant.running = { job, output, call: undefined };
      return { outcome: { ok: false, code: "UNAVAILABLE", message: refusal ?? "" }, ...NOTHING_RUN };
    }
    if (job.work.kind === "keep") {
      tenant.running = { job, output, call: undefined };
      return { outcome: this.#keep(tenant, guest), ...NOTHING_RUN };
    }
    const call = new LuaCall(guest, job.limits, output.write);
    tenant.running = { job, output, call };
    if (job.work.kind === "hook" && !guest.defines(job.work.name)) {
      return { outcome: { ok: true, result: null, environment: undefined }, ...NOTHING_RUN };
    }
    return call.begin(job.work, job.view);
  }

  /**
   * Creates the guest's Lua state and, if it replaces a lost one, puts the program first in the queue. Returns the
   * reason if the state cannot be created, else undefined.
   */
  #boot(tenant: Tenant): string | undefined {
    try {
      tenant.guest = LuaGuest.boot(this.#runtime, tenant.identity);
    } catch (error) {
      if (error instanceof GuestBootError) return error.message;
      throw error;
    }
    const { kept, guest } = tenant;
    if (kept !== null) {
      if (!guest.restoreState(kept)) {
        tenant.guest = undefined;
        guest.close();
        return "not enough memory for the stored state";
      }
      if (tenant.program === undefined) guest.restoreRandom(kept);
    }
    if (tenant.again && tenant.program !== undefined) {
      const work = { kind: "chunk", source: tenant.program, name: "program" } as const;
      const view = tenant.queue[0]?.view;
      tenant.queue.unshift({ call: undefined, work, view, limits: tenant.programLimits });
    }
    tenant.again = true;
    return undefined;
  }

  #keep(tenant: Tenant, guest: LuaGuest): CallOutcome {
    try {
      tenant.kept = guest.keep();
      return { ok: true, result: tenant.kept, environment: undefined };
    } catch (error) {
      if (!(error instanceof ResultError)) throw error;
      return { ok: false, code: error.code, message: error.message };
    }
  }

  #finish(tenant: Tenant, end: CallEnd): void {
    const running = tenant.running;
    if (running === undefined) return;
    tenant.running = undefined;
    if (end.stateLost) {
      tenant.guest?.close();
      tenant.guest = undefined;
    }
    const { job, output } = running;
    // The program draws random numbers from the seed, as in its first run; later calls continue the stored sequence.
    const isProgram = job.work.kind === "chunk" && job.work.name === "program";
    if (isProgram && tenant.kept !== null) tenant.guest?.restoreRandom(tenant.kept);
    if (job.call !== undefined) {
      const { guest } = tenant;
      const hooks = guest === undefined ? undefined : HOOK_NAMES.filter((name) => guest.defines(name));
      this.#post({ kind: "ended", call: job.call, report: { ...end, hooks, stdout: output.text() } });
    } else if (!end.outcome.ok && tenant.log.wants()) {
      tenant.log.add(`the repeated run of the program failed: ${end.outcome.message}`);
      this.#publishLog(tenant, true);
    }
  }

  #publishLog(tenant: Tenant, last: boolean): void {
    const printed = tenant.log.take(last);
    if (printed !== undefined) this.#post({ kind: "printed", key: tenant.key, ...printed });
  }
}
