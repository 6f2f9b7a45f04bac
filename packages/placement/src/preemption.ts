/**
 * Preemption: makes room for a VM that fits nowhere, out of the resources that VMs of lower priority hold. It chooses
 * the chassis, and the victims there.
 *
 * A chassis is considered if the placement rule would accept the VM there with all VMs of lower priority gone. Among
 * these chassis the cheapest is chosen: the mildest mode, then the lowest priority, then the fewest victims. A VM never
 * gives way to an equal or lower priority. An evicted VM can preempt in turn, but only VMs of still lower priority, so
 * that every chain of preemptions ends.
 */
import type { PreemptionMode, Room } from "@bioxen/contracts";
import { type Amounts, add, amountOf, type Shortage, shortages } from "@bioxen/kernel";
import { candidatesFor } from "./plan.ts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";
import { chooseVictims, type Holder, type Victim } from "./victims.ts";

/**
 * Maximum number of chassis on which victims are chosen for one VM: those with the smallest shortage. The choice on one
 * chassis takes up to a millisecond. Cheaper victims on a chassis with a larger shortage are therefore missed.
 */
const MAX_CHASSIS_WEIGHED = 32;

/**
 * Number of chassis in one check of feasibility. Most chassis with a small shortage are feasible, so that one or two
 * checks are enough.
 */
const CHECKED_AT_ONCE = 64;

export interface HeldRoom extends ChassisRoom {
  /** The VMs on this chassis that could give way. */
  readonly holders: readonly Holder[];
}

export interface Preemption {
  readonly vm: WaitingVm;
  readonly chassisId: string;
  /** The victims, the cheapest first. */
  readonly victims: readonly Victim[];
  /** The resources of which the chassis had too little for the VM before the preemption. */
  readonly lacking: readonly Shortage[];
}

/**
 * Returns the cheapest preemption that makes room for `vm`; undefined when all VMs of lower priority together could not
 * make enough room on any chassis.
 */
export function choosePreemption(vm: WaitingVm, chassis: readonly HeldRoom[]): Preemption | undefined {
  let best: { readonly preemption: Preemption; readonly cost: readonly number[] } | undefined;
  for (const { one, most } of nearestPossible(vm, chassis)) {
    const { chassisId, room, offered } = one;
    const victims = chooseVictims(vm.request, room, most.lower);
    if (victims === undefined) continue;
    const cost = costOf(victims, offered);
    if (best !== undefined && compare(cost, best.cost) >= 0) continue;
    best = { preemption: { vm, chassisId, victims, lacking: lackingIn(vm.request, room) }, cost };
  }
  return best?.preemption;
}

/** A chassis that has no room for the VM, and would have it if all VMs of lower priority left. */
interface PossibleChassis {
  readonly one: HeldRoom;
  readonly most: Concessions;
  /** The VM's shortage of the scarcest resource on this chassis, in thousandths of the offer. */
  readonly lack: number;
}

/** Returns at most {@link MAX_CHASSIS_WEIGHED} possible chassis: those with the smallest shortage. */
function nearestPossible(vm: WaitingVm, chassis: readonly HeldRoom[]): PossibleChassis[] {
  const needs = Object.entries(vm.request);
  const near = chassis
    .flatMap((one) => possibleWith(needs, one, mostBelow(vm.priority, one.holders)) ?? [])
    .sort((a, b) => a.lack - b.lack || (a.one.chassisId < b.one.chassisId ? -1 : 1));
  const possible: PossibleChassis[] = [];
  for (let i = 0; i < near.length && possible.length < MAX_CHASSIS_WEIGHED; i += CHECKED_AT_ONCE) {
    const some = near.slice(i, i + CHECKED_AT_ONCE);
    const emptied = some.map(({ one, most }) => ({
      ...one,
      room: withMost(one.room, most),
      // The memory that the victims give up on their hosts is unknown.
      hosts: undefined,
    }));
    const fitting = candidatesFor(vm, emptied).filter(({ score }) => score !== null);
    const ids = new Set(fitting.map(({ chassisId }) => chassisId));
    possible.push(...some.filter(({ one }) => ids.has(one.chassisId)));
  }
  return possible.slice(0, MAX_CHASSIS_WEIGHED);
}

function possibleWith(
  needs: readonly (readonly [string, number])[],
  one: HeldRoom,
  most: Concessions,
): PossibleChassis | undefined {
  if (most.lower.length === 0 || one.room.placesLeft + most.places < 1) return undefined;
  let isShort = one.room.placesLeft < 1;
  let lack = 0;
  for (const [name, amount] of needs) {
    const free = amountOf(one.room.free, name);
    if (amount <= free) continue;
    if (amount > free + (most.frees[name] ?? 0)) return undefined;
    isShort = true;
    lack = Math.max(lack, permille(amount - free, amountOf(one.offered, name)));
  }
  return isShort ? { one, most, lack } : undefined;
}

function withMost({ free, placesLeft }: Room, { frees, places }: Concessions): Room {
  return { free: add(free, frees), placesLeft: placesLeft + places };
}

/** The holders below a priority, and the largest total amounts and places that they can give up together. */
interface Concessions {
  readonly lower: readonly Holder[];
  readonly frees: Readonly<Record<string, number>>;
  readonly places: number;
}

/** Cache: for a list of holders, the concessions that a VM of each priority can demand from them. */
const CONCESSIONS = new WeakMap<readonly Holder[], Map<number, Concessions>>();

function mostBelow(priority: number, holders: readonly Holder[]): Concessions {
  const known = CONCESSIONS.get(holders) ?? new Map<number, Concessions>();
  CONCESSIONS.set(holders, known);
  const before = known.get(priority);
  if (before !== undefined) return before;
  const lower = holders.filter((holder) => holder.priority < priority);
  const frees: Record<string, number> = {};
  let places = 0;
  for (const { concessions } of lower) {
    const most = concessions.at(-1);
    for (const [name, n] of Object.entries(most?.frees ?? {})) frees[name] = (frees[name] ?? 0) + n;
    places += most?.places ?? 0;
  }
  const most = { lower, frees, places };
  known.set(priority, most);
  return most;
}

function permille(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.floor((1_000 * part) / whole);
}

/** Returns every resource of which the room has too little. A lack of places appears as the resource `maxVms`. */
function lackingIn(request: Amounts, { free, placesLeft }: Room): Shortage[] {
  const places = placesLeft < 1 ? [{ resource: "maxVms", requested: 1, free: placesLeft }] : [];
  return [...places, ...shortages(request, free)];
}

/**
 * Returns the cost of a set of victims, as numbers to compare one after the other: 1 if any VM is evicted, else 0; 1 if
 * any VM is paused, else 0; the highest priority of a victim; the numbers of evicted, paused and starved VMs; the
 * largest amount taken of one resource, in thousandths of the offer.
 */
function costOf(victims: readonly Victim[], offered: Amounts): number[] {
  const count = (mode: PreemptionMode) => victims.filter((victim) => victim.mode === mode).length;
  const [evicted, paused, starved] = [count("evict"), count("pause"), count("starve")];
  const highest = Math.max(...victims.map(({ priority }) => priority));
  const taken = victims.reduce<Amounts>((sum, { frees }) => add(sum, frees), {});
  const most = Math.max(0, ...Object.entries(taken).map(([name, n]) => permille(n, amountOf(offered, name))));
  return [Math.min(1, evicted), Math.min(1, paused), highest, evicted, paused, starved, most];
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, cost] of a.entries()) if (cost !== b[i]) return cost - (b[i] ?? 0);
  return 0;
}
