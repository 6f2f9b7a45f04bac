/**
 * The smallest allocation under which a cell still grows nearly as well as it could.
 *
 * Growth under constant conditions is what `steadyState` predicts, and it does not rise when something is taken away. So resources
 * are lowered by the same part of each, first by halves, then by ever smaller parts, every time the one whose loss costs least
 * growth, until nothing can be lowered by even the smallest part. What a cell does not need so goes first and for nothing, and the
 * tolerance is spent where it buys most.
 *
 * Deterministic, and bounded: some 60 to 150 steady states of a few milliseconds. The result is a local optimum: no single resource can be
 * lowered by 1 % more. Another mixture of resources may be as good, and which is smaller then depends on what they are worth.
 * A cell that swings for ever has no growth rate, only one of an instant; for it the answer is a guess.
 */
import type { CellAllocation, CellEnvironment } from "./allocation.ts";
import { type BiologicalType, type CellResource, cellTypeOf, type ParameterSetName } from "./cell-types.ts";
import { type SteadyState, steadyState } from "./steady-state.ts";

/** Of the best growth, what an optimised cell may miss, thousandths: 2 % of a growth rate is less than two cultures differ by. */
export const OPTIMISE_TOLERANCE_PERMILLE = 20;
/** Resources that change growth; room for a genome does not shrink. */
const RATES = ["ribosomes", "rnaPolymerases", "atpPerSecond"] as const satisfies readonly CellResource[];
/** The parts by which an amount is lowered: a half, a quarter … one in so many. Less than 1 %, which is what is promised. */
const SMALLEST_PART = 128;
/** Steady states computed at most: what was tried needs less than a third. */
const MAX_EVALUATIONS = 500;

export interface OptimiseOptions {
  readonly biologicalType: BiologicalType;
  readonly parameterSet?: ParameterSetName | undefined;
  readonly environment?: CellEnvironment | undefined;
  /** What it may have at most; default: the type's full demand. */
  readonly most?: CellAllocation | undefined;
}

export interface Optimum {
  /** The smallest allocation found; the genome's room is that of `most`. */
  readonly allocation: Readonly<Record<CellResource, number>>;
  readonly growthRatePerMinute: number;
  readonly doublingTimeMinutes: number | null;
  /** Under `most`. */
  readonly best: { readonly growthRatePerMinute: number; readonly doublingTimeMinutes: number | null };
  /** Steady states computed, each some milliseconds. */
  readonly evaluations: number;
}

/** Throws `RangeError` that lists what is wrong with the options. */
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

/** One resource lowered by one part in `part`, the one of which growth misses least; undefined when each is missed too much. */
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
