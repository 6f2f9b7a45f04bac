/**
 * The rule that decides which numbers can be tokens of a lease.
 *
 * A token is the start of its term in epoch ms or the previous token plus 1, whichever is greater. A number far ahead
 * of the clock is therefore no genuine token: it was forged, or written by a machine whose clock is wrong by days.
 * If a receiver took such a number for the newest token, it would refuse every later holder, because each later token
 * must be greater. Issuer and receivers both ignore such numbers. The margin of the receivers is wider than that of the
 * issuer, so that receivers accept every token that an issuer makes.
 */

/** Largest token, epoch ms: the end of the year 9999. It is far below 2^53, so that adding 1 to it is still exact. */
export const MAX_LEASE_TOKEN = 253_402_300_799_999;

/**
 * Limit for a contender that reads a stored token: how far the token may be ahead of the contender's clock, ms. A clock
 * with the wrong time zone is wrong by at most 26 h. A token issued by that clock is therefore within this limit, even
 * after the clock was corrected.
 */
export const ISSUER_AHEAD_MS = 2 * 86_400_000;

/**
 * Limit for a receiver: how far a token may be ahead of the receiver's clock, ms. It is twice the issuer's limit, to
 * allow for the difference between the two clocks and for later terms, whose tokens are greater.
 */
export const RECEIVER_AHEAD_MS = 2 * ISSUER_AHEAD_MS;

/**
 * Returns true when `token` can have been issued. The limit is `aheadMs` above the clock or above the newest token
 * known to be genuine, whichever is greater. After a clock was set back, later tokens continue from that genuine token.
 */
export function isPossibleToken(
  token: number,
  { nowMs, newest = 0, aheadMs = RECEIVER_AHEAD_MS }: TokenHorizon,
): boolean {
  if (!Number.isSafeInteger(token) || token < 1 || token > MAX_LEASE_TOKEN) return false;
  return token <= Math.max(nowMs, newest) + aheadMs;
}

export interface TokenHorizon {
  /** Epoch ms. */
  readonly nowMs: number;
  /** The newest token that is known to be genuine; default 0. */
  readonly newest?: number;
  /** Default {@link RECEIVER_AHEAD_MS}. */
  readonly aheadMs?: number;
}
