/**
 * Exponential back-off: the wait after the n-th failure in a row.
 *
 * The delay doubles from the first wait to a ceiling. A short outage then costs little time, and a long outage causes
 * little load. Callers count the failures and own their timers.
 */
import { invariant } from "./fault.ts";

export interface Backoff {
  /** Wait after the first failure, ms. */
  readonly firstMs: number;
  /** Longest wait, ms. */
  readonly ceilingMs: number;
}

/** Returns the wait after `failures` failures in a row (1 or more), in whole ms, at most `ceilingMs`. */
export function backoffDelayMs({ firstMs, ceilingMs }: Backoff, failures: number): number {
  invariant(failures >= 1, "a back-off follows a failure", { failures });
  // `2 ** exponent` overflows to Infinity after a thousand failures, and 0 * Infinity is NaN.
  return firstMs === 0 ? 0 : Math.floor(Math.min(ceilingMs, firstMs * 2 ** (failures - 1)));
}
