/**
 * What each guest of one chassis may use at this moment, beyond what it holds or, on an oversubscribed chassis, less than that.
 *
 * A guest is taken to want more of a resource while it presses against what it may use, and no more than a little above its use
 * otherwise; one that stands still wants nothing. The cells' model computes the use, so a cell that is short of ATP leaves
 * ribosomes to others, and has them back with the first quantum in which it could use them. Nobody's guarantee is
 * lowered to lend it: only what is measured as unused goes to others, on top of theirs. Who gets it is `shareOut`'s to say.
 */
import { RATE_RESOURCES } from "@bioxen/contracts";
import { type Amounts, amountOf } from "@bioxen/kernel";
import { type Claim, shareOut } from "@bioxen/placement";

/**
 * A guest presses when it uses this much of what it may, thousandths. A cell with half its ribosomes engages 96 to 99 % of them,
 * one with all of them 80 to 89 %, and spends about as much ATP as it may; lower would lend in vain, higher would leave cells
 * short that always keep a few places empty.
 */
const PRESSING_PERMILLE = 900;
/** What is lent stays above the use of who does not press, by one part in so many, so that a cell that grows into it is seen to. */
const HEADROOM_PARTS = 8;
/** Demands are rounded up to one part in so many of a guarantee: what wavers by less changes nobody's cap. */
const STEP_PARTS = 32;

export interface Sharer {
  readonly vmId: string;
  readonly priority: number;
  /** What it holds in the ledger. */
  readonly allocation: Amounts;
  /** Up to what it may be lent; absent names: nothing. */
  readonly burst: Amounts;
  /** Its type's: more ATP or polymerases than that are no faster growth. */
  readonly fullDemand: Amounts;
  readonly isRunning: boolean;
  /** What it uses, where that is measured. */
  readonly use: Amounts;
  /** What it may use at present. */
  readonly caps: Amounts;
}

export interface Shares {
  /** Of every rate resource, what it may use. */
  readonly caps: Amounts;
  /** What of that is beyond its allocation; only what is. */
  readonly lent: Amounts;
}

/**
 * By VM. `real` is what there is for VMs; `isOversubscribed`: of each resource, whether more may be held than there is. Where none
 * may, a chassis that was configured smaller than what is held takes nothing away.
 */
export function sharesOf(
  real: Amounts,
  oversubscribed: Amounts,
  sharers: readonly Sharer[],
): Map<string, Shares> {
  const caps = new Map<string, Record<string, number>>(sharers.map(({ vmId }) => [vmId, {}]));
  const lent = new Map<string, Record<string, number>>(sharers.map(({ vmId }) => [vmId, {}]));
  for (const resource of RATE_RESOURCES) {
    const claims = sharers.map((sharer) => claimOf(sharer, resource));
    const held = claims.reduce((sum, { guarantee }) => sum + guarantee, 0);
    const there = amountOf(real, resource);
    const capacity = oversubscribed[resource] === undefined ? Math.max(there, held) : there;
    const isShort = claims.reduce((sum, one) => sum + Math.min(one.guarantee, one.demand), 0) > capacity;
    for (const [i, share] of shareOut(capacity, claims).entries()) {
      const guarantee = claims[i]?.guarantee ?? 0;
      const isStanding = sharers[i]?.isRunning === false;
      const cap = isShort && !isStanding ? share.granted : guarantee + share.lent;
      (caps.get(share.id) ?? {})[resource] = cap;
      if (share.lent > 0) (lent.get(share.id) ?? {})[resource] = share.lent;
    }
  }
  return new Map(
    sharers.map(({ vmId }) => [vmId, { caps: caps.get(vmId) ?? {}, lent: lent.get(vmId) ?? {} }]),
  );
}

function claimOf(sharer: Sharer, resource: string): Claim {
  const { vmId, priority, allocation } = sharer;
  const guarantee = amountOf(allocation, resource);
  return { id: vmId, weight: priority, guarantee, demand: demandOf(sharer, resource, guarantee) };
}

function demandOf(sharer: Sharer, resource: string, guarantee: number): number {
  if (!sharer.isRunning) return 0;
  const most = amountOf(sharer.burst, resource);
  // Ribosomes have no such bound: a richer medium engages more of them.
  const useful = resource === "ribosomes" ? most : Math.min(most, amountOf(sharer.fullDemand, resource));
  const ceiling = Math.max(guarantee, useful);
  const use = sharer.use[resource];
  const cap = amountOf(sharer.caps, resource);
  if (use === undefined || use * 1_000 >= cap * PRESSING_PERMILLE) return ceiling;
  const step = Math.max(1, Math.floor(guarantee / STEP_PARTS));
  return Math.min(ceiling, Math.ceil((use + use / HEADROOM_PARTS) / step) * step);
}
