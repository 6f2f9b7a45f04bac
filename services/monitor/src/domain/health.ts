/**
 * How well a VM is, 0 to 100, and why it is not better.
 *
 * The model says what a cell of this type grows at under full demand; a guest's growth as a share of that is its health. What the
 * host owes it in simulated time comes off: a cell that grows well an hour behind is of little use to who waits for it.
 */
import { REFERENCE_DOUBLING_MINUTES, type Vm, type VmSample } from "@bioxen/contracts";

/** Simulated time owed at which nothing is left of the health, ms of host time: a minute behind is no service. */
const LAG_OF_NO_HEALTH_MS = 60_000;
/** Owed this much, ms, it lags: agents let time pass in steps of 0.1 s, and owe that much at any moment. */
const LAGGING_FROM_MS = 2_000;
/** Growth under this, ‰ of the type's reference rate, is none. */
const STALLED_BELOW_PERMILLE = 10;
/** Growth under this, ‰: what is short is named. Rounding of allocations costs less. */
const STARVED_BELOW_PERMILLE = 950;
/** Engaged this much of its cap, ‰, or more: that resource is what limits it. */
const LIMITING_PERMILLE = 990;

export type HealthCode = "starved" | "stalled" | "lagging" | "slow";

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

export function healthOf(
  vm: Pick<Vm, "biologicalType" | "request" | "allocation">,
  sample: VmSample,
): Health {
  const growth = growthPermille(vm, sample);
  const owed = Math.min(1, sample.lagMs / LAG_OF_NO_HEALTH_MS);
  const health = Math.round((Math.min(1_000, growth) / 10) * (1 - owed));
  return { health, reasons: [...growthReasons(growth, vm, sample), ...lagReasons(sample)] };
}

function growthReasons(
  growth: number,
  vm: Pick<Vm, "request" | "allocation">,
  sample: VmSample,
): HealthReason[] {
  if (growth >= STARVED_BELOW_PERMILLE) return [];
  const short = limitingResources(sample);
  const percent = `${Math.round(growth / 10)} % of its type's rate`;
  if (short.length > 0) {
    const code = growth < STALLED_BELOW_PERMILLE ? "stalled" : "starved";
    return [{ code, message: `${code} of ${short.join(" and ")}: grows at ${percent}` }];
  }
  if (growth < STALLED_BELOW_PERMILLE) return [{ code: "stalled", message: `does not grow: ${percent}` }];
  const shrunk = Object.keys(vm.request).filter(
    (name) => (vm.allocation?.[name] ?? 0) < (vm.request[name] ?? 0),
  );
  const why =
    shrunk.length > 0 ? `holds less ${shrunk.join(" and ")} than it asks for` : "no resource is at its limit";
  return [{ code: "slow", message: `${why}: grows at ${percent}` }];
}

/** What the cell uses all of that it may. */
function limitingResources({ ribosomes, atp, rnaPolymerases }: VmSample): string[] {
  const out: string[] = [];
  if (ribosomes.engaged * 1_000 >= ribosomes.cap * LIMITING_PERMILLE) out.push("ribosomes");
  if (atp.perSecond * 1_000 >= atp.capPerSecond * LIMITING_PERMILLE) out.push("ATP");
  if (rnaPolymerases.cap === 0) out.push("RNA polymerases");
  return out;
}

function lagReasons({ lagMs }: VmSample): HealthReason[] {
  if (lagMs < LAGGING_FROM_MS) return [];
  return [{ code: "lagging", message: `its host owes it ${(lagMs / 1_000).toFixed(1)} s of simulated time` }];
}
