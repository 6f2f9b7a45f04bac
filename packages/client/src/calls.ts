/**
 * Typed calls of the catalogue's endpoints, with one rule for repeating a call (until-settled.ts). Client and CLI use
 * this module. All attempts of a call carry one message id, so that the service carries out the command only once.
 */
import {
  CALL_SHAPES,
  callByShape,
  DEFAULT_EXEC_TIMEOUT_MS,
  type EndpointName,
  type RequestOf,
  type ResultOf,
  type VmView,
} from "@bioxen/contracts";
import type { Caller, ReplyError } from "@bioxen/kernel";
import type { Bus } from "@bioxen/nats/client";
import { BioxenError } from "./errors.ts";
import type { EventWatch, WatchEventsOptions } from "./event-watch.ts";
import { callerTrace } from "./trace-context.ts";
import { type Accepted, callUntilSettled, type Refused, type RepeatOn } from "./until-settled.ts";

/** The reply of an endpoint: its result, or its refusal as a value. */
export type ReplyOf<N extends EndpointName> = (Accepted & ResultOf<N>) | Refused;

export interface CallsOptions {
  /**
   * Deadline of each attempt, ms. A call with a transient refusal is repeated until this time has passed since its
   * first attempt.
   */
  readonly timeoutMs: number;
  /** False: every call is a single attempt. Default: true. */
  readonly repeat?: boolean;
  /**
   * True: the deadline covers all attempts of a call together. False (default): each attempt has its own deadline, and
   * a call without any reply fails after three attempts.
   */
  readonly strictDeadline?: boolean;
}

export interface OneCallOptions {
  /**
   * Deadline of each attempt of this call, ms. Default: {@link CallsOptions.timeoutMs}. For `vmExec` the time limit of
   * the program is added to the default.
   */
  readonly timeoutMs?: number;
  /** The `Nats-Msg-Id` of every attempt; default: a new UUID. */
  readonly messageId?: string;
  /** The refusals after which the call is repeated: transient refusals only (default), or all retryable refusals. */
  readonly repeatOn?: RepeatOn;
}

/** The part of a connection that the handle of a VM uses. A refused call throws {@link BioxenError}. */
export interface Connection {
  readonly bus: Bus;
  readonly timeoutMs: number;
  call<N extends EndpointName>(name: N, request: RequestOf<N>, timeoutMs?: number): Promise<ResultOf<N>>;
  watchEvents(options?: WatchEventsOptions): EventWatch;
}

export class Calls {
  readonly timeoutMs: number;
  readonly #caller: Caller;
  readonly #repeat: boolean;
  readonly #strictDeadline: boolean;

  constructor(caller: Caller, options: CallsOptions) {
    this.#caller = caller;
    this.timeoutMs = options.timeoutMs;
    this.#repeat = options.repeat ?? true;
    this.#strictDeadline = options.strictDeadline ?? false;
  }

  /**
   * Sends a request and returns the reply, accepted or refused. Throws `Fault` UNAVAILABLE or TIMEOUT when no service
   * replies.
   */
  async call<N extends EndpointName>(
    name: N,
    request: RequestOf<N>,
    { timeoutMs, messageId = crypto.randomUUID(), repeatOn }: OneCallOptions = {},
  ): Promise<ReplyOf<N>> {
    // All attempts are one call, so they have one trace.
    const trace = callerTrace();
    const attempt = (attemptMs: number) =>
      callByShape(this.#caller, CALL_SHAPES[name], request, { messageId, timeoutMs: attemptMs, ...trace });
    return callUntilSettled(attempt, {
      timeoutMs: timeoutMs ?? this.#deadlineOf(name, request),
      // A program may have had its effects before its reply was lost; a second run would repeat them.
      repeat: this.#repeat && name !== "vmExec",
      strictDeadline: this.#strictDeadline,
      repeatOn,
    });
  }

  /**
   * Calls the endpoint and returns its result. When the service refuses the call, throws the error that {@link refusal}
   * returns.
   */
  async ask<N extends EndpointName>(
    name: N,
    request: RequestOf<N>,
    options: OneCallOptions = {},
  ): Promise<Accepted & ResultOf<N>> {
    const reply = await this.call(name, request, options);
    if (!reply.ok) throw this.refusal(reply.error);
    return reply;
  }

  /** Returns every VM that matches the filter, in order of id. Requests the list page by page. */
  async listAllVms(filter: Omit<RequestOf<"vmList">, "cursor"> = {}): Promise<VmView[]> {
    const vms: VmView[] = [];
    let cursor: string | null = null;
    do {
      const page: ResultOf<"vmList"> = await this.ask(
        "vmList",
        cursor === null ? filter : { ...filter, cursor },
      );
      vms.push(...page.vms);
      cursor = page.cursor;
    } while (cursor !== null);
    return vms;
  }

  /**
   * Returns the error that {@link ask} throws for a refusal. The CLI overrides it with an error that has an exit code.
   */
  protected refusal(error: ReplyError): Error {
    return new BioxenError(error);
  }

  #deadlineOf<N extends EndpointName>(name: N, request: RequestOf<N>): number {
    if (name !== "vmExec") return this.timeoutMs;
    const { timeoutMs = DEFAULT_EXEC_TIMEOUT_MS } = request as RequestOf<"vmExec">;
    return this.timeoutMs + timeoutMs;
  }
}
