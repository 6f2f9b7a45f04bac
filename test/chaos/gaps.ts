/**
 * How long nobody was answered, and who was not answered at all: pure functions of what clients saw.
 */
import type { Intent } from "./load.ts";

/** A stretch of the run, on the clock of the load. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Longest time within `span` in which no command that was sent in it was answered, ms; what was sent before may be answered from memory.
 * The beginning and the end of the span count as answers: one without any is one gap.
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

/** Commands sent within `span` that the client gave up on, however it went on later. */
export function failedWithin(intents: readonly Intent[], { fromMs, toMs }: Span): readonly Intent[] {
  return intents.filter(({ attempts, sentAtMs }) => attempts > 1 && sentAtMs >= fromMs && sentAtMs < toMs);
}
