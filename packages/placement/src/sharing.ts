/**
 * Who may use how much of one rate resource of a chassis at this moment: weighted max-min fairness ("water filling").
 *
 * What a VM is guaranteed comes first. What nobody uses of its guarantee, and what nobody holds, is lent to those that can use
 * more, up to their ceilings: the level of all rises together, each by its weight, and who has enough leaves the rest to the
 * others. So nobody could be given more without taking it from somebody who has no more per weight. Where a chassis is
 * oversubscribed and more than there is would be used, the guarantees themselves are shared so.
 *
 * It stands beside the plan because it is the other half of one question, who gets what, and as pure. It sees one resource: what a
 * VM can use of it, while others limit it, is the caller's to say. Nothing is remembered between two calls.
 */

export interface Claim {
  readonly id: string;
  /** Above 0; twice the weight is twice the share of what is contended. */
  readonly weight: number;
  /** What it holds in the ledger. */
  readonly guarantee: number;
  /** What it can use now, at most its ceiling; 0 when it stands still. */
  readonly demand: number;
}

export interface Share {
  readonly id: string;
  /** Of its demand, what it may use. */
  readonly granted: number;
  /** Of that, what is beyond its guarantee: lent, and taken back as soon as anybody it belongs to wants it. */
  readonly lent: number;
}

/**
 * Integers in, integers out; equal claims in whatever order give equal shares. The sum of `granted` is never above `capacity`, and
 * nobody is granted less than its guarantee, or its demand if that is less, unless all of those together are above `capacity`.
 */
export function shareOut(capacity: number, claims: readonly Claim[]): Share[] {
  const guaranteed = fillWater(
    capacity,
    claims.map(({ id, weight, guarantee, demand }) => ({ id, weight, want: Math.min(guarantee, demand) })),
  );
  const left = capacity - [...guaranteed.values()].reduce((a, b) => a + b, 0);
  const lent = fillWater(
    left,
    claims.map(({ id, weight, guarantee, demand }) => ({
      id,
      weight,
      want: Math.max(0, demand - guarantee),
    })),
  );
  return claims.map(({ id }) => {
    const extra = lent.get(id) ?? 0;
    return { id, granted: (guaranteed.get(id) ?? 0) + extra, lent: extra };
  });
}

interface Want {
  readonly id: string;
  readonly weight: number;
  readonly want: number;
}

/** At most what each wants; what is left over is what nobody wants. */
function fillWater(capacity: number, wants: readonly Want[]): Map<string, number> {
  const filled = new Map(wants.map(({ id }) => [id, 0]));
  let left = Math.max(0, capacity);
  // Whoever wants least per weight has enough first; then the level rises for the others.
  const rising = wants
    .filter(({ want }) => want > 0)
    .sort((a, b) => a.want * b.weight - b.want * a.weight || (a.id < b.id ? -1 : 1));
  let weights = rising.reduce((sum, { weight }) => sum + weight, 0);
  let at = 0;
  for (; at < rising.length; at += 1) {
    const next = rising[at];
    if (next === undefined || next.want * weights > left * next.weight) break;
    filled.set(next.id, next.want);
    left -= next.want;
    weights -= next.weight;
  }
  const short = rising.slice(at);
  const shares = short.map(({ id, weight }) => ({
    id,
    whole: Math.floor((left * weight) / weights),
    part: (left * weight) % weights,
  }));
  let units = left - shares.reduce((sum, { whole }) => sum + whole, 0);
  // Whole units: those nearest to one more get it.
  for (const { id, whole, part } of shares.sort((a, b) => b.part - a.part || (a.id < b.id ? -1 : 1))) {
    const more = units > 0 && part > 0 ? 1 : 0;
    units -= more;
    filled.set(id, whole + more);
  }
  return filled;
}
