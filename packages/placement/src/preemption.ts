/**
 * Room for a VM that fits nowhere, out of what VMs of lower priority hold: on which chassis, and who gives way there.
 *
 * Only chassis that may take the VM at all are weighed, by the same rule that places it, each as if everybody of lower priority
 * had left. Among those that would do, the one where it costs least is taken: the mildest mode, then the lowest priority, then the
 * fewest victims. Never is anything taken for an equal or lower priority, so preemptions run downwards and come to an end: one who
 * was evicted may preempt in turn only where it is the higher.
 */
import type { PreemptionMode, Room } from "@bioxen/contracts";
import { type Amounts, add, amountOf, type Shortage, shortages } from "@bioxen/kernel";
import { candidatesFor } from "./plan.ts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";
import { chooseVictims, type Holder, type Victim } from "./victims.ts";

/**
 * Chassis on which victims are chosen for one VM: those that lack least for it. Weighing one costs up to a millisecond; a
 * cheaper choice on a chassis that lacks more is missed.
 */
const MAX_CHASSIS_WEIGHED = 32;

/** Chassis that are asked at once whether they may take a VM: most that are near may. */
const ASKED_AT_ONCE = 64;

export interface HeldRoom extends ChassisRoom {
  /** VMs that hold something here. */
  readonly holders: readonly Holder[];
}

export interface Preemption {
  readonly vm: WaitingVm;
  readonly chassisId: string;
  /** The cheapest first. */
  readonly victims: readonly Victim[];
  /** What the chassis lacked. */
  readonly lacking: readonly Shortage[];
}

/** The cheapest way to make room for `vm`; undefined when nobody of lower priority could. */
export function choosePreemption(vm: WaitingVm, chassis: readonly HeldRoom[]): Preemption | undefined {
  let best: { readonly preemption: Preemption; readonly cost: readonly number[] } | undefined;
  for (const { one, most } of nearestAble(vm, chassis)) {
    const { chassisId, room, offered } = one;
    const victims = chooseVictims(vm.request, room, most.lower);
    if (victims === undefined) continue;
    const cost = costOf(victims, offered);
    if (best !== undefined && compare(cost, best.cost) >= 0) continue;
    best = { preemption: { vm, chassisId, victims, lacking: lackingIn(vm.request, room) }, cost };
  }
  return best?.preemption;
}

/** A chassis that would do if everybody of lower priority left it, and does not without. */
interface Able {
  readonly one: HeldRoom;
  readonly most: Most;
  readonly lack: number;
}

/** The {@link MAX_CHASSIS_WEIGHED} that lack least, of those that may take the VM at all. */
function nearestAble(vm: WaitingVm, chassis: readonly HeldRoom[]): Able[] {
  const needs = Object.entries(vm.request);
  const near = chassis
    .flatMap((one) => ableOf(needs, one, mostBelow(vm.priority, one.holders)) ?? [])
    .sort((a, b) => a.lack - b.lack || (a.one.chassisId < b.one.chassisId ? -1 : 1));
  const able: Able[] = [];
  for (let i = 0; i < near.length && able.length < MAX_CHASSIS_WEIGHED; i += ASKED_AT_ONCE) {
    const some = near.slice(i, i + ASKED_AT_ONCE);
    const emptied = some.map(({ one, most }) => ({ ...one, room: withMost(one.room, most) }));
    const fitting = candidatesFor(vm, emptied).filter(({ score }) => score !== null);
    const ids = new Set(fitting.map(({ chassisId }) => chassisId));
    able.push(...some.filter(({ one }) => ids.has(one.chassisId)));
  }
  return able.slice(0, MAX_CHASSIS_WEIGHED);
}

function ableOf(needs: readonly (readonly [string, number])[], one: HeldRoom, most: Most): Able | undefined {
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

function withMost({ free, placesLeft }: Room, { frees, places }: Most): Room {
  return { free: add(free, frees), placesLeft: placesLeft + places };
}

/** What everybody in a list of holders could free, by the list and a priority: the same for every VM of that priority. */
const MOST = new WeakMap<readonly Holder[], Map<number, Most>>();

interface Most {
  readonly lower: readonly Holder[];
  readonly frees: Readonly<Record<string, number>>;
  readonly places: number;
}

function mostBelow(priority: number, holders: readonly Holder[]): Most {
  const known = MOST.get(holders) ?? new Map<number, Most>();
  MOST.set(holders, known);
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

/** What was lacking, a place among the VMs included. */
function lackingIn(request: Amounts, { free, placesLeft }: Room): Shortage[] {
  const places = placesLeft < 1 ? [{ resource: "maxVms", requested: 1, free: placesLeft }] : [];
  return [...places, ...shortages(request, free)];
}

/**
 * What a set of victims costs, most weighty first: evictions at all, pauses at all, the highest priority hit, how many are evicted,
 * paused and starved, and what is taken of the fullest resource, in thousandths of the offer.
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
