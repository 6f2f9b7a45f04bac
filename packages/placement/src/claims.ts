/**
 * Who gets what there is, when some give way: placements, rooms kept for those somebody gives way to, and VMs that want back what they
 * gave.
 *
 * A round's plan knows only what is free now. Here it is gone through once more in order of priority, with what is about to be free:
 * given up already, and not yet given back by the ledger. A VM that fits with that waits for it and nobody takes it meanwhile;
 * one that does not fit even then may preempt; one of lower priority that was to be placed where that leaves no room
 * is planned again. All of it is read from the picture anew each round, so a crash forgets nothing.
 *
 * Back comes who gave way, whole, once there is room: after everybody of higher priority who could use it, before newcomers of its
 * own. As no victim of a choice could have been let off, what is left over after a preemption never brings a victim
 * back at once.
 */
import { type Misfit, type Room, roomFor } from "@bioxen/contracts";
import { type Amounts, add, amountOf, NO_AMOUNTS } from "@bioxen/kernel";
import { candidatesFor, type Placement, type Plan } from "./plan.ts";
import { choosePreemption, type HeldRoom, type Preemption } from "./preemption.ts";
import type { WaitingVm } from "./snapshot.ts";

/** What is about to be free on a chassis. */
export interface PendingRelease {
  readonly amounts: Amounts;
  readonly places: number;
}

export const NO_PENDING_RELEASE: PendingRelease = { amounts: NO_AMOUNTS, places: 0 };

export interface ContendedRoom extends HeldRoom {
  readonly pendingRelease: PendingRelease;
}

/** A VM that lives with less than it asks for. */
export interface PreemptedVm {
  readonly vmId: string;
  readonly chassisId: string;
  readonly priority: number;
  readonly fence: number;
  readonly preemptedSeq: number;
  /** Since when it goes without. */
  readonly sinceMs: number;
  readonly missing: Amounts;
}

export interface Settlement {
  /** Those of the plan that nobody of higher priority needs. */
  readonly placements: readonly Placement[];
  /** The others: to be planned again. */
  readonly heldBack: readonly Placement[];
  readonly preemptions: readonly Preemption[];
  readonly reinstatements: readonly PreemptedVm[];
}

/**
 * Preemptions of one round, the highest priority first: what follows from them wakes the next round. Each is a search over every
 * chassis, and a call per victim.
 */
const MAX_PREEMPTIONS = 64;
/** Searches of one round that find nobody; VMs with equal needs share one. Beyond it VMs of lower priority look for no victims. */
const MAX_VAIN_SEARCHES = 64;

type Claim = { readonly priority: number; readonly sinceMs: number; readonly vmId: string } & (
  | { readonly kind: "reinstate"; readonly vm: PreemptedVm }
  | { readonly kind: "place"; readonly placement: Placement }
  | { readonly kind: "wait"; readonly vm: WaitingVm }
);

const KIND_RANK: Readonly<Record<Claim["kind"], number>> = { reinstate: 0, place: 1, wait: 1 };

function byPriority(a: Claim, b: Claim): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  if (a.kind !== b.kind && KIND_RANK[a.kind] !== KIND_RANK[b.kind])
    return KIND_RANK[a.kind] - KIND_RANK[b.kind];
  if (a.sinceMs !== b.sinceMs) return a.sinceMs - b.sinceMs;
  return a.vmId < b.vmId ? -1 : 1;
}

export interface SettleOptions {
  /** Whether to look for victims: not before it is known which chassis are there. */
  readonly mayPreempt: boolean;
}

export function settleClaims(
  plan: Plan,
  waiting: readonly WaitingVm[],
  chassis: readonly ContendedRoom[],
  preempted: readonly PreemptedVm[],
  { mayPreempt }: SettleOptions,
): Settlement {
  const table = new Table(chassis);
  const placements = new Set<Placement>();
  const preemptions: Preemption[] = [];
  const reinstatements: PreemptedVm[] = [];
  const searched = new Set<string>();
  for (const claim of claimsOf(plan, waiting, preempted)) {
    if (claim.kind === "place") {
      if (table.take(claim.placement.chassisId, claim.placement.vm.request, 1))
        placements.add(claim.placement);
    } else if (claim.kind === "reinstate") {
      if (table.giveBack(claim.vm)) reinstatements.push(claim.vm);
    } else if (!table.keepFor(claim.vm) && mayPreempt && preemptions.length < MAX_PREEMPTIONS) {
      if (searched.size >= MAX_VAIN_SEARCHES) continue;
      const needs = needsOf(claim.vm);
      if (searched.has(needs)) continue;
      const found = table.preemptFor(claim.vm);
      if (found === undefined) searched.add(needs);
      else preemptions.push(found);
    }
  }
  return {
    placements: plan.placements.filter((one) => placements.has(one)),
    heldBack: plan.placements.filter((one) => !placements.has(one)),
    preemptions,
    reinstatements,
  };
}

function claimsOf(plan: Plan, waiting: readonly WaitingVm[], preempted: readonly PreemptedVm[]): Claim[] {
  const deferred = new Set(plan.deferrals.filter(isForWantOfRoom).map(({ vmId }) => vmId));
  const claims: Claim[] = [];
  for (const vm of preempted) claims.push({ kind: "reinstate", vm, ...whoIs(vm, vm.sinceMs) });
  for (const placement of plan.placements) {
    claims.push({ kind: "place", placement, ...whoIs(placement.vm, placement.vm.waitingSinceMs) });
  }
  for (const vm of waiting) {
    if (deferred.has(vm.vmId)) claims.push({ kind: "wait", vm, ...whoIs(vm, vm.waitingSinceMs) });
  }
  return claims.sort(byPriority);
}

/** Whom a quota stands against is served by nobody's leaving. */
function isForWantOfRoom({ reasons }: Plan["deferrals"][number]): boolean {
  return reasons.every(({ code }) => code !== "QUOTA_EXCEEDED");
}

function whoIs({ vmId, priority }: { vmId: string; priority: number }, sinceMs: number) {
  return { vmId, priority, sinceMs };
}

/** Equal for VMs of whom one finds victims where the other does. */
function needsOf({ vmType, request, placement, priority }: WaitingVm): string {
  return JSON.stringify([vmType, Object.entries(request).sort(), placement, priority]);
}

interface Place {
  /** With the room as it will be once everything that was given up is free, less what is taken or kept. */
  view: HeldRoom;
  /** As it is, less what is taken. */
  now: Room;
  /** Who gave way in this settlement. */
  readonly gone: Set<string>;
}

/** What every chassis has left while claims are gone through. */
class Table {
  readonly #places = new Map<string, Place>();
  /** Those where more is about to be free than is. */
  readonly #growing = new Set<Place>();

  constructor(chassis: readonly ContendedRoom[]) {
    for (const contended of [...chassis].sort((a, b) => (a.chassisId < b.chassisId ? -1 : 1))) {
      const { free, placesLeft } = contended.room;
      const { amounts, places } = contended.pendingRelease;
      const soon = { free: add(free, amounts), placesLeft: placesLeft + places };
      const place = { view: { ...contended, room: soon }, now: contended.room, gone: new Set<string>() };
      this.#places.set(contended.chassisId, place);
      if (releasesAnything(contended.pendingRelease)) this.#growing.add(place);
    }
  }

  /** Takes what is free now and promised to nobody; false when there is not so much. */
  take(chassisId: string, amounts: Amounts, places: 0 | 1): boolean {
    const place = this.#places.get(chassisId);
    if (place === undefined) return false;
    if (misfitOf(amounts, place.now, places) || misfitOf(amounts, place.view.room, places)) return false;
    place.now = less(place.now, amounts, places);
    keep(place, amounts, places);
    return true;
  }

  /** What was taken from a VM, unless it is to give up still more. */
  giveBack({ vmId, chassisId, missing }: PreemptedVm): boolean {
    return this.#places.get(chassisId)?.gone.has(vmId) !== true && this.take(chassisId, missing, 0);
  }

  /** Keeps for a VM what is about to be free for it. */
  keepFor(vm: WaitingVm): boolean {
    if (this.#growing.size === 0) return false;
    const rooms = [...this.#growing].map(({ view }) => view);
    const first = candidatesFor(vm, rooms).find(({ score }) => score !== null);
    const place = first && this.#places.get(first.chassisId);
    if (place === undefined) return false;
    keep(place, vm.request, 1);
    return true;
  }

  preemptFor(vm: WaitingVm): Preemption | undefined {
    const rooms = [...this.#places.values()].map(({ view }) => view);
    const found = choosePreemption(vm, rooms);
    const place = found && this.#places.get(found.chassisId);
    if (found === undefined || place === undefined) return undefined;
    let { free, placesLeft } = place.view.room;
    for (const { vmId, frees, mode } of found.victims) {
      place.gone.add(vmId);
      free = add(free, frees);
      if (mode === "evict") placesLeft += 1;
    }
    const holders = place.view.holders.filter(({ vmId }) => !place.gone.has(vmId));
    place.view = { ...place.view, holders, room: { free, placesLeft } };
    this.#growing.add(place);
    keep(place, vm.request, 1);
    return found;
  }
}

/** Promises part of what will be free. */
function keep(place: Place, amounts: Amounts, places: 0 | 1): void {
  place.view = { ...place.view, room: less(place.view.room, amounts, places) };
}

function releasesAnything({ amounts, places }: PendingRelease): boolean {
  return places > 0 || Object.values(amounts).some((n) => n > 0);
}

function misfitOf(amounts: Amounts, room: Room, places: 0 | 1): Misfit | undefined {
  return roomFor(amounts, places === 0 ? { ...room, placesLeft: 1 } : room);
}

/** May go below nothing where it is promised more than is there: then nobody fits. */
function less({ free, placesLeft }: Room, amounts: Amounts, places: 0 | 1): Room {
  const left: Record<string, number> = { ...free };
  for (const [name, n] of Object.entries(amounts)) left[name] = amountOf(free, name) - n;
  return { free: left, placesLeft: placesLeft - places };
}
