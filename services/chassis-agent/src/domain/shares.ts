/**
 * Computes the caps of the guests on one chassis: above a guest's allocation when idle capacity is lent to it, below it
 * when an oversubscribed chassis is short.
 *
 * A guest that uses nearly all of its cap demands more; otherwise its demand is slightly above its use. A paused guest
 * demands nothing. The cell model computes the use: a cell that is short of ATP leaves ribosomes to others, and gets
 * them back in the first quantum in which it can use them. Only measured idle capacity is lent, on top of the
 * borrowers' allocations, so that lending never lowers the allocation of a VM. `shareOut` divides the capacity.
 */
import { RATE_RESOURCES } from "@bioxen/contracts";
import { type Amounts, amountOf } from "@bioxen/kernel";
import { type Claim, shareOut } from "@bioxen/placement";

/**
 * Use from which a guest demands more, in permille of its cap. A cell with half of its ribosomes engages 96 to 99 % of
 * them, a cell with all of them 80 to 89 %. ATP use is always close to its cap. A lower value would lend capacity that
 * is not used. A higher value would give too little to cells that never engage all of their ribosomes.
 */
const PRESSING_PERMILLE = 900;
/**
 * A guest whose use is below `PRESSING_PERMILLE` keeps 1/8 of its use as headroom, so that growth shows as a higher
 * use.
 */
const HEADROOM_PARTS = 8;
/** Demands are rounded up to a multiple of 1/32 of the allocation, so that small fluctuations change no cap. */
const STEP_PARTS = 32;

export interface Sharer {
  readonly vmId: string;
  readonly priority: number;
  /** The VM's allocation in the ledger. `shareOut` treats it as the guarantee of the VM when it divides capacity. */
  readonly allocation: Amounts;
  /** Ceiling up to which capacity may be lent, by resource. Nothing of an absent resource is lent. */
  readonly burst: Amounts;
  /** Full demand of the VM's type. More ATP or polymerases would not make the cell grow faster. */
  readonly fullDemand: Amounts;
  readonly isRunning: boolean;
  /** The VM's measured use; resources that are not measured are absent. */
  readonly use: Amounts;
  /** The VM's present caps. */
  readonly caps: Amounts;
}

export interface Shares {
  /** Cap of every rate resource. */
  readonly caps: Amounts;
  /**
   * The idle capacity lent to the guest on top of its allocation, by resource. A resource of which nothing is lent is
   * absent.
   */
  readonly lent: Amounts;
}

/**
 * Returns the shares of each guest, by VM id. `real` is the real capacity for VMs. `oversubscribed` has the resources
 * of which the ledger offers more than the real capacity. For every other resource no cap is below the allocation, even
 * if the chassis' capacity has shrunk below its allocations.
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
    const realAmount = amountOf(real, resource);
    const capacity = oversubscribed[resource] === undefined ? Math.max(realAmount, held) : realAmount;
    const isShort = claims.reduce((sum, one) => sum + Math.min(one.guarantee, one.demand), 0) > capacity;
    for (const [i, share] of shareOut(capacity, claims).entries()) {
      const guarantee = claims[i]?.guarantee ?? 0;
      const isPaused = sharers[i]?.isRunning === false;
      const cap = isShort && !isPaused ? share.granted : guarantee + share.lent;
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
  // Full demand does not limit the use of ribosomes: in a richer medium a cell engages more of them.
  const useful = resource === "ribosomes" ? most : Math.min(most, amountOf(sharer.fullDemand, resource));
  const ceiling = Math.max(guarantee, useful);
  const use = sharer.use[resource];
  const cap = amountOf(sharer.caps, resource);
  if (use === undefined || use * 1_000 >= cap * PRESSING_PERMILLE) return ceiling;
  const step = Math.max(1, Math.floor(guarantee / STEP_PARTS));
  return Math.min(ceiling, Math.ceil((use + use / HEADROOM_PARTS) / step) * step);
}
