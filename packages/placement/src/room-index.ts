/**
 * The rooms of one plan as columns of numbers, so that a look at one chassis costs nanoseconds and not objects.
 *
 * A plan of 1 000 VMs over 10 000 chassis asks ten million times "does it fit, and how well". Each answer is a number: a rank, or below
 * zero the kind of refusal; words are made for the few that are shown (`explanation.ts`), by the feasibility rule itself. What a plan
 * takes is counted here and can be given back to a mark.
 */
import { mismatchOf, type PlacementNeeds, type Room, untolerated, wishes } from "@bioxen/contracts";
import { type Amounts, amountOf, invariant } from "@bioxen/kernel";
import { AffinityIndex } from "./affinity-index.ts";
import { checkedScore, type Fit, FULL_SCORE, type PlacementPolicy } from "./policy.ts";
import { type ChassisRoom, inOrderOfId, type WaitingVm } from "./snapshot.ts";

/** Verdicts below zero: why a chassis cannot hold a VM. From {@link SHORT} down: short of a resource, by its column. */
export const MISMATCH = -1;
export const CLOSED = -2;
export const EXCLUDED = -3;
export const HELD = -4;
export const PLACES = -5;
export const AFFINITY = -6;
export const SHORT = -7;

/** A rank is a preference and below it a score; of VMs that prefer nothing it is the score. */
const RANKS_PER_PREFERENCE = FULL_SCORE + 1;
/** Preferences beyond this count as this, on both sides. */
const MOST_PREFERENCE = 1_000;
/** What an untolerated `PreferNoSchedule` takes away: more than any one wish adds. */
const SOFT_TAINT = -200;

export function scoreOf(rank: number): number {
  return rank % RANKS_PER_PREFERENCE;
}

export function preferenceOf(rank: number): number {
  return Math.floor(rank / RANKS_PER_PREFERENCE) - MOST_PREFERENCE;
}

/** Everything about VMs that decides where they fit and how well: one look serves all that are equal in it. */
export interface FitQuery {
  readonly vm: WaitingVm;
  readonly amounts: Float64Array;
  readonly policy: PlacementPolicy;
  /** 1: it may live there however empty. */
  readonly admits: Uint8Array;
  readonly excluded: ReadonlySet<number>;
  /** True when it prefers some chassis whatever their scores: by wishes, or by a taint that is not tolerated. */
  readonly prefers: boolean;
}

export class RoomIndex {
  /** In order of id. */
  readonly rooms: readonly ChassisRoom[];
  readonly resources: readonly string[];
  /** Free amounts, one row of `resources` for each chassis. */
  readonly #free: Float64Array;
  readonly #offered: Float64Array;
  readonly #placesLeft: Int32Array;
  /** 0, or the verdict for whoever asks: {@link CLOSED} or {@link HELD}. */
  readonly #shut: Int8Array;
  /** Chassis kept for somebody, by their place in `rooms`. */
  readonly #heldFor = new Map<number, string>();
  readonly #admits = new Map<string, Uint8Array>();
  readonly #places = new Map<string, number>();
  readonly #taken: { readonly at: number; readonly amounts: Float64Array }[] = [];
  readonly affinity: AffinityIndex;
  /** True when any chassis has a taint that only puts off. */
  readonly #hasSoftTaints: boolean;
  /** Every chassis that something was taken from, given back to or kept, in the order of the changes. */
  readonly changes: number[] = [];
  readonly #fit: RowFit;
  /** All that is offered, by resource. */
  #totals: readonly number[] | undefined;

  constructor(chassis: readonly ChassisRoom[], waiting: readonly WaitingVm[]) {
    this.rooms = inOrderOfId(chassis);
    const names = new Set<string>();
    for (const vm of waiting) for (const name of Object.keys(vm.request)) names.add(name);
    this.resources = [...names].sort();
    const width = this.resources.length;
    const count = this.rooms.length;
    this.#free = new Float64Array(count * width);
    this.#offered = new Float64Array(count * width);
    this.#placesLeft = new Int32Array(count);
    this.#shut = new Int8Array(count);
    for (let at = 0; at < count; at += 1) {
      const { room, offered, closed } = this.rooms[at] as ChassisRoom;
      for (let r = 0; r < width; r += 1) {
        const name = this.resources[r] as string;
        this.#free[at * width + r] = amountOf(room.free, name);
        this.#offered[at * width + r] = amountOf(offered, name);
      }
      this.#placesLeft[at] = room.placesLeft;
      this.#shut[at] = closed === undefined ? 0 : CLOSED;
    }
    this.affinity = new AffinityIndex(this.rooms, waiting);
    this.#hasSoftTaints = this.rooms.some(({ chassis: { taints = [] } }) =>
      taints.some(({ effect }) => effect === "PreferNoSchedule"),
    );
    this.#fit = new RowFit(this.resources, this.#free, this.#offered);
  }

  /** Where a chassis stands in `rooms`; undefined when it is not there. */
  placeOf(chassisId: string): number | undefined {
    if (this.#places.size === 0) {
      for (const [at, room] of this.rooms.entries()) this.#places.set(room.chassisId, at);
    }
    return this.#places.get(chassisId);
  }

  amountsOf(request: Amounts): Float64Array {
    return Float64Array.from(this.resources, (name) => amountOf(request, name));
  }

  queryOf(vm: WaitingVm, policy: PlacementPolicy): FitQuery {
    const excluded = new Set((vm.excludeChassisIds ?? []).flatMap((id) => this.placeOf(id) ?? []));
    const prefers = this.#hasSoftTaints || wishes(vm).length > 0;
    return { vm, amounts: this.amountsOf(vm.request), policy, admits: this.#admitsOf(vm), excluded, prefers };
  }

  /** What may hold a VM however empty depends on its needs alone: asked once for all VMs with the same. */
  #admitsOf({ vmType, placement }: PlacementNeeds): Uint8Array {
    const { policy: _, affinity: _near, antiAffinity: _apart, ...needs } = placement;
    const key = JSON.stringify([vmType, needs]);
    let admits = this.#admits.get(key);
    if (admits === undefined) {
      admits = Uint8Array.from(this.rooms, ({ chassisId, chassis }) =>
        mismatchOf({ vmType, placement }, chassisId, chassis) === undefined ? 1 : 0,
      );
      this.#admits.set(key, admits);
    }
    return admits;
  }

  /** A rank from 0, or why not. */
  verdictAt(at: number, query: FitQuery): number {
    if (query.excluded.size > 0 && query.excluded.has(at)) return EXCLUDED;
    if (query.admits[at] === 0) return MISMATCH;
    const shut = this.#shut[at] as number;
    if (shut < 0) return shut;
    if ((this.#placesLeft[at] as number) < 1) return PLACES;
    const { amounts } = query;
    const width = amounts.length;
    const row = at * width;
    const free = this.#free;
    for (let r = 0; r < width; r += 1) {
      if ((amounts[r] as number) > (free[row + r] as number)) return SHORT - r;
    }
    if (this.affinity.misfitAt(at, query.vm) !== undefined) return AFFINITY;
    const fit = this.#fit;
    fit.row = row;
    fit.amounts = amounts;
    fit.vm = query.vm;
    fit.chassis = this.rooms[at] as ChassisRoom;
    const score = checkedScore(query.policy, fit);
    return query.prefers ? this.#preferenceAt(at, query.vm) * RANKS_PER_PREFERENCE + score : score;
  }

  /** From 0; what nothing speaks for or against is in the middle. */
  #preferenceAt(at: number, vm: WaitingVm): number {
    const softTaints = untolerated(vm, (this.rooms[at] as ChassisRoom).chassis, "PreferNoSchedule").length;
    const total = this.affinity.weightAt(at, vm) + softTaints * SOFT_TAINT;
    return MOST_PREFERENCE + Math.max(-MOST_PREFERENCE, Math.min(MOST_PREFERENCE, total));
  }

  /** The verdict of every chassis, into `verdicts`. */
  judge(query: FitQuery, verdicts: Int32Array): void {
    for (let at = 0; at < verdicts.length; at += 1) verdicts[at] = this.verdictAt(at, query);
  }

  offeredAt(at: number, resource: number): number {
    return this.#offered[at * this.resources.length + resource] as number;
  }

  freeAt(at: number, resource: number): number {
    return this.#free[at * this.resources.length + resource] as number;
  }

  take(at: number, { amounts }: FitQuery, vm: WaitingVm): void {
    this.#shift(at, amounts, -1);
    this.#taken.push({ at, amounts });
    this.affinity.add(at, vm);
  }

  #shift(at: number, amounts: Float64Array, sign: 1 | -1): void {
    this.#count(at, amounts, sign);
    this.changes.push(at);
  }

  #count(at: number, amounts: Float64Array, sign: 1 | -1): void {
    const row = at * amounts.length;
    for (let r = 0; r < amounts.length; r += 1) {
      const left = (this.#free[row + r] as number) + sign * (amounts[r] as number);
      invariant(left >= 0, "a plan takes no more than there is", { at, left });
      this.#free[row + r] = left;
    }
    this.#placesLeft[at] = (this.#placesLeft[at] as number) + sign;
  }

  /** To come back to with `rollback`. */
  mark(): number {
    return this.#taken.length;
  }

  rollback(mark: number): void {
    this.affinity.removeLast(this.#taken.length - mark);
    for (const { at, amounts } of this.#taken.splice(mark).reverse()) this.#shift(at, amounts, 1);
  }

  /** True when it would have fitted somewhere at `mark` that it does not fit now: where something was taken since. */
  fittedAt(mark: number, query: FitQuery): boolean {
    const since = Map.groupBy(this.#taken.slice(mark), (taken) => taken.at);
    return [...since].some(([at, taken]) => {
      for (const { amounts } of taken) this.#count(at, amounts, 1);
      const verdict = this.verdictAt(at, query);
      for (const { amounts } of taken) this.#count(at, amounts, -1);
      return verdict >= 0;
    });
  }

  /** Keeps a chassis for one VM until the plan is made: nobody else is put there. */
  hold(at: number, vmId: string): void {
    this.#heldFor.set(at, vmId);
    this.#shut[at] = HELD;
    this.changes.push(at);
  }

  heldFor(at: number): string | undefined {
    return this.#heldFor.get(at);
  }

  get holds(): number {
    return this.#heldFor.size;
  }

  /** The share of all that is offered that its scarcest resource is: what makes a VM large here. */
  sizeOf({ amounts }: FitQuery): number {
    this.#totals ??= this.resources.map((_, r) => {
      let total = 0;
      for (let i = r; i < this.#offered.length; i += this.resources.length)
        total += this.#offered[i] as number;
      return total;
    });
    let size = 0;
    for (const [r, total] of this.#totals.entries()) {
      if (total > 0) size = Math.max(size, (amounts[r] as number) / total);
    }
    return size;
  }

  /** What is missing there for this VM, thousandths of the offer of the scarcest resource; undefined where emptying would not help. */
  shortageAt(at: number, query: FitQuery): number | undefined {
    if (query.admits[at] === 0 || this.#shut[at] !== 0 || query.excluded.has(at)) return undefined;
    if ((this.rooms[at] as ChassisRoom).chassis.maxVms < 1) return undefined;
    const row = at * query.amounts.length;
    let most = (this.#placesLeft[at] as number) < 1 ? 1 : 0;
    for (let r = 0; r < query.amounts.length; r += 1) {
      const asked = query.amounts[r] as number;
      const offered = this.#offered[row + r] as number;
      if (asked > offered) return undefined;
      if (offered > 0) most = Math.max(most, ((asked - (this.#free[row + r] as number)) * 1_000) / offered);
    }
    return most;
  }

  /** What is left there after what was taken, as amounts. */
  roomAt(at: number): Room {
    const { room } = this.rooms[at] as ChassisRoom;
    const row = at * this.resources.length;
    const free: Record<string, number> = { ...room.free };
    for (const [r, name] of this.resources.entries()) free[name] = this.#free[row + r] as number;
    return { free, placesLeft: this.#placesLeft[at] as number };
  }
}

/** One row of the columns, as a policy sees it. */
class RowFit implements Fit {
  readonly resources: readonly string[];
  readonly #free: Float64Array;
  readonly #offered: Float64Array;
  row = 0;
  amounts: Float64Array = new Float64Array(0);
  vm = {} as WaitingVm;
  chassis = {} as ChassisRoom;

  constructor(resources: readonly string[], free: Float64Array, offered: Float64Array) {
    this.resources = resources;
    this.#free = free;
    this.#offered = offered;
  }

  asked(resource: number): number {
    return this.amounts[resource] as number;
  }

  free(resource: number): number {
    return this.#free[this.row + resource] as number;
  }

  offered(resource: number): number {
    return this.#offered[this.row + resource] as number;
  }
}
