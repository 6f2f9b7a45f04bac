/**
 * The rule for repeating a call. A call is repeated while a further attempt can succeed: the service restarts or is
 * full, the log elects a leader, or another writer appended an event first.
 */
import { Fault, type ReplyError } from "@bioxen/kernel";

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

/** The refusals after which a call is repeated: transient refusals only, or all retryable refusals. */
export type RepeatOn = "transient" | "retryable";

export interface RepeatOptions {
  /**
   * Deadline of each attempt, ms. A call with a transient refusal is repeated until this time has passed since its
   * first attempt.
   */
  readonly timeoutMs: number;
  readonly repeat: boolean;
  /** See `CallsOptions.strictDeadline`. */
  readonly strictDeadline?: boolean;
  /** See `OneCallOptions.repeatOn`. */
  readonly repeatOn?: RepeatOn | undefined;
}

/** The clock and the random source of the rule. The simulation replaces both. */
export interface RepeatWorld {
  readonly nowMs: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
  /** Returns a number uniform in [0, 1). */
  readonly random: () => number;
}

const REAL_WORLD: RepeatWorld = {
  nowMs: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  random: () => Math.random(),
};

/**
 * Calls `attemptCall` until an attempt succeeds or is refused permanently, or until the deadline has passed. Returns
 * the last reply. After a refusal that `repeatOn` selects, a further attempt follows. `attemptCall` receives the
 * deadline of its attempt, ms, and must send the same message id in every attempt. Throws the last `Fault` when the
 * last attempt gets no reply.
 */
export async function callUntilSettled<R extends Accepted | Refused>(
  attemptCall: (timeoutMs: number) => Promise<R>,
  { timeoutMs, repeat, strictDeadline = false, repeatOn = "transient" }: RepeatOptions,
  world: RepeatWorld = REAL_WORLD,
): Promise<R> {
  const startedAtMs = world.nowMs();
  const leftMs = () => timeoutMs - (world.nowMs() - startedAtMs);
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
      if (!reply.ok) waitMs = pauseAfter(reply.error, world.random());
      if (reply.ok || !isRepeatable(reply.error) || isLast(waitMs)) return reply;
    } catch (thrown) {
      if (!(thrown instanceof Fault) || !thrown.retryable || isLast(waitMs)) throw thrown;
    }
    await world.sleep(waitMs);
  }
}

/**
 * Returns the pause before the next attempt, ms: the pause that the refusal asks for, extended by up to a quarter.
 * `random` in [0, 1) selects the extension. Returns {@link RETRY_WAIT_MS} when the refusal asks for no pause.
 */
function pauseAfter({ details }: ReplyError, random: number): number {
  const asked = details?.["retryAfterMs"];
  if (typeof asked !== "number" || !(asked > 0)) return RETRY_WAIT_MS;
  return Math.min(asked, MAX_RETRY_AFTER_MS) * (1 + RETRY_JITTER * random);
}
