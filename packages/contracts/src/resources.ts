/**
 * Resources, biological types and chassis types, with the numbers of the contract.
 *
 * Measured biology:
 *
 * - syn3a: 503 ribosomes, 187 RNA polymerases, genome of 543 kb (Thornburg 2022, doi:10.1016/j.cell.2021.12.025).
 * - minimal_cell: genome of 531 kb, doubling time 180 min (Hutchison 2016, doi:10.1126/science.aad6253). Its number of
 *   ribosomes is a prediction of the model.
 * - ecoli: 26 300 ribosomes and 5 000 RNA polymerases at a doubling time of 40 min (Bremer & Dennis 2008).
 *
 * ATP per second is 4 ATP per amino acid at the reference growth rate. Chosen limits: every `maxVms`, the orthogonal
 * chassis, the yeast chassis' polymerases and ATP, ecoli's 12 Mb of genome space.
 */
import { type Amounts, afterOverhead } from "@bioxen/kernel";

export const CELL_RESOURCES = ["ribosomes", "rnaPolymerases", "atpPerSecond", "dnaKilobases"] as const;
export const POOL_RESOURCES = ["vcpus", "memoryMiB"] as const;
export const RESOURCE_NAMES = [...CELL_RESOURCES, ...POOL_RESOURCES] as const;
/**
 * Resources that are used as a rate. Another VM can use such a resource while its holder is idle, so it can be borrowed
 * and oversubscribed. The space of a genome cannot.
 */
export const RATE_RESOURCES = ["ribosomes", "rnaPolymerases", "atpPerSecond"] as const;
export type ResourceName = (typeof RESOURCE_NAMES)[number];

export const BIOLOGICAL_TYPES = ["syn3a", "ecoli", "minimal_cell"] as const;
export type BiologicalType = (typeof BIOLOGICAL_TYPES)[number];

export const VM_TYPES = ["basic", "xcpng"] as const;
export type VmType = (typeof VM_TYPES)[number];

/**
 * Returns true when a guest of this type cannot run without its agent. Such a guest ends with the agent's process, and
 * an agent that loses its connection pauses the guest. The loss of the chassis is then the loss of the guest, and the
 * VM is placed elsewhere. Guests of a pool continue without their agent; a VM of a pool would run twice if it were
 * placed elsewhere.
 */
export function endsWithAgent(vmType: VmType): boolean {
  return vmType === "basic";
}

export const CHASSIS_TYPES = ["ecoli", "yeast", "orthogonal", "xcpng"] as const;
export type ChassisType = (typeof CHASSIS_TYPES)[number];

/** The resources with which a cell grows at its type's reference rate; the default request of a `basic` VM. */
export const FULL_DEMAND: Readonly<Record<BiologicalType, Amounts>> = {
  syn3a: { atpPerSecond: 13_247, dnaKilobases: 543, ribosomes: 503, rnaPolymerases: 187 },
  minimal_cell: { atpPerSecond: 7_727, dnaKilobases: 531, ribosomes: 368, rnaPolymerases: 187 },
  ecoli: { atpPerSecond: 1_480_454, dnaKilobases: 4_642, ribosomes: 26_300, rnaPolymerases: 5_000 },
};

/** The default request of an `xcpng` VM. */
export const XCPNG_DEMAND: Amounts = { memoryMiB: 2_048, vcpus: 2 };

/** Doubling time of each type at full demand, in minutes. */
export const REFERENCE_DOUBLING_MINUTES: Readonly<Record<BiologicalType, number>> = {
  syn3a: 105,
  minimal_cell: 180,
  ecoli: 40,
};

export interface ChassisDefaults {
  readonly capacity: Amounts;
  readonly maxVms: number;
}

/** The default share of every cell resource that the hypervisor keeps for itself, in permille. */
export const DEFAULT_OVERHEAD_PERMILLE = 150;

/** Returns the default request of a VM of these types with the built-in model. */
export function fullDemand(biologicalType: BiologicalType, vmType: VmType): Amounts {
  return fullDemandOfTypes({ biologicalType, vmType });
}

/** Returns the default request of a VM of these types: the full demand of its cell, or that of a machine. */
export function fullDemandOfTypes({ biologicalType, vmType, cellDemand }: VmTypes): Amounts {
  return vmType === "xcpng" ? XCPNG_DEMAND : (cellDemand ?? FULL_DEMAND[biologicalType]);
}

/** Offered share of a resource that is not oversubscribed, in permille of the real capacity: all of it, and no more. */
export const NOT_OVERSUBSCRIBED_PERMILLE = 1_000;
/**
 * Maximum offered share of a resource, in permille of the real capacity. Above this maximum, the fair share of a VM
 * could be less than a quarter of its allocation.
 */
export const MAX_OVERSUBSCRIBE_PERMILLE = 4_000;

/** Returns true for a pool: the chassis type is `xcpng`, or the chassis offers virtual CPUs or memory. */
export function isPool(chassisType: string, capacity: Amounts): boolean {
  return chassisType === "xcpng" || POOL_RESOURCES.some((name) => name in capacity);
}

/**
 * Returns the real capacity that a chassis has for VMs: for a cell chassis, its capacity minus the hypervisor's share.
 * Pools already account for their hypervisor, so nothing is subtracted.
 */
export function realOffer(chassisType: string, capacity: Amounts, overheadPermille: number): Amounts {
  return isPool(chassisType, capacity) ? capacity : afterOverhead(capacity, overheadPermille);
}

/**
 * Returns the amounts that a chassis' ledger offers: the real capacity times the oversubscription of each resource,
 * rounded down.
 */
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

/** The requested value of one resource: an amount, or a share of the full demand, written `"NN%"`. */
export type RequestedAmount = number | string;

/**
 * Returns the amounts of a request. A resource that the request omits gets its amount from `base`. A share `"NN%"`
 * refers to `full` and is rounded up, so that a share above 0 % is never 0.
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

/** The types of a VM that decide which resources it has. */
export interface VmTypes {
  readonly biologicalType: BiologicalType;
  readonly vmType: VmType;
  /** Full demand of the VM's cell by its model and parameter set; absent: that of the biological type. */
  readonly cellDemand?: Amounts | undefined;
}

/**
 * The amounts that a VM asks for. A ledger counts `request`. `cell` limits the cell inside a machine of a pool, and no
 * ledger counts it; absent: the cell has its full demand, or the machine has no cell.
 */
export interface RequestParts {
  readonly request: Amounts;
  readonly cell?: Amounts | undefined;
}

/** Returns every amount that a request of a VM of these types can name, each at its default. */
export function requestableAmounts(types: VmTypes): Amounts {
  const own = fullDemandOfTypes(types);
  if (types.vmType !== "xcpng") return own;
  return { ...(types.cellDemand ?? FULL_DEMAND[types.biologicalType]), ...own };
}

/**
 * Returns the amounts of a request. A resource that the request omits gets its amount from `before`; without `before`,
 * a counted resource gets its default.
 */
export function requestParts(
  types: VmTypes,
  requested: Readonly<Partial<Record<ResourceName, RequestedAmount | undefined>>>,
  before?: RequestParts,
): RequestParts {
  const full = requestableAmounts(types);
  const counted = before?.request ?? fullDemandOfTypes(types);
  const request = requestedAmounts(requested, full, counted);
  if (types.vmType !== "xcpng") return { request };
  const named = CELL_RESOURCES.filter((name) => requested[name] !== undefined).map((name) => [name, 0]);
  const cell = requestedAmounts(requested, full, { ...before?.cell, ...Object.fromEntries(named) });
  return Object.keys(cell).length === 0 ? { request } : { request, cell };
}

/** Returns counted amounts together with those of the cell in the machine, as requests and views have them. */
export function withCell(counted: Amounts, cell: Amounts | undefined): Amounts {
  return cell === undefined ? counted : { ...counted, ...cell };
}
