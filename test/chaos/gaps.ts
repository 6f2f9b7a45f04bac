/**
 * Gaps in the answers to clients, and commands that clients gave up: pure functions of the clients' records.
 */
import type { Intent } from "./load.ts";

/** A part of the run, on the clock of the load. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Returns the longest time within `span` without an answer, ms. Only commands sent within the span count, because an
 * earlier one may be answered from memory. Start and end of the span count as answers: a span without any answer is one
 * gap.
 */
export function longestGapMs(intents: readonly Intent[], { fromMs, toMs }: Span): number {
  const answers = intents.filter(({ sentAtMs, answeredAtMs }) => sentAtMs >= fromMs && answeredAtMs < toMs);
  let longest = 0;
  let last = fromMs;
  for (const atMs of [...answers.map(({ answeredAtMs }) => answeredAtMs).sort((a, b) => a - b), toMs]) {
    longest = Math.max(longest, atMs - last);
    last = atMs;
  }
  return longest;
}

/** Returns the commands sent within `span` that the client gave up at least once, whatever their outcome. */
export function failedWithin(intents: readonly Intent[], { fromMs, toMs }: Span): readonly Intent[] {
  return intents.filter(({ attempts, sentAtMs }) => attempts > 1 && sentAtMs >= fromMs && sentAtMs < toMs);
}
