/**
 * Health of a VM, 0 to 100, and the reasons why it is not 100.
 *
 * The model gives a reference rate for each cell type: its growth rate at full demand. The health of a guest is its own
 * growth rate as a share of the reference rate. A lag of the guest reduces the health: a cell that grows well but an
 * hour late is of little use. A machine of a pool without a cell is healthy while its host measures it, and while its
 * operating system has memory left. A cell in a machine is judged as both.
 */
import {
  BUILT_IN_MODELS,
  fullDemandOfTypes,
  type HEALTH_CODES,
  isCellSample,
  otherModelOf,
  REFERENCE_DOUBLING_MINUTES,
  type Vm,
  type VmSample,
  withDemand,
} from "@bioxen/contracts";
import { amountOf } from "@bioxen/kernel";

/** Lag at which the health is 0, ms of host time: a guest one minute behind counts as out of service. */
const LAG_AT_ZERO_HEALTH_MS = 60_000;
/**
 * Lag from which the VM is reported as lagging, ms. Agents advance time in steps of 0.1 s, so a lag of that size is
 * normal.
 */
const LAGGING_FROM_MS = 2_000;
/** Growth below this, ‰ of the reference rate of the type, counts as stalled. */
const STALLED_BELOW_PERMILLE = 10;
/**
 * Growth below this, ‰ of the reference rate, is reported together with the scarce resources. Rounding of allocations
 * alone costs less than the remaining 50 ‰.
 */
const STARVED_BELOW_PERMILLE = 950;

/** Used memory of a machine from which it is reported, ‰: an operating system with less free memory begins to swap. */
export const MEMORY_FULL_FROM_PERMILLE = 950;
/** Health of a machine whose memory is nearly full: it runs, and may soon stop to answer. */
const MEMORY_FULL_HEALTH = 50;

export type HealthCode = (typeof HEALTH_CODES)[number];

export interface HealthReason {
  readonly code: HealthCode;
  /** A phrase for operators, with the numbers. */
  readonly message: string;
}

export interface Health {
  /** Integer, 0 to 100; null for a machine that its host does not measure. */
  readonly health: number | null;
  readonly reasons: readonly HealthReason[];
}

/** What the health of a VM follows from, beside its sample. */
type Measured = Pick<Vm, "biologicalType"> & { readonly config?: Vm["config"] | undefined };

/**
 * Returns the growth as ‰ of the growth of the type at full demand, rounded; above 1000 in a rich medium. Returns null
 * for a machine without a cell, which does not grow, and 0 for a cell in a machine that has failed. Of a cell of another
 * model it is what the model says by its health, which is this share in percent.
 */
export function growthPermille(
  vm: Measured,
  sample: Pick<VmSample, "growthRatePerMinute" | "machine"> & Partial<Pick<VmSample, "health">>,
): number | null {
  if (sample.machine?.agent?.state === "failed") return 0;
  if (!isCellSample(sample) || sample.growthRatePerMinute === undefined) return null;
  if (otherModelOf(vm.config) !== undefined) return Math.round(10 * (sample.health ?? 0));
  const reference = Math.LN2 / REFERENCE_DOUBLING_MINUTES[vm.biologicalType];
  return Math.max(0, Math.round((1_000 * sample.growthRatePerMinute) / reference));
}

export function healthOf(vm: Measured, sample: VmSample): Health {
  const { machine } = sample;
  if (machine === undefined) return cellHealth(vm, sample);
  if (machine.agent?.state === "failed") return failedCell(machine.agent.reason);
  if (!isCellSample(sample)) return machineHealth(machine);
  // A cell in a machine is as healthy as the worse of the two. An unmeasured machine says nothing about its cell.
  const [own, its] = [cellHealth(vm, sample), machineHealth(machine)];
  const reasons = [...own.reasons, ...its.reasons];
  return { health: Math.min(own.health ?? 0, its.health ?? 100), reasons };
}

function cellHealth(vm: Measured, sample: VmSample): Health {
  const lagShare = Math.min(1, sample.lagMs / LAG_AT_ZERO_HEALTH_MS);
  const growth = growthPermille(vm, sample) ?? 0;
  const health = Math.round((Math.min(1_000, growth) / 10) * (1 - lagShare));
  // What a cell of another model lacks is known to its model only.
  if (otherModelOf(vm.config) !== undefined) return { health, reasons: lagReasons(sample) };
  return { health, reasons: [...growthReasons(growth, vm, sample), ...lagReasons(sample)] };
}

function failedCell(reason = "its guest agent gives no reason"): Health {
  return {
    health: 0,
    reasons: [{ code: "stalled", message: `the cell in its machine has failed: ${reason}` }],
  };
}

type Machine = NonNullable<VmSample["machine"]>;

/** Returns the used share of a machine's memory, ‰; null without the guest tools, which report it. */
export function machineMemoryPermille({ memoryUsedMiB, memoryMiB }: Machine): number | null {
  return memoryUsedMiB === null || memoryMiB < 1 ? null : Math.round((1_000 * memoryUsedMiB) / memoryMiB);
}

/** Returns true when the host has no recent measurement of the machine. */
export function isUnmeasured({ cpuPermille }: Machine): boolean {
  return cpuPermille === null;
}

function machineHealth(machine: Machine): Health {
  if (isUnmeasured(machine)) {
    const message = "its pool does not measure the machine: the log of its agent says why";
    return { health: null, reasons: [{ code: "unmeasured", message }] };
  }
  const used = machineMemoryPermille(machine) ?? 0;
  if (used < MEMORY_FULL_FROM_PERMILLE) return { health: 100, reasons: [] };
  const message = `uses ${Math.round(used / 10)} % of its memory of ${machine.memoryMiB} MiB`;
  return { health: MEMORY_FULL_HEALTH, reasons: [{ code: "memory", message }] };
}

function growthReasons(growth: number, vm: Measured, sample: VmSample): HealthReason[] {
  if (growth >= STARVED_BELOW_PERMILLE) return [];
  const rate = `grows at ${Math.round(growth / 10)} % of its type's rate`;
  const short = shortages(vm, sample);
  const isStalled = growth < STALLED_BELOW_PERMILLE;
  if (short.length > 0) {
    const code = isStalled ? "stalled" : "starved";
    return [{ code, message: `has ${short.join(" and ")}: ${rate}` }];
  }
  return [{ code: isStalled ? "stalled" : "slow", message: `has all the resources it needs: ${rate}` }];
}

/**
 * Returns the resources whose cap is below the demand of the type: in the model each of these slows the cell. The used
 * share of a cap is no evidence, because some ribosomes are always idle and ATP is limited where it is produced.
 */
function shortages({ biologicalType, config }: Measured, sample: VmSample): string[] {
  const types = withDemand({ biologicalType, vmType: "basic", config }, BUILT_IN_MODELS);
  const needs = fullDemandOfTypes(types);
  const caps = {
    ribosomes: { name: "ribosomes", cap: sample.ribosomes?.cap },
    atpPerSecond: { name: "ATP", cap: sample.atp?.capPerSecond },
    rnaPolymerases: { name: "RNA polymerases", cap: sample.rnaPolymerases?.cap },
  } as const;
  return Object.entries(caps).flatMap(([resource, { name, cap }]) => {
    const need = amountOf(needs, resource);
    return cap !== undefined && cap < need
      ? [`${Math.round((100 * cap) / need)} % of the ${name} it needs`]
      : [];
  });
}

function lagReasons({ lagMs }: VmSample): HealthReason[] {
  if (lagMs < LAGGING_FROM_MS) return [];
  return [
    { code: "lagging", message: `its host is ${(lagMs / 1_000).toFixed(1)} s behind in simulated time` },
  ];
}
