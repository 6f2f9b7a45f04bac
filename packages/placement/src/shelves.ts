/**
 * The best chassis of a large cluster without a look at every one.
 *
 * Chassis of about one size stand on one shelf in order of how full they are. Putting a VM on one makes its tightest resource fuller by
 * at most the share that the VM takes of the smallest chassis of the shelf; a policy that says what it can score at most for such a
 * fullness (`PlacementPolicy.bound`) lets the search stop where nothing better can come. Twins, as all empty chassis of a type are, score
 * the same, so of many only the first are looked at. Chassis that changed since the shelves were filled are looked at each time. What
 * is found is what a look at all would have found (`shelves.test.ts`).
 */
import { FULL_SCORE, type PlacementPolicy } from "./policy.ts";
import type { Ask, RoomIndex } from "./room-index.ts";
import { MAX_CANDIDATES, type Survey, Tally } from "./survey.ts";

/** In a cluster of no more chassis than this the detour costs more than it saves. */
const SMALL_CLUSTER = 64;
/** Sizes of chassis told apart; of more, each shelf would hold too few to leave any out. */
const MAX_SHELVES = 64;
/** Shelves are filled again when this part of all chassis has changed since, per mille. */
const MAX_MOVED_PERMILLE = 125;

/** Divisions of sums differ from sums of divisions by less than this, per mille. */
const ROUNDING = 1e-6;

interface Shelf {
  /** The best first: by fullness, twins together in order of id. */
  readonly at: readonly number[];
  readonly fullness: Float64Array;
  /** Where the twins of each end. */
  readonly twinsEnd: Int32Array;
  /** Smallest offer of each resource asked for, over the shelf. */
  readonly offered: readonly number[];
}

interface Shelving {
  readonly shelves: readonly Shelf[];
  /** Chassis that do not stand where they belong any more. */
  readonly moved: Set<number>;
  /** Changes of the index that are in `moved`. */
  seen: number;
}

export class Shelves {
  readonly #index: RoomIndex;
  /** By the resources that are asked for: fullness is that of these. */
  readonly #filled = new Map<string, Shelving>();

  constructor(index: RoomIndex) {
    this.#index = index;
  }

  /** undefined where every chassis must be looked at. */
  search(ask: Ask): Survey | undefined {
    const { policy } = ask;
    if (policy.bound === undefined || ask.prefers || this.#index.rooms.length <= SMALL_CLUSTER)
      return undefined;
    const asked = [...ask.amounts.keys()].filter((r) => (ask.amounts[r] as number) > 0);
    const { shelves, moved } = this.#shelvingFor(asked, isFullestFirst(policy as Bounded));
    if (shelves.length > MAX_SHELVES) return undefined;
    const tally = new Tally(this.#index.resources.length);
    for (const at of moved) tally.add(at, this.#index.verdictAt(at, ask));
    for (const shelf of shelves) this.#walk(shelf, ask, asked, policy as Bounded, tally, moved);
    return tally.survey();
  }

  #walk(
    { at: order, fullness, twinsEnd, offered }: Shelf,
    ask: Ask,
    asked: readonly number[],
    policy: Bounded,
    tally: Tally,
    moved: ReadonlySet<number>,
  ): void {
    const share = shareOf(ask, asked, offered) + ROUNDING;
    let fittingTwins = 0;
    for (let i = 0; i < order.length; i += 1) {
      const full = fullness[i] as number;
      const most = policy.bound(Math.floor(full), Math.min(FULL_SCORE, Math.floor(full + share)));
      if (most < tally.bar) return;
      const at = order[i] as number;
      if (i > 0 && twinsEnd[i] !== twinsEnd[i - 1]) fittingTwins = 0;
      if (moved.has(at)) continue;
      const verdict = this.#index.verdictAt(at, ask);
      tally.add(at, verdict);
      if (verdict < 0) continue;
      fittingTwins += 1;
      if (fittingTwins === MAX_CANDIDATES) i = (twinsEnd[i] as number) - 1;
    }
  }

  #shelvingFor(asked: readonly number[], fullestFirst: boolean): Shelving {
    const { changes, rooms } = this.#index;
    const key = `${fullestFirst} ${asked.join()}`;
    let shelving = this.#filled.get(key);
    if (shelving !== undefined) {
      for (let i = shelving.seen; i < changes.length; i += 1) shelving.moved.add(changes[i] as number);
      shelving.seen = changes.length;
    }
    if (shelving === undefined || shelving.moved.size * 1_000 > rooms.length * MAX_MOVED_PERMILLE) {
      shelving = { shelves: this.#fill(asked, fullestFirst), moved: new Set(), seen: changes.length };
      this.#filled.set(key, shelving);
    }
    return shelving;
  }

  #fill(asked: readonly number[], fullestFirst: boolean): Shelf[] {
    const index = this.#index;
    const sizes = new Map<string, number[]>();
    for (let at = 0; at < index.rooms.length; at += 1) {
      // It holds nobody who asks for this.
      if (asked.some((r) => index.offeredAt(at, r) === 0)) continue;
      // Within a factor of two: shares differ by no more on one shelf.
      const size = asked.map((r) => Math.floor(Math.log2(index.offeredAt(at, r)))).join();
      const shelf = sizes.get(size);
      if (shelf === undefined) sizes.set(size, [at]);
      else shelf.push(at);
    }
    const all = new Float64Array(index.rooms.length);
    for (let at = 0; at < all.length; at += 1) all[at] = this.#fullnessAt(at, asked);
    const sign = fullestFirst ? -1 : 1;
    return [...sizes.values()].map((order) => {
      order.sort(
        (a, b) => sign * ((all[a] as number) - (all[b] as number)) || this.#difference(a, b, asked) || a - b,
      );
      const twinsEnd = new Int32Array(order.length);
      for (let i = order.length - 1, end = order.length; i >= 0; i -= 1) {
        if (
          i + 1 < order.length &&
          this.#difference(order[i] as number, order[i + 1] as number, asked) !== 0
        ) {
          end = i + 1;
        }
        twinsEnd[i] = end;
      }
      const offered = asked.map((r) => Math.min(...order.map((at) => index.offeredAt(at, r))));
      const fullness = Float64Array.from(order, (at) => all[at] as number);
      return { at: order, fullness, twinsEnd, offered };
    });
  }

  /** 0 for twins: equal in everything that a score is made of. */
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

/** The largest part of any chassis of a shelf that the VM takes, per mille. */
function shareOf(ask: Ask, asked: readonly number[], offered: readonly number[]): number {
  let share = 0;
  for (const [i, r] of asked.entries()) {
    share = Math.max(share, ((ask.amounts[r] as number) * FULL_SCORE) / (offered[i] as number));
  }
  return share;
}

function isFullestFirst({ bound }: Bounded): boolean {
  return bound(FULL_SCORE, FULL_SCORE) >= bound(0, 0);
}
