/**
 * One request, asked again while that may help, under one message id: it is carried out once, however often it is heard.
 *
 * A service that is being restarted, or a log whose servers choose another leader, is back within seconds; whoever asks three times
 * in a millisecond does not see that.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Caller, Reply } from "@bioxen/kernel";
import { Fault } from "@bioxen/kernel";

/** Between an answer that says "not now" and the next try, ms. */
const RETRY_WAIT_MS = 100;
/**
 * Nobody there, or another was faster: the next try finds it otherwise. What waits for room or for somebody's decision is no matter of
 * seconds, and left to who asked.
 */
const SOON_OTHERWISE: readonly string[] = ["UNAVAILABLE", "CONFLICT"];
/** Tries of a request that nobody answered at all: each takes the whole of its deadline. */
const MAX_UNANSWERED = 3;

export interface InsistOptions {
  readonly messageId: string;
  /** Deadline of one try, ms; what is answered "not now" is tried again until this has passed since the first. */
  readonly timeoutMs: number;
  /** False: what may have been done must not be done again. */
  readonly again: boolean;
}

/** The reply, whatever it says. Throws `Fault` when there is none. */
export async function insist(
  caller: Caller,
  subject: string,
  request: unknown,
  { messageId, timeoutMs, again }: InsistOptions,
): Promise<Reply> {
  const startedAtMs = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    const isLast = () =>
      !again || (attempt >= MAX_UNANSWERED && performance.now() - startedAtMs + RETRY_WAIT_MS >= timeoutMs);
    try {
      const reply = await caller.call(subject, request, { timeoutMs, messageId });
      const isNotNow = !reply.ok && reply.error.retryable && SOON_OTHERWISE.includes(reply.error.code);
      if (!isNotNow || isLast()) return reply;
    } catch (thrown) {
      if (!(thrown instanceof Fault) || !thrown.retryable || isLast()) throw thrown;
    }
    await sleep(RETRY_WAIT_MS);
  }
}
