/**
 * The books of one chassis, kept a second time: plain sums over plain maps, nothing shared with the allocator.
 */

export interface Holding {
  readonly incarnation: number;
  readonly fence: number;
  amounts: Record<string, number>;
  /** Everything it ever held under this fence: its VM follows, and may be one change behind. */
  readonly before: Record<string, number>[];
  committed: boolean;
}

export class LedgerAccount {
  offered: Record<string, number> = {};
  maxVms = 0;
  /** The newest lease under which a plan was reserved here. */
  proposerToken = 0;
  readonly holdings = new Map<string, Holding>();

  /** One sentence for each resource, or the number of places, that is above the offer. */
  overdrafts(): string[] {
    const totals: Record<string, number> = {};
    for (const { amounts } of this.holdings.values()) {
      for (const [name, amount] of Object.entries(amounts)) totals[name] = (totals[name] ?? 0) + amount;
    }
    const over = Object.entries(totals)
      .filter(([name, total]) => total > (this.offered[name] ?? 0))
      .map(([name, total]) => `${name}: ${total} held of ${this.offered[name] ?? 0} offered`);
    if (this.holdings.size > this.maxVms) over.push(`${this.holdings.size} VMs of at most ${this.maxVms}`);
    return over;
  }

  /** The holding under exactly this fence. */
  held(vmId: string, fence: number): Holding | undefined {
    const holding = this.holdings.get(vmId);
    return holding?.fence === fence ? holding : undefined;
  }
}

/** Names of amounts that are no whole, non-negative numbers. */
export function unsoundAmounts(amounts: Readonly<Record<string, number>>): string[] {
  return Object.entries(amounts)
    .filter(([, amount]) => !Number.isSafeInteger(amount) || amount < 0)
    .map(([name, amount]) => `${name} is ${amount}`);
}

export function sameAmounts(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => (a[name] ?? 0) === (b[name] ?? 0));
}
