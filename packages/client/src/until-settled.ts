/**
 * The rule for repeating a call. A call is repeated while a further attempt can succeed: the service restarts or is
 * full, the log elects a leader, or another writer appended an event first.
 */
import { type Backoff, backoffDelayMs, Fault, type ReplyError } from "@bioxen/kernel";

/**
 * Pauses between attempts, ms, after a refusal without `retryAfterMs`. A service that restarts refuses within
 * milliseconds and is back after seconds: the pauses grow, so that few attempts cover that time.
 */
const RETRY_BACKOFF: Backoff = { firstMs: 100, ceilingMs: 500 };
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
   * first attempt, or since its last attempt without a reply.
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
 *
 * An attempt without a reply may have met a service that was just killed. Its successor then answers, but until that is
 * up the attempts are refused at once. So these refusals have a time of their own, counted from that attempt.
 */
export async function callUntilSettled<R extends Accepted | Refused>(
  attemptCall: (timeoutMs: number) => Promise<R>,
  { timeoutMs, repeat, strictDeadline = false, repeatOn = "transient" }: RepeatOptions,
  world: RepeatWorld = REAL_WORLD,
): Promise<R> {
  const startedAtMs = world.nowMs();
  let refusedSinceMs = startedAtMs;
  let [unanswered, refusals] = [0, 0];
  const leftMs = () => timeoutMs - (world.nowMs() - (strictDeadline ? startedAtMs : refusedSinceMs));
  const isRepeatable = ({ code, retryable }: ReplyError) =>
    retryable && (repeatOn === "retryable" || TRANSIENT_CODES.includes(code));
  const reserveMs = strictDeadline ? SHORTEST_ATTEMPT_MS : 0;
  const hasTimeFor = (waitMs: number) => repeat && leftMs() > waitMs + reserveMs;
  const ownPauseMs = () => {
    refusals += 1;
    // The last pause is shortened, so that the last attempt comes just before the deadline.
    return Math.min(backoffDelayMs(RETRY_BACKOFF, refusals), Math.max(0, leftMs() - reserveMs - 1));
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      const reply = await attemptCall(strictDeadline && attempt > 1 ? Math.ceil(leftMs()) : timeoutMs);
      if (reply.ok || !isRepeatable(reply.error)) return reply;
      const waitMs = askedPauseMs(reply.error, world.random()) ?? ownPauseMs();
      if (!hasTimeFor(waitMs)) return reply;
      await world.sleep(waitMs);
    } catch (thrown) {
      if (!(thrown instanceof Fault) || !thrown.retryable) throw thrown;
      if (thrown.code === "TIMEOUT" && !strictDeadline) {
        unanswered += 1;
        [refusedSinceMs, refusals] = [world.nowMs(), 0];
        if (unanswered >= MAX_UNANSWERED) throw thrown;
      }
      const waitMs = ownPauseMs();
      if (!hasTimeFor(waitMs)) throw thrown;
      await world.sleep(waitMs);
    }
  }
}

/**
 * Returns the pause that the refusal asks for, extended by up to a quarter, ms; undefined when it asks for none.
 * `random` in [0, 1) selects the extension.
 */
function askedPauseMs({ details }: ReplyError, random: number): number | undefined {
  const asked = details?.["retryAfterMs"];
  if (typeof asked !== "number" || !(asked > 0)) return undefined;
  return Math.min(asked, MAX_RETRY_AFTER_MS) * (1 + RETRY_JITTER * random);
}
