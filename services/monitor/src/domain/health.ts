/**
 * How well a VM is, 0 to 100, and why it is not better.
 *
 * The model says what a cell of this type grows at under full demand; a guest's growth as a share of that is its
 * health. What the host owes it in simulated time comes off: a cell that grows well an hour behind is of little use to
 * who waits for it.
 */
import {
  FULL_DEMAND,
  type HEALTH_CODES,
  REFERENCE_DOUBLING_MINUTES,
  type Vm,
  type VmSample,
} from "@bioxen/contracts";
import { amountOf } from "@bioxen/kernel";

/** Simulated time owed at which nothing is left of the health, ms of host time: a minute behind is no service. */
const LAG_OF_NO_HEALTH_MS = 60_000;
/** Owed this much, ms, it lags: agents let time pass in steps of 0.1 s, and owe that much at any moment. */
const LAGGING_FROM_MS = 2_000;
/** Growth under this, ‰ of the type's reference rate, is none. */
const STALLED_BELOW_PERMILLE = 10;
/** Growth under this, ‰: what is short is named. Rounding of allocations costs less. */
const STARVED_BELOW_PERMILLE = 950;

export type HealthCode = (typeof HEALTH_CODES)[number];

export interface HealthReason {
  readonly code: HealthCode;
  /** In words, with the numbers. */
  readonly message: string;
}

export interface Health {
  /** Integer, 0 to 100. */
  readonly health: number;
  readonly reasons: readonly HealthReason[];
}

/** Growth as ‰ of what the type grows at under full demand, rounded; may be above 1000 in a rich medium. */
export function growthPermille(
  vm: Pick<Vm, "biologicalType">,
  sample: Pick<VmSample, "growthRatePerMinute">,
): number {
  const reference = Math.LN2 / REFERENCE_DOUBLING_MINUTES[vm.biologicalType];
  return Math.max(0, Math.round((1_000 * sample.growthRatePerMinute) / reference));
}

export function healthOf(vm: Pick<Vm, "biologicalType">, sample: VmSample): Health {
  const growth = growthPermille(vm, sample);
  const owed = Math.min(1, sample.lagMs / LAG_OF_NO_HEALTH_MS);
  const health = Math.round((Math.min(1_000, growth) / 10) * (1 - owed));
  return { health, reasons: [...growthReasons(growth, vm, sample), ...lagReasons(sample)] };
}

function growthReasons(growth: number, vm: Pick<Vm, "biologicalType">, sample: VmSample): HealthReason[] {
  if (growth >= STARVED_BELOW_PERMILLE) return [];
  const rate = `grows at ${Math.round(growth / 10)} % of its type's rate`;
  const short = shortages(vm, sample);
  const isStalled = growth < STALLED_BELOW_PERMILLE;
  if (short.length > 0) {
    const code = isStalled ? "stalled" : "starved";
    return [{ code, message: `has ${short.join(" and ")}: ${rate}` }];
  }
  return [{ code: isStalled ? "stalled" : "slow", message: `is given all it needs, and ${rate}` }];
}

/**
 * What it may use less of than its type needs: below the full demand each of these slows a cell, as the model has it.
 * How much of a cap is in use says nothing: some places always stand empty, and ATP is limited where it is made.
 */
function shortages({ biologicalType }: Pick<Vm, "biologicalType">, sample: VmSample): string[] {
  const needs = FULL_DEMAND[biologicalType];
  const caps = {
    ribosomes: { name: "ribosomes", cap: sample.ribosomes.cap },
    atpPerSecond: { name: "ATP", cap: sample.atp.capPerSecond },
    rnaPolymerases: { name: "RNA polymerases", cap: sample.rnaPolymerases.cap },
  } as const;
  return Object.entries(caps).flatMap(([resource, { name, cap }]) => {
    const need = amountOf(needs, resource);
    return cap < need ? [`${Math.round((100 * cap) / need)} % of the ${name} it needs`] : [];
  });
}

function lagReasons({ lagMs }: VmSample): HealthReason[] {
  if (lagMs < LAGGING_FROM_MS) return [];
  return [{ code: "lagging", message: `its host owes it ${(lagMs / 1_000).toFixed(1)} s of simulated time` }];
}
