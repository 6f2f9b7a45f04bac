/**
 * The account of one chassis, computed a second time: plain sums over plain maps, without any code of the allocator.
 */

export interface Holding {
  readonly incarnation: number;
  readonly fence: number;
  amounts: Record<string, number>;
  /**
   * The amounts before each resize under this fence, the oldest first. A VM's event is written after the ledger's
   * event, so the VM's event may still have amounts from before a resize.
   */
  readonly before: Record<string, number>[];
  committed: boolean;
}

export class LedgerAccount {
  offered: Record<string, number> = {};
  maxVms = 0;
  /** The highest lease token with which a lease holder has proposed a reservation of this ledger. */
  proposerToken = 0;
  readonly holdings = new Map<string, Holding>();

  /** Returns one sentence for each resource that is held above the offer, and one when the chassis has too many VMs. */
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

  /** Returns the VM's holding under this fence; undefined when the ledger has no such holding. */
  held(vmId: string, fence: number): Holding | undefined {
    const holding = this.holdings.get(vmId);
    return holding?.fence === fence ? holding : undefined;
  }
}

/** Returns one sentence for each amount that is not a non-negative integer. */
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
