/**
 * Finds the smallest allocation under which a cell grows nearly at its best rate.
 *
 * `steadyState` predicts the growth under constant conditions. A reduction of a resource never raises that growth. The
 * search reduces one resource at a time by a fraction of its amount, first by a half, then by smaller fractions. It
 * always chooses the resource whose reduction costs the least growth. It ends when no resource can be reduced by even
 * the smallest fraction. Unused amounts are thus removed first, because their removal costs no growth. The tolerated
 * loss of growth is spent where it saves most.
 *
 * The search is deterministic and bounded: it computes 60 to 150 steady states, each in a few milliseconds. The result
 * is a local optimum: no single resource can be reduced by a further 1 %. Another combination of resources may be
 * equally good. An oscillating cell has no constant growth rate, so its result is an estimate.
 */
import type { CellAllocation, CellEnvironment } from "./allocation.ts";
import { type BiologicalType, type CellResource, cellTypeOf, type ParameterSetName } from "./cell-types.ts";
import { type SteadyState, steadyState } from "./steady-state.ts";

/**
 * Maximum loss of growth rate of an optimised cell, permille of the best rate. A loss of 2 % is acceptable, because the
 * growth rates of two cultures differ by more than that.
 */
export const OPTIMISE_TOLERANCE_PERMILLE = 20;
/**
 * The resources that the search reduces: those that affect growth. DNA is not among them, because the genome needs all
 * of its room.
 */
const RATES = ["ribosomes", "rnaPolymerases", "atpPerSecond"] as const satisfies readonly CellResource[];
/**
 * The divisor of the smallest reduction. The search reduces a resource by a half, then by a quarter, and so on down to
 * 1/128 of its amount. 1/128 is less than 1 %, so the result is a local optimum to within 1 % of each resource.
 */
const SMALLEST_PART = 128;
/** Maximum number of steady states that one search computes. Every tested search needs under a third of this number. */
const MAX_EVALUATIONS = 500;

export interface OptimiseOptions {
  readonly biologicalType: BiologicalType;
  readonly parameterSet?: ParameterSetName | undefined;
  readonly environment?: CellEnvironment | undefined;
  /** Largest allocation, from which the search starts; default: the full demand of the type. */
  readonly most?: CellAllocation | undefined;
}

export interface Optimum {
  /** The smallest allocation found. Its DNA, the room for the genome, is that of `most`. */
  readonly allocation: Readonly<Record<CellResource, number>>;
  readonly growthRatePerMinute: number;
  readonly doublingTimeMinutes: number | null;
  /** The growth under `most`, the largest allocation. */
  readonly best: { readonly growthRatePerMinute: number; readonly doublingTimeMinutes: number | null };
  /** The number of steady states that the search computed; each takes a few milliseconds. */
  readonly evaluations: number;
}

/**
 * Returns the smallest allocation with nearly the best growth, the growth under that allocation, and the best growth.
 * Throws a `RangeError` that lists every problem of the options.
 */
export function optimiseAllocation(options: OptimiseOptions): Optimum {
  const { biologicalType, parameterSet, environment } = options;
  const most = { ...cellTypeOf(biologicalType, parameterSet).fullDemand, ...options.most };
  const known = new Map<string, SteadyState>();
  const stateUnder = (allocation: CellAllocation): SteadyState => {
    const key = RATES.map((name) => allocation[name]).join(" ");
    const state = known.get(key) ?? steadyState({ biologicalType, parameterSet, environment, allocation });
    known.set(key, state);
    return state;
  };
  const best = stateUnder(most);
  const enough = (best.growthRatePerMinute * (1_000 - OPTIMISE_TOLERANCE_PERMILLE)) / 1_000;
  let allocation: Record<CellResource, number> = { ...most };
  for (let part = 2; part <= SMALLEST_PART && best.growthRatePerMinute > 0; part *= 2) {
    for (;;) {
      const next = leastMissed(allocation, part, enough, (one) => stateUnder(one).growthRatePerMinute);
      if (next === undefined || known.size > MAX_EVALUATIONS) break;
      allocation = next;
    }
  }
  const { growthRatePerMinute, doublingTimeMinutes } = stateUnder(allocation);
  return {
    allocation,
    growthRatePerMinute,
    doublingTimeMinutes,
    best: {
      growthRatePerMinute: best.growthRatePerMinute,
      doublingTimeMinutes: best.doublingTimeMinutes,
    },
    evaluations: known.size,
  };
}

/**
 * Returns `allocation` with one resource reduced by 1/`part` of its amount. The function chooses the resource whose
 * reduction costs the least growth. Returns undefined if every reduction lowers the growth rate below `enough`.
 */
function leastMissed(
  allocation: Readonly<Record<CellResource, number>>,
  part: number,
  enough: number,
  growthUnder: (allocation: CellAllocation) => number,
): Record<CellResource, number> | undefined {
  let found: Record<CellResource, number> | undefined;
  let foundGrowth = enough;
  for (const name of RATES) {
    const amount = allocation[name];
    const lower = { ...allocation, [name]: amount - Math.max(1, Math.floor(amount / part)) };
    if (amount === 0) continue;
    const growth = growthUnder(lower);
    if (growth < foundGrowth || (found !== undefined && growth === foundGrowth)) continue;
    found = lower;
    foundGrowth = growth;
  }
  return found;
}
