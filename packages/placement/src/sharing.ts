/**
 * The shares of one rate resource of a chassis at one moment, by weighted max-min fairness ("water filling").
 *
 * Guarantees come first. Unused guarantees and the capacity that no VM holds are lent to VMs that can use more, up to
 * their ceilings. The shares of these VMs grow together, in proportion to their weights, until each VM has enough or
 * the capacity is used up. No VM could then get more without a loss for a VM with an equal or smaller share per weight.
 * If the chassis is oversubscribed and the VMs would use more than exists, the guarantees themselves are shared in this
 * way.
 *
 * A plan decides where a VM runs; this function decides how much the VM gets there. Like a plan, it is pure: it keeps
 * nothing between two calls. It sees one resource only. The caller states how much of that resource a VM can use when
 * other resources limit the VM.
 */

export interface Claim {
  readonly id: string;
  /** Positive. Twice the weight gives twice the share of a contended resource. */
  readonly weight: number;
  /** The amount that the VM holds in the ledger. */
  readonly guarantee: number;
  /** The amount that the VM can use at present, at most its ceiling; 0 while it is paused. */
  readonly demand: number;
}

export interface Share {
  readonly id: string;
  /** The amount that the VM may use, at most its demand. */
  readonly granted: number;
  /**
   * The part of `granted` above the VM's guarantee. This part is lent: the VM loses it as soon as another VM can use it
   * under that other VM's guarantee.
   */
  readonly lent: number;
}

/**
 * Divides `capacity` among the claims. Takes and returns integers. The order of the claims does not matter. The sum of
 * `granted` never exceeds `capacity`. Every VM is granted at least the smaller of its guarantee and its demand, unless
 * these amounts together exceed `capacity`.
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

/** Gives each claim at most the amount that it wants. Capacity is left over only when every claim is satisfied. */
function fillWater(capacity: number, wants: readonly Want[]): Map<string, number> {
  const filled = new Map(wants.map(({ id }) => [id, 0]));
  let left = Math.max(0, capacity);
  // The claim that wants least per weight is satisfied first; the level then rises for the others.
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
  // Rounding down leaves some units undistributed. The shares with the largest fractions get one unit each.
  for (const { id, whole, part } of shares.sort((a, b) => b.part - a.part || (a.id < b.id ? -1 : 1))) {
    const more = units > 0 && part > 0 ? 1 : 0;
    units -= more;
    filled.set(id, whole + more);
  }
  return filled;
}
