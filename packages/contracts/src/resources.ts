/**
 * Resources, biological types and chassis types: the numbers of the contract, §2.
 *
 * Measured biology: syn3a ribosomes 503, RNA polymerases 187, genome 543 kb (Thornburg 2022, doi:10.1016/j.cell.2021.12.025);
 * minimal_cell genome 531 kb, 180 min (Hutchison 2016, doi:10.1126/science.aad6253), its ribosomes a prediction of the
 * model; ecoli ribosomes 26 300 and polymerases 5 000 at 40 min (Bremer & Dennis 2008); ATP per second is
 * 4 ATP per amino acid at the reference growth rate. Chosen limits: every `maxVms`, the orthogonal chassis, the yeast
 * chassis' polymerases and ATP, ecoli's 12 Mb of genome space.
 */
import { type Amounts, afterOverhead } from "@bioxen/kernel";

export const CELL_RESOURCES = ["ribosomes", "rnaPolymerases", "atpPerSecond", "dnaKilobases"] as const;
export const POOL_RESOURCES = ["vcpus", "memoryMiB"] as const;
export const RESOURCE_NAMES = [...CELL_RESOURCES, ...POOL_RESOURCES] as const;
/** Used as a rate, so that what one leaves idle another can use at that moment: these are lent and may be oversubscribed. A genome takes room. */
export const RATE_RESOURCES = ["ribosomes", "rnaPolymerases", "atpPerSecond"] as const;
export type ResourceName = (typeof RESOURCE_NAMES)[number];

export const BIOLOGICAL_TYPES = ["syn3a", "ecoli", "minimal_cell"] as const;
export type BiologicalType = (typeof BIOLOGICAL_TYPES)[number];

export const VM_TYPES = ["basic", "xcpng"] as const;
export type VmType = (typeof VM_TYPES)[number];

/**
 * Whether a guest of this type ends with its agent, or is held by it when it is cut off: then a lost chassis has lost it, and its VM
 * is placed elsewhere. Guests of a pool run on without their agent: placed elsewhere they would run twice.
 */
export function endsWithAgent(vmType: VmType): boolean {
  return vmType === "basic";
}

export const CHASSIS_TYPES = ["ecoli", "yeast", "orthogonal", "xcpng"] as const;
export type ChassisType = (typeof CHASSIS_TYPES)[number];

/** What a cell needs to grow at its type's reference rate; the default request of a `basic` VM. */
export const FULL_DEMAND: Readonly<Record<BiologicalType, Amounts>> = {
  syn3a: { atpPerSecond: 13_247, dnaKilobases: 543, ribosomes: 503, rnaPolymerases: 187 },
  minimal_cell: { atpPerSecond: 7_727, dnaKilobases: 531, ribosomes: 368, rnaPolymerases: 187 },
  ecoli: { atpPerSecond: 1_480_454, dnaKilobases: 4_642, ribosomes: 26_300, rnaPolymerases: 5_000 },
};

/** The default request of an `xcpng` VM. */
export const XCPNG_DEMAND: Amounts = { memoryMiB: 2_048, vcpus: 2 };

/** Doubling time at full demand, minutes. */
export const REFERENCE_DOUBLING_MINUTES: Readonly<Record<BiologicalType, number>> = {
  syn3a: 105,
  minimal_cell: 180,
  ecoli: 40,
};

export interface ChassisDefaults {
  readonly capacity: Amounts;
  readonly maxVms: number;
}

/** The hypervisor's own share of every cell resource, thousandths. */
export const DEFAULT_OVERHEAD_PERMILLE = 150;

/** The default request of a VM of these types. */
export function fullDemand(biologicalType: BiologicalType, vmType: VmType): Amounts {
  return vmType === "xcpng" ? XCPNG_DEMAND : FULL_DEMAND[biologicalType];
}

/** What oversubscription is by itself, thousandths: none. */
export const NOT_OVERSUBSCRIBED_PERMILLE = 1_000;
/** Most a resource may be oversubscribed, thousandths: with more, a VM that gets its share gets less than a quarter of what it holds. */
export const MAX_OVERSUBSCRIBE_PERMILLE = 4_000;

/** Of whatever type, what offers virtual CPUs or memory is a pool. */
export function isPool(chassisType: string, capacity: Amounts): boolean {
  return chassisType === "xcpng" || POOL_RESOURCES.some((name) => name in capacity);
}

/** What there really is for VMs: pools account for their hypervisor themselves, so only cell chassis keep an overhead. */
export function realOffer(chassisType: string, capacity: Amounts, overheadPermille: number): Amounts {
  return isPool(chassisType, capacity) ? capacity : afterOverhead(capacity, overheadPermille);
}

/** What the ledger of a chassis gives away: what there really is, and of what is oversubscribed so many thousandths, rounded down. */
export function offeredOf({
  chassisType,
  capacity,
  overheadPermille,
  oversubscribePermille = {},
}: {
  readonly chassisType: string;
  readonly capacity: Amounts;
  readonly overheadPermille: number;
  readonly oversubscribePermille?: Amounts | undefined;
}): Amounts {
  const real = realOffer(chassisType, capacity, overheadPermille);
  return Object.fromEntries(
    Object.entries(real).map(([name, amount]) => {
      const permille = oversubscribePermille[name] ?? NOT_OVERSUBSCRIBED_PERMILLE;
      return [name, Math.floor((amount * permille) / NOT_OVERSUBSCRIBED_PERMILLE)];
    }),
  );
}

/** One resource of a request: an amount, or a share of full demand as `"NN%"`. */
export type RequestedAmount = number | string;

/**
 * Amounts of a request; names it leaves out take `base`. A share is of `full` and rounded up, so that a share above
 * 0 % never becomes nothing.
 */
export function requestedAmounts(
  requested: Readonly<Partial<Record<ResourceName, RequestedAmount | undefined>>>,
  full: Amounts,
  base: Amounts,
): Amounts {
  const out: Record<string, number> = {};
  for (const name of Object.keys(base).sort()) {
    const value = requested[name as ResourceName];
    if (value === undefined) out[name] = base[name] ?? 0;
    else if (typeof value === "number") out[name] = value;
    else out[name] = Math.ceil(((full[name] ?? 0) * Number.parseInt(value, 10)) / 100);
  }
  return out;
}
