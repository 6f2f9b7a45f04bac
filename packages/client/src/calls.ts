/**
 * Typed calls of the catalogue's endpoints, with one rule for repeating a call. Client and CLI use this module.
 *
 * A call is repeated while a further attempt can succeed: the service restarts, the log elects a leader, or another
 * writer appended an event first. All attempts carry one message id, so that the service carries out the command only
 * once.
 */
import {
  callEndpoint,
  DEFAULT_EXEC_TIMEOUT_MS,
  ENDPOINTS,
  type EndpointName,
  type RequestOf,
  type ResultOf,
  type VmView,
} from "@bioxen/contracts";
import { type Caller, Fault, type ReplyError } from "@bioxen/kernel";
import { type Bus, sleep } from "@bioxen/nats/client";
import { BioxenError } from "./errors.ts";
import type { EventWatch, WatchEventsOptions } from "./event-watch.ts";

/** Pause before the next attempt, ms, after a refusal without `retryAfterMs` or an attempt without a reply. */
const RETRY_WAIT_MS = 100;
/** Maximum pause before the next attempt that a refusal can ask for, ms. No service sends a longer `retryAfterMs`. */
const MAX_RETRY_AFTER_MS = 5_000;
/**
 * Maximum random extension of a pause, as a fraction of the pause that the refusal asks for. Without the extension, all
 * refused callers would repeat their calls at the same time.
 */
const RETRY_JITTER = 0.25;
/**
 * Codes of refusals whose cause ends within seconds. UNAVAILABLE: no instance serves the subject, or the service is
 * full. RATE_LIMITED: the caller sent too much at once. CONFLICT: another writer appended an event first. A refusal for
 * lack of capacity is not among them: the lack can last for hours, so the caller gets the refusal at once.
 */
const TRANSIENT_CODES: readonly string[] = ["UNAVAILABLE", "RATE_LIMITED", "CONFLICT"];
/** Number of attempts without a reply after which a call fails. Each such attempt lasts until its deadline. */
const MAX_UNANSWERED = 3;
/**
 * Shortest attempt under a strict deadline, ms. A shorter attempt would time out, and the caller would get that timeout
 * instead of the refusal of the previous attempt.
 */
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
  readonly repeatOn?: "transient" | "retryable";
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

export interface RepeatOptions {
  /**
   * Deadline of each attempt, ms. A call with a transient refusal is repeated until this time has passed since its
   * first attempt.
   */
  readonly timeoutMs: number;
  readonly repeat: boolean;
  /** See {@link CallsOptions.strictDeadline}. */
  readonly strictDeadline?: boolean;
  /** See {@link OneCallOptions.repeatOn}. */
  readonly repeatOn?: OneCallOptions["repeatOn"];
}

/**
 * Calls `attemptCall` until an attempt succeeds or is refused permanently, or until the deadline has passed. Returns
 * the last reply. After a refusal that `repeatOn` selects, a further attempt follows. `attemptCall` receives the
 * deadline of its attempt, ms, and must send the same message id in every attempt. Throws the last `Fault` when the
 * last attempt gets no reply.
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
    const isLast = (waitMs: number) => {
      if (!repeat) return true;
      if (strictDeadline) return leftMs() <= waitMs + SHORTEST_ATTEMPT_MS;
      return attempt >= MAX_UNANSWERED && leftMs() <= waitMs;
    };
    let waitMs = RETRY_WAIT_MS;
    try {
      const reply = await attemptCall(strictDeadline && attempt > 1 ? Math.ceil(leftMs()) : timeoutMs);
      if (!reply.ok) waitMs = pauseAfter(reply.error);
      if (reply.ok || !isRepeatable(reply.error) || isLast(waitMs)) return reply;
    } catch (thrown) {
      if (!(thrown instanceof Fault) || !thrown.retryable || isLast(waitMs)) throw thrown;
    }
    await sleep(waitMs);
  }
}

/**
 * Returns the pause before the next attempt, ms: the pause that the refusal asks for, extended at random by up to a
 * quarter. Returns {@link RETRY_WAIT_MS} when the refusal asks for no pause.
 */
function pauseAfter({ details }: ReplyError): number {
  const asked = details?.["retryAfterMs"];
  if (typeof asked !== "number" || !(asked > 0)) return RETRY_WAIT_MS;
  return Math.min(asked, MAX_RETRY_AFTER_MS) * (1 + RETRY_JITTER * Math.random());
}
