/**
 * An index of large clusters by fullness: finds the best chassis for a VM without a check of every one.
 *
 * Chassis of about the same size form a size class, in order of fullness. A VM makes a chassis of the class fuller by
 * at most the VM's share of the smallest chassis. `PlacementPolicy.bound` gives the highest score for a range of
 * fullness. The search of a class therefore stops where no better chassis can follow. Identical chassis, for example
 * all empty chassis of a type, have the same score, so that only the first few of them are checked. Chassis that
 * changed after the index was built are always checked. A check of every chassis would give the same result
 * (`fullness-index.test.ts`).
 */
import { FULL_SCORE, type PlacementPolicy } from "./policy.ts";
import type { FitQuery, RoomIndex } from "./room-index.ts";
import { MAX_CANDIDATES, VerdictCounter, type VerdictSummary } from "./verdict-summary.ts";

/** Largest number of chassis for which no index is used: up to this size an index costs more than it saves. */
const SMALL_CLUSTER = 64;
/** Maximum number of size classes. More classes would be so small that the search could skip hardly any chassis. */
const MAX_SIZE_CLASSES = 64;
/** The index is built again when more than this part of all chassis has changed, per mille. */
const MAX_STALE_PERMILLE = 125;

/** Tolerance for the rounding errors of fullness values, per mille. */
const ROUNDING = 1e-6;

interface SizeClass {
  /** Indexes of the chassis in order of fullness, the best first. Identical chassis are adjacent, in order of id. */
  readonly at: readonly number[];
  readonly fullness: Float64Array;
  /** For each position in `at`, the end of the run of identical chassis that the position belongs to. */
  readonly identicalEnd: Int32Array;
  /** For each requested resource, the smallest offer of any chassis in the class. */
  readonly offered: readonly number[];
}

interface SizeClasses {
  readonly classes: readonly SizeClass[];
  /** Chassis that changed after the index was built, so that their positions may be wrong. */
  readonly stale: Set<number>;
  /** Number of entries of the room index's `changes` that `stale` already contains. */
  changesSeen: number;
}

export class FullnessIndex {
  readonly #index: RoomIndex;
  /** The size classes for each set of requested resources. Fullness is measured over these resources only. */
  readonly #indexed = new Map<string, SizeClasses>();

  constructor(index: RoomIndex) {
    this.#index = index;
  }

  /**
   * Searches for the best chassis for a VM and returns the summary of the search; undefined when every chassis must be
   * checked instead.
   */
  search(query: FitQuery): VerdictSummary | undefined {
    const { policy } = query;
    if (policy.bound === undefined || query.prefers || this.#index.rooms.length <= SMALL_CLUSTER)
      return undefined;
    const asked = [...query.amounts.keys()].filter((r) => (query.amounts[r] as number) > 0);
    const { classes, stale } = this.#classesFor(asked, isFullestFirst(policy as Bounded));
    if (classes.length > MAX_SIZE_CLASSES) return undefined;
    const counter = new VerdictCounter(this.#index.resources.length);
    for (const at of stale) counter.add(at, this.#index.verdictAt(at, query));
    for (const sizeClass of classes) this.#search(sizeClass, query, asked, policy as Bounded, counter, stale);
    return counter.summary();
  }

  #search(
    { at: order, fullness, identicalEnd, offered }: SizeClass,
    query: FitQuery,
    asked: readonly number[],
    policy: Bounded,
    counter: VerdictCounter,
    stale: ReadonlySet<number>,
  ): void {
    const share = shareOf(query, asked, offered) + ROUNDING;
    let fittingIdentical = 0;
    for (let i = 0; i < order.length; i += 1) {
      const full = fullness[i] as number;
      const most = policy.bound(Math.floor(full), Math.min(FULL_SCORE, Math.floor(full + share)));
      if (most < counter.bar) return;
      const at = order[i] as number;
      if (i > 0 && identicalEnd[i] !== identicalEnd[i - 1]) fittingIdentical = 0;
      if (stale.has(at)) continue;
      const verdict = this.#index.verdictAt(at, query);
      counter.add(at, verdict);
      if (verdict < 0) continue;
      fittingIdentical += 1;
      if (fittingIdentical === MAX_CANDIDATES) i = (identicalEnd[i] as number) - 1;
    }
  }

  #classesFor(asked: readonly number[], fullestFirst: boolean): SizeClasses {
    const { changes, rooms } = this.#index;
    const key = `${fullestFirst} ${asked.join()}`;
    let indexed = this.#indexed.get(key);
    if (indexed !== undefined) {
      for (let i = indexed.changesSeen; i < changes.length; i += 1) indexed.stale.add(changes[i] as number);
      indexed.changesSeen = changes.length;
    }
    if (indexed === undefined || indexed.stale.size * 1_000 > rooms.length * MAX_STALE_PERMILLE) {
      indexed = { classes: this.#build(asked, fullestFirst), stale: new Set(), changesSeen: changes.length };
      this.#indexed.set(key, indexed);
    }
    return indexed;
  }

  #build(asked: readonly number[], fullestFirst: boolean): SizeClass[] {
    const index = this.#index;
    const sizes = new Map<string, number[]>();
    for (let at = 0; at < index.rooms.length; at += 1) {
      // The chassis offers none of this resource, so that it can hold no VM that requests it.
      if (asked.some((r) => index.offeredAt(at, r) === 0)) continue;
      // The sizes within a class differ by less than a factor of two, and so do the shares that a VM takes.
      const size = asked.map((r) => Math.floor(Math.log2(index.offeredAt(at, r)))).join();
      const sizeClass = sizes.get(size);
      if (sizeClass === undefined) sizes.set(size, [at]);
      else sizeClass.push(at);
    }
    const all = new Float64Array(index.rooms.length);
    for (let at = 0; at < all.length; at += 1) all[at] = this.#fullnessAt(at, asked);
    const sign = fullestFirst ? -1 : 1;
    return [...sizes.values()].map((order) => {
      order.sort(
        (a, b) => sign * ((all[a] as number) - (all[b] as number)) || this.#difference(a, b, asked) || a - b,
      );
      const identicalEnd = new Int32Array(order.length);
      for (let i = order.length - 1, end = order.length; i >= 0; i -= 1) {
        if (
          i + 1 < order.length &&
          this.#difference(order[i] as number, order[i + 1] as number, asked) !== 0
        ) {
          end = i + 1;
        }
        identicalEnd[i] = end;
      }
      const offered = asked.map((r) => Math.min(...order.map((at) => index.offeredAt(at, r))));
      const fullness = Float64Array.from(order, (at) => all[at] as number);
      return { at: order, fullness, identicalEnd, offered };
    });
  }

  /** Compares two chassis for sorting. Returns 0 when they are equal in everything that a score depends on. */
  #difference(a: number, b: number, asked: readonly number[]): number {
    const index = this.#index;
    for (const r of asked) {
      const difference =
        index.freeAt(a, r) - index.freeAt(b, r) || index.offeredAt(a, r) - index.offeredAt(b, r);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  #fullnessAt(at: number, asked: readonly number[]): number {
    let fullest = 0;
    for (const r of asked) {
      const offered = this.#index.offeredAt(at, r);
      fullest = Math.max(fullest, ((offered - this.#index.freeAt(at, r)) * FULL_SCORE) / offered);
    }
    return fullest;
  }
}

type Bounded = PlacementPolicy & Required<Pick<PlacementPolicy, "bound">>;

/**
 * Returns the VM's share of the resource of which it requests the largest share. The share of a resource is in
 * thousandths of the smallest offer in the class (`offered`).
 */
function shareOf(query: FitQuery, asked: readonly number[], offered: readonly number[]): number {
  let share = 0;
  for (const [i, r] of asked.entries()) {
    share = Math.max(share, ((query.amounts[r] as number) * FULL_SCORE) / (offered[i] as number));
  }
  return share;
}

function isFullestFirst({ bound }: Bounded): boolean {
  return bound(FULL_SCORE, FULL_SCORE) >= bound(0, 0);
}
