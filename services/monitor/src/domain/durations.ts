/**
 * Histogram of durations: fixed buckets allow quantiles in constant memory.
 */

/** Upper bounds of the buckets, s: from a start on an idle machine to a start that waited for room. */
const DURATION_BUCKETS_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;

export class Durations {
  readonly #counts: number[] = DURATION_BUCKETS_S.map(() => 0);
  #sumMs = 0;
  #count = 0;

  add(durationMs: number): void {
    const ms = Math.max(0, durationMs);
    this.#count += 1;
    this.#sumMs += ms;
    const at = DURATION_BUCKETS_S.findIndex((end) => ms <= end * 1_000);
    if (at >= 0) this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  get count(): number {
    return this.#count;
  }

  get sumMs(): number {
    return this.#sumMs;
  }

  /** Returns, per bucket, how many durations are at most its upper bound `le`, s. The last bucket counts all. */
  cumulative(): { readonly le: string; readonly count: number }[] {
    let soFar = 0;
    const out = DURATION_BUCKETS_S.map((end, i) => {
      soFar += this.#counts[i] ?? 0;
      return { le: String(end), count: soFar };
    });
    return [...out, { le: "+Inf", count: this.#count }];
  }

  /**
   * Returns the upper bound, ms, of the bucket that contains the quantile `share` (0 to 1). Returns null when no
   * duration was added, or when the quantile is beyond the last bucket.
   */
  quantileMs(share: number): number | null {
    if (this.#count === 0) return null;
    const wanted = share * this.#count;
    const found = this.cumulative().find(({ count, le }) => le !== "+Inf" && count >= wanted && count > 0);
    return found === undefined ? null : Number(found.le) * 1_000;
  }
}
