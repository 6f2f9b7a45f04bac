/**
 * The rooms of one plan as columns of numbers, so that the check of one chassis takes nanoseconds and allocates
 * nothing.
 *
 * A plan of 1 000 VMs over 10 000 chassis asks ten million times whether a VM fits, and how well. Each answer is a
 * number, the verdict: a rank from 0 on, or a negative number for the kind of refusal. Only the few refusals that are
 * shown are put into words, by the feasibility rule itself (`verdict-summary.ts`). The index deducts what the plan
 * takes, and can roll back to a mark.
 */
import {
  type HostRoom,
  hostMisfit,
  hostNeeds,
  type Misfit,
  mismatchOf,
  otherModelOf,
  type PlacementNeeds,
  preferredTerms,
  type Room,
  untolerated,
  withoutRoomFor,
} from "@bioxen/contracts";
import { type Amounts, amountOf, invariant } from "@bioxen/kernel";
import { AffinityIndex } from "./affinity-index.ts";
import { checkedScore, FULL_SCORE, type PlacementPolicy } from "./policy.ts";
import { RowFit } from "./row-fit.ts";
import { type ChassisRoom, inOrderOfId, type WaitingVm } from "./snapshot.ts";

/** Negative verdicts: why a chassis cannot hold a VM. `SHORT - n` means a shortage of the resource in column n. */
export const MISMATCH = -1;
export const CLOSED = -2;
export const EXCLUDED = -3;
export const HELD = -4;
export const PLACES = -5;
export const AFFINITY = -6;
export const REFUSED = -7;
export const NO_HOST = -8;
export const SHORT = -9;

/**
 * Number of ranks for one preference value. A rank orders by preference first and by score second; the rank of a VM
 * without preferences is its score.
 */
const RANKS_PER_PREFERENCE = FULL_SCORE + 1;
/** Largest preference of a VM for a chassis; the smallest is its negative. Sums beyond this range are cut off. */
const MOST_PREFERENCE = 1_000;
/**
 * Preference of an untolerated `PreferNoSchedule` taint. It outweighs any single preferred term, whose weight is at
 * most 100.
 */
const SOFT_TAINT = -200;

export function scoreOf(rank: number): number {
  return rank % RANKS_PER_PREFERENCE;
}

export function preferenceOf(rank: number): number {
  return Math.floor(rank / RANKS_PER_PREFERENCE) - MOST_PREFERENCE;
}

/** Everything about a VM that decides where it fits and how well. VMs with equal needs share a query. */
export interface FitQuery {
  readonly vm: WaitingVm;
  readonly amounts: Float64Array;
  readonly policy: PlacementPolicy;
  /** By chassis index: 1 if the VM may run there, given enough room; else 0. */
  readonly admits: Uint8Array;
  readonly excluded: ReadonlySet<number>;
  /** Index of the chassis that refused to start the VM for lack of room; undefined when none did. */
  readonly refusedAt: number | undefined;
  /**
   * True when preferences go before the scores: the VM has preferred terms, or the cluster has `PreferNoSchedule`
   * taints.
   */
  readonly prefers: boolean;
}

/** A placement of the plan, with the rooms of the hosts before it. */
interface Taken {
  readonly at: number;
  readonly amounts: Float64Array;
  readonly hosts: readonly HostRoom[] | undefined;
}

export class RoomIndex {
  /** The rooms of all chassis, in order of id. */
  readonly rooms: readonly ChassisRoom[];
  readonly resources: readonly string[];
  /** Free amounts: one row for each chassis, with one column for each of `resources`. */
  readonly #free: Float64Array;
  readonly #offered: Float64Array;
  readonly #placesLeft: Int32Array;
  /** By chassis: {@link CLOSED} or {@link HELD} when the chassis takes no VM at present, else 0. */
  readonly #shut: Int8Array;
  /** By chassis index: the id of the VM for which the chassis is held. Contains only held chassis. */
  readonly #heldFor = new Map<number, WaitingVm>();
  readonly #admits = new Map<string, Uint8Array>();
  readonly #indexes = new Map<string, number>();
  readonly #taken: Taken[] = [];
  /** By chassis index, the free rooms of the hosts of a pool. Contains only pools whose hosts are known. */
  readonly #hosts = new Map<number, readonly HostRoom[]>();
  readonly affinity: AffinityIndex;
  /** True when any chassis has a `PreferNoSchedule` taint. */
  readonly #hasSoftTaints: boolean;
  /** The chassis index of each change of a room and of each hold so far, in the order in which they happened. */
  readonly changes: number[] = [];
  readonly #fit: RowFit;
  /** The offer of the whole cluster, one number for each of `resources`. */
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
      const { room, offered, closed, hosts } = this.rooms[at] as ChassisRoom;
      if (hosts !== undefined) this.#hosts.set(at, hosts);
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

  /** The index of a chassis in `rooms`; undefined when the plan does not have it. */
  indexOf(chassisId: string): number | undefined {
    if (this.#indexes.size === 0) {
      for (const [at, room] of this.rooms.entries()) this.#indexes.set(room.chassisId, at);
    }
    return this.#indexes.get(chassisId);
  }

  amountsOf(request: Amounts): Float64Array {
    return Float64Array.from(this.resources, (name) => amountOf(request, name));
  }

  queryOf(vm: WaitingVm, policy: PlacementPolicy): FitQuery {
    const excluded = new Set((vm.excludeChassisIds ?? []).flatMap((id) => this.indexOf(id) ?? []));
    const refusedAt = vm.heldOff && this.indexOf(vm.heldOff.chassisId);
    const prefers = this.#hasSoftTaints || preferredTerms(vm).length > 0;
    const amounts = this.amountsOf(vm.request);
    return { vm, amounts, policy, admits: this.#admitsOf(vm), excluded, refusedAt, prefers };
  }

  /**
   * Returns, by chassis index, 1 if VMs with these needs may run there, given enough room; else 0. The answer depends
   * on the needs only, so the chassis are checked once for all VMs with the same needs.
   */
  #admitsOf({ vmType, placement, config }: PlacementNeeds): Uint8Array {
    const { policy: _, affinity: _near, antiAffinity: _apart, ...needs } = placement;
    const key = JSON.stringify([vmType, needs, otherModelOf(config)]);
    let admits = this.#admits.get(key);
    if (admits === undefined) {
      admits = Uint8Array.from(this.rooms, ({ chassisId, chassis }) =>
        mismatchOf({ vmType, placement, config }, chassisId, chassis) === undefined ? 1 : 0,
      );
      this.#admits.set(key, admits);
    }
    return admits;
  }

  /** Returns the rank of the chassis for this VM, from 0 on, or a negative verdict. */
  verdictAt(at: number, query: FitQuery): number {
    if (query.excluded.size > 0 && query.excluded.has(at)) return EXCLUDED;
    if (query.admits[at] === 0) return MISMATCH;
    if (query.refusedAt === at) return REFUSED;
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
    if (this.hostMisfitAt(at, query) !== undefined) return NO_HOST;
    if (this.affinity.misfitAt(at, query.vm) !== undefined) return AFFINITY;
    const fit = this.#fit;
    fit.row = row;
    fit.amounts = amounts;
    fit.vm = query.vm;
    fit.chassis = this.rooms[at] as ChassisRoom;
    const score = checkedScore(query.policy, fit);
    return query.prefers ? this.#preferenceAt(at, query.vm) * RANKS_PER_PREFERENCE + score : score;
  }

  /** Returns why no host of a pool can run the VM, after the placements of the plan so far; undefined when one can. */
  hostMisfitAt(at: number, { vm }: FitQuery): Misfit | undefined {
    const { hosts } = (this.rooms[at] as ChassisRoom).chassis;
    if (hosts === undefined) return undefined;
    const needs = hostNeeds(vm.request, vm.config);
    return hostMisfit(hosts, needs, "in all") ?? hostMisfit(this.#hosts.get(at), needs);
  }

  /**
   * Returns how much the VM prefers the chassis: an integer of at least 0, where {@link MOST_PREFERENCE} is neutral.
   */
  #preferenceAt(at: number, vm: WaitingVm): number {
    const softTaints = untolerated(vm, (this.rooms[at] as ChassisRoom).chassis, "PreferNoSchedule").length;
    const total = this.affinity.weightAt(at, vm) + softTaints * SOFT_TAINT;
    return MOST_PREFERENCE + Math.max(-MOST_PREFERENCE, Math.min(MOST_PREFERENCE, total));
  }

  /** Writes the verdict of every chassis on the VM of `query` into `verdicts`. */
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
    const hosts = this.#hosts.get(at);
    this.#taken.push({ at, amounts, hosts });
    if (hosts !== undefined) this.#hosts.set(at, withoutRoomFor(hosts, hostNeeds(vm.request, vm.config)));
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
      invariant(left >= 0, "a plan takes no more than is free", { at, left });
      this.#free[row + r] = left;
    }
    this.#placesLeft[at] = (this.#placesLeft[at] as number) + sign;
  }

  /** Returns a mark of the present state, for `rollback`. */
  mark(): number {
    return this.#taken.length;
  }

  rollback(mark: number): void {
    this.affinity.removeLast(this.#taken.length - mark);
    for (const { at, amounts, hosts } of this.#taken.splice(mark).reverse()) {
      this.#shift(at, amounts, 1);
      if (hosts !== undefined) this.#hosts.set(at, hosts);
    }
  }

  /** Returns true when the VM would have fitted at `mark` on a chassis whose room the plan has used since. */
  fittedAt(mark: number, query: FitQuery): boolean {
    const since = Map.groupBy(this.#taken.slice(mark), (taken) => taken.at);
    return [...since].some(([at, taken]) => {
      const [present, first] = [this.#hosts.get(at), taken[0]?.hosts];
      for (const { amounts } of taken) this.#count(at, amounts, 1);
      if (first !== undefined) this.#hosts.set(at, first);
      const verdict = this.verdictAt(at, query);
      for (const { amounts } of taken) this.#count(at, amounts, -1);
      if (present !== undefined) this.#hosts.set(at, present);
      return verdict >= 0;
    });
  }

  /** Holds a chassis for one VM until the plan is complete: the plan places no other VM there. */
  hold(at: number, vm: WaitingVm): void {
    this.#heldFor.set(at, vm);
    this.#shut[at] = HELD;
    this.changes.push(at);
  }

  heldFor(at: number): string | undefined {
    return this.#heldFor.get(at)?.vmId;
  }

  /** By chassis id, the VM for which the chassis is held. */
  held(): ReadonlyMap<string, WaitingVm> {
    return new Map([...this.#heldFor].map(([at, vm]) => [(this.rooms[at] as ChassisRoom).chassisId, vm]));
  }

  get holds(): number {
    return this.#heldFor.size;
  }

  /** The size of a VM: its largest share of the cluster's whole offer, over all resources. */
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

  /**
   * The shortage of the scarcest resource for this VM, in thousandths of the offer; undefined when the VM could not run
   * on the chassis even if it were empty.
   */
  shortageAt(at: number, query: FitQuery): number | undefined {
    if (query.admits[at] === 0 || this.#shut[at] !== 0 || query.excluded.has(at)) return undefined;
    if (query.refusedAt === at) return undefined;
    const { maxVms, hosts } = (this.rooms[at] as ChassisRoom).chassis;
    if (maxVms < 1 || hostMisfit(hosts, hostNeeds(query.vm.request, query.vm.config)) !== undefined)
      return undefined;
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

  /** Returns the room that remains on a chassis after the placements of the plan so far. */
  roomAt(at: number): Room {
    const { room } = this.rooms[at] as ChassisRoom;
    const row = at * this.resources.length;
    const free: Record<string, number> = { ...room.free };
    for (const [r, name] of this.resources.entries()) free[name] = this.#free[row + r] as number;
    return { free, placesLeft: this.#placesLeft[at] as number };
  }
}
