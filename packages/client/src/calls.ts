/**
 * Typed calls of the catalogue's endpoints, with one rule for repeating them. Client and CLI are built on it.
 *
 * A call is repeated while a repetition can help: the service restarts, the log elects a leader, or another writer came
 * first. All attempts carry one message id, so that the service carries the command out once, however often it receives
 * it.
 */
import {
  callEndpoint,
  ENDPOINTS,
  type EndpointName,
  MAX_EXEC_TIMEOUT_MS,
  type RequestOf,
  type ResultOf,
  type VmView,
} from "@bioxen/contracts";
import { type Caller, Fault, type ReplyError } from "@bioxen/kernel";
import { type Bus, sleep } from "@bioxen/nats/client";
import { BioxenError } from "./errors.ts";
import type { EventWatch, WatchEventsOptions } from "./event-watch.ts";

/** Pause before the next attempt, ms. */
const RETRY_WAIT_MS = 100;
/**
 * Codes of refusals whose cause passes within seconds: no instance serves the subject, or another writer came first. A
 * lack of capacity can last for hours, so its refusal goes to the caller at once.
 */
const TRANSIENT_CODES: readonly string[] = ["UNAVAILABLE", "CONFLICT"];
/** Number of attempts without a reply after which a call fails. Each of them lasts its whole deadline. */
const MAX_UNANSWERED = 3;
/** Shortest attempt under a strict deadline, ms: a shorter one would hide the last refusal behind a timeout. */
const SHORTEST_ATTEMPT_MS = 100;

export interface Accepted {
  readonly ok: true;
}

export interface Refused {
  readonly ok: false;
  readonly error: ReplyError;
}

/** The reply of an endpoint: its result, or its refusal as a value. */
export type ReplyOf<N extends EndpointName> = (Accepted & ResultOf<N>) | Refused;

export interface CallsOptions {
  /** Deadline of one attempt, ms; transient refusals are repeated until it has passed since the first attempt. */
  readonly timeoutMs: number;
  /** False: every call is a single attempt. Default: true. */
  readonly repeat?: boolean;
  /**
   * True: the deadline covers all attempts of a call together. Default: false; a call without any reply then ends after
   * three deadlines.
   */
  readonly strictDeadline?: boolean;
}

export interface OneCallOptions {
  /** Default: {@link CallsOptions.timeoutMs}; for `vmExec` the program's own limit is added. */
  readonly timeoutMs?: number;
  /** The `Nats-Msg-Id` of every attempt; default: a new UUID. */
  readonly messageId?: string;
  /** The refusals after which a call is repeated: transient ones (default), or all that are retryable. */
  readonly repeatOn?: "transient" | "retryable";
}

/** The connection as the handle of a VM sees it: calls throw {@link BioxenError} for refusals. */
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

  /** The reply, accepted or refused. Throws `Fault` UNAVAILABLE or TIMEOUT when no service replies. */
  async call<N extends EndpointName>(
    name: N,
    request: RequestOf<N>,
    { timeoutMs, messageId = crypto.randomUUID(), repeatOn }: OneCallOptions = {},
  ): Promise<ReplyOf<N>> {
    const attempt = (attemptMs: number) =>
      callEndpoint(this.#caller, ENDPOINTS[name], request, { messageId, timeoutMs: attemptMs });
    return callUntilSettled(attempt, {
      timeoutMs: timeoutMs ?? this.#deadlineOf(name, request),
      // A program may have had its effects before its reply was lost; a second run would repeat them.
      repeat: this.#repeat && name !== "vmExec",
      strictDeadline: this.#strictDeadline,
      repeatOn,
    });
  }

  /** Returns the result of the call. Throws the error that {@link refusal} makes when the service refuses it. */
  async ask<N extends EndpointName>(
    name: N,
    request: RequestOf<N>,
    options: OneCallOptions = {},
  ): Promise<Accepted & ResultOf<N>> {
    const reply = await this.call(name, request, options);
    if (!reply.ok) throw this.refusal(reply.error);
    return reply;
  }

  /** Every VM that fits the filter, page after page, in order of id. */
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

  /** Returns the error that {@link ask} throws for a refusal. In the CLI that error has an exit code. */
  protected refusal(error: ReplyError): Error {
    return new BioxenError(error);
  }

  #deadlineOf<N extends EndpointName>(name: N, request: RequestOf<N>): number {
    if (name !== "vmExec") return this.timeoutMs;
    const { timeoutMs = MAX_EXEC_TIMEOUT_MS } = request as RequestOf<"vmExec">;
    return this.timeoutMs + timeoutMs;
  }
}

export interface RepeatOptions {
  /** Deadline of one attempt, ms; transient refusals are repeated until it has passed since the first attempt. */
  readonly timeoutMs: number;
  readonly repeat: boolean;
  /** See {@link CallsOptions.strictDeadline}. */
  readonly strictDeadline?: boolean;
  /** See {@link OneCallOptions.repeatOn}. */
  readonly repeatOn?: OneCallOptions["repeatOn"];
}

/**
 * Attempts a call until it succeeds, gets a permanent refusal, or the deadline has passed; `repeatOn` defines which
 * refusals are repeated. Returns the last reply. `attemptCall` gets the deadline of its attempt, ms; every attempt must
 * carry the same message id. Throws the last `Fault` when the last attempt gets no reply.
 */
export async function callUntilSettled<R extends Accepted | Refused>(
  attemptCall: (timeoutMs: number) => Promise<R>,
  { timeoutMs, repeat, strictDeadline = false, repeatOn = "transient" }: RepeatOptions,
): Promise<R> {
  const startedAtMs = performance.now();
  const leftMs = () => timeoutMs - (performance.now() - startedAtMs);
  const isRepeatable = ({ code, retryable }: ReplyError) =>
    retryable && (repeatOn === "retryable" || TRANSIENT_CODES.includes(code));
  for (let attempt = 1; ; attempt += 1) {
    const isLast = () => {
      if (!repeat) return true;
      if (strictDeadline) return leftMs() <= RETRY_WAIT_MS + SHORTEST_ATTEMPT_MS;
      return attempt >= MAX_UNANSWERED && leftMs() <= RETRY_WAIT_MS;
    };
    try {
      const reply = await attemptCall(strictDeadline && attempt > 1 ? Math.ceil(leftMs()) : timeoutMs);
      if (reply.ok || !isRepeatable(reply.error) || isLast()) return reply;
    } catch (thrown) {
      if (!(thrown instanceof Fault) || !thrown.retryable || isLast()) throw thrown;
    }
    await sleep(RETRY_WAIT_MS);
  }
}
