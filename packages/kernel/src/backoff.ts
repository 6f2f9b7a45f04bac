/**
 * Exponential back-off: the wait after the n-th failure in a row.
 *
 * The delay grows by a constant factor from the first wait to a ceiling. A short outage then costs little time, and a
 * long outage causes little load. Callers count the failures and own their timers.
 */
import { invariant } from "./fault.ts";

export interface Backoff {
  /** Wait after the first failure, ms. */
  readonly firstMs: number;
  /** Longest wait, ms. */
  readonly ceilingMs: number;
  /** Growth of the wait from one failure to the next; default 2. */
  readonly factor?: number;
  /** Spreads clients that failed at the same moment; default: none, every delay is exact. */
  readonly jitter?: Jitter;
}

export interface Jitter {
  /** Largest part of the delay that may be cut off, from 0 to 1. */
  readonly share: number;
  /** Returns a number of at least 0 and below 1. It is injected, so that a simulation can replay its seed. */
  readonly random: () => number;
}

/** Returns the wait after `failures` failures in a row (1 or more), in whole ms, at most `ceilingMs`. */
export function backoffDelayMs(
  { firstMs, ceilingMs, factor = 2, jitter }: Backoff,
  failures: number,
): number {
  invariant(failures >= 1, "a back-off follows a failure", { failures });
  // `factor ** exponent` overflows to Infinity after some thousand failures, and 0 * Infinity is NaN.
  const fullMs = firstMs === 0 ? 0 : Math.min(ceilingMs, firstMs * factor ** (failures - 1));
  const cut = jitter === undefined ? 0 : jitter.share * jitter.random();
  return Math.floor(fullMs * (1 - cut));
}
