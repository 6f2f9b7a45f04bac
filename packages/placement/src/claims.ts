/**
 * Divides the room of one round among three groups: placements, VMs that wait for room which other VMs are giving up,
 * and preempted VMs that want their resources back.
 *
 * The plan of a round knows only the resources that are free now. `settleClaims` goes through the demands of all three
 * groups in order of priority. It also counts pending releases: what VMs have given up and their ledgers have not
 * released yet. A waiting VM that fits with the pending releases waits for them, and no later VM gets them. A waiting
 * VM that does not fit even then may preempt. A placement without enough room is cancelled, and its VM is planned
 * again. Everything is read from the read models in each round, so that a crash loses nothing.
 *
 * A preempted VM is reinstated as a whole once there is room. VMs of higher priority that can use the room go first;
 * new VMs of equal priority come later. A preemption takes no victim that it does not need. The room that remains after
 * a preemption is therefore smaller than the loss of any victim, and no victim is reinstated at once.
 */
import { type Misfit, type Room, roomFor } from "@bioxen/contracts";
import { type Amounts, add, amountOf, NO_AMOUNTS } from "@bioxen/kernel";
import { candidatesFor, type Placement, type Plan } from "./plan.ts";
import { choosePreemption, type HeldRoom, type Preemption } from "./preemption.ts";
import type { WaitingVm } from "./snapshot.ts";

/** The resources and places that VMs have given up on a chassis, and that its ledger has not released yet. */
export interface PendingRelease {
  readonly amounts: Amounts;
  readonly places: number;
}

export const NO_PENDING_RELEASE: PendingRelease = { amounts: NO_AMOUNTS, places: 0 };

/**
 * A chassis with all the room that a settlement can use: what is free, what is about to be free, and what VMs could
 * give up.
 */
export interface ContendedRoom extends HeldRoom {
  readonly pendingRelease: PendingRelease;
}

/** A VM that preemption has starved or paused, and that waits to be reinstated. */
export interface PreemptedVm {
  readonly vmId: string;
  readonly chassisId: string;
  readonly priority: number;
  readonly fence: number;
  readonly preemptedSeq: number;
  /** The instant of the preemption, ms. */
  readonly sinceMs: number;
  /** The part of the VM's request that preemption took from it. */
  readonly missing: Amounts;
}

export interface Settlement {
  /** The placements of the plan whose room no claim of higher priority needs. */
  readonly placements: readonly Placement[];
  /** The other placements of the plan, whose room went to other claims. Their VMs are planned again. */
  readonly heldBack: readonly Placement[];
  readonly preemptions: readonly Preemption[];
  readonly reinstatements: readonly PreemptedVm[];
}

/**
 * Maximum number of preemptions in one round, because each costs a search over all chassis and one call per victim. VMs
 * of the highest priority come first. The effects of these preemptions start the next round.
 */
const MAX_PREEMPTIONS = 64;
/**
 * Maximum number of preemption searches without a result in one round. VMs with equal needs share one search. The VMs
 * after the limit wait for the next round.
 */
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
  /** False until the scheduler knows which chassis are alive. While it is false, no VM is preempted. */
  readonly mayPreempt: boolean;
}

/**
 * Divides the room of one round among the placements, the waiting VMs and the preempted VMs, the highest priority
 * first.
 */
export function settleClaims(
  plan: Plan,
  waiting: readonly WaitingVm[],
  chassis: readonly ContendedRoom[],
  preempted: readonly PreemptedVm[],
  { mayPreempt }: SettleOptions,
): Settlement {
  const table = new ChassisTable(chassis, plan);
  const placements = new Set<Placement>();
  const preemptions: Preemption[] = [];
  const reinstatements: PreemptedVm[] = [];
  const searched = new Set<string>();
  for (const claim of claimsOf(plan, waiting, preempted)) {
    if (claim.kind === "place") {
      if (table.take(claim.placement.chassisId, claim.placement.vm.request, 1))
        placements.add(claim.placement);
    } else if (claim.kind === "reinstate") {
      if (table.reinstate(claim.vm)) reinstatements.push(claim.vm);
    } else if (!table.setAsideFor(claim.vm) && mayPreempt && preemptions.length < MAX_PREEMPTIONS) {
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
  const deferred = new Set(plan.deferrals.filter(isForLackOfRoom).map(({ vmId }) => vmId));
  const claims: Claim[] = [];
  for (const vm of preempted) claims.push({ kind: "reinstate", vm, ...orderOf(vm, vm.sinceMs) });
  for (const placement of plan.placements) {
    claims.push({ kind: "place", placement, ...orderOf(placement.vm, placement.vm.waitingSinceMs) });
  }
  for (const vm of waiting) {
    if (deferred.has(vm.vmId)) claims.push({ kind: "wait", vm, ...orderOf(vm, vm.waitingSinceMs) });
  }
  return claims.sort(byPriority);
}

/**
 * Returns true when the VM is deferred for lack of room. Returns false when a quota blocks it: preemption cannot help
 * then.
 */
function isForLackOfRoom({ reasons }: Plan["deferrals"][number]): boolean {
  return reasons.every(({ code, chassisId }) => code !== "QUOTA_EXCEEDED" && chassisId !== null);
}

function orderOf({ vmId, priority }: { vmId: string; priority: number }, sinceMs: number) {
  return { vmId, priority, sinceMs };
}

/** Returns a key that is equal for VMs with the same preemption candidates. */
function needsOf({ vmType, request, placement, priority }: WaitingVm): string {
  return JSON.stringify([vmType, Object.entries(request).sort(), placement, priority]);
}

interface ChassisAccount {
  /**
   * The room after every pending release, less what earlier claims took or set aside. Its `holders` are the VMs that
   * can still be preempted.
   */
  expected: HeldRoom;
  /** The room that is free at present, less what earlier claims took. */
  present: Room;
  /** VMs that give way in this settlement. */
  readonly preempted: Set<string>;
}

/** The remaining room of every chassis while the claims are settled. */
class ChassisTable {
  readonly #accounts = new Map<string, ChassisAccount>();
  /** The chassis with pending releases or preempted VMs: they will have more room than they have at present. */
  readonly #releasing = new Set<ChassisAccount>();

  /** By id, the place of each deferred VM in the order in which the plan tried them. */
  readonly #places: ReadonlyMap<string, number>;
  readonly #holds: Plan["holds"];

  constructor(chassis: readonly ContendedRoom[], { deferrals, holds }: Plan) {
    this.#places = new Map(deferrals.map(({ vmId }, place) => [vmId, place]));
    this.#holds = holds;
    for (const contended of [...chassis].sort((a, b) => (a.chassisId < b.chassisId ? -1 : 1))) {
      const { free, placesLeft } = contended.room;
      const { amounts, places } = contended.pendingRelease;
      const room = { free: add(free, amounts), placesLeft: placesLeft + places };
      const account = {
        // Which hosts the pending releases belong to is unknown.
        expected: { ...contended, room, hosts: undefined },
        present: contended.room,
        preempted: new Set<string>(),
      };
      this.#accounts.set(contended.chassisId, account);
      if (releasesAnything(contended.pendingRelease)) this.#releasing.add(account);
    }
  }

  /**
   * Takes room that is free at present and not set aside. Returns false, and takes nothing, when this room is too
   * small.
   */
  take(chassisId: string, amounts: Amounts, places: 0 | 1): boolean {
    const account = this.#accounts.get(chassisId);
    if (account === undefined) return false;
    const { present, expected } = account;
    if (misfitOf(amounts, present, places) || misfitOf(amounts, expected.room, places)) return false;
    account.present = minus(present, amounts, places);
    setAside(account, amounts, places);
    return true;
  }

  /**
   * Takes room for the resources that a preempted VM gets back. Returns false when the room is too small, or when the
   * same settlement preempts the VM again.
   */
  reinstate({ vmId, chassisId, missing }: PreemptedVm): boolean {
    return this.#accounts.get(chassisId)?.preempted.has(vmId) !== true && this.take(chassisId, missing, 0);
  }

  /**
   * Sets aside room for a VM on a chassis that will have more room than at present. Returns false when the VM would fit
   * on no such chassis.
   */
  setAsideFor(vm: WaitingVm): boolean {
    if (this.#releasing.size === 0) return false;
    const rooms = this.#openTo(vm, this.#releasing);
    const first = candidatesFor(vm, rooms).find(({ score }) => score !== null);
    const account = first && this.#accounts.get(first.chassisId);
    if (account === undefined) return false;
    setAside(account, vm.request, 1);
    return true;
  }

  /**
   * Returns the rooms of those chassis that are not held for a VM which the plan tries before this one. The next plan would
   * not place the VM on such a chassis, so that room which others made for it there would go back to them, again and again.
   */
  #openTo({ vmId }: WaitingVm, accounts: Iterable<ChassisAccount>): HeldRoom[] {
    const place = this.#places.get(vmId) ?? 0;
    return [...accounts].flatMap(({ expected }) => {
      const holder = this.#holds.get(expected.chassisId);
      const isHeld = holder !== undefined && (this.#places.get(holder.vmId) ?? place) < place;
      return isHeld ? [] : [expected];
    });
  }

  preemptFor(vm: WaitingVm): Preemption | undefined {
    const found = choosePreemption(vm, this.#openTo(vm, this.#accounts.values()));
    const account = found && this.#accounts.get(found.chassisId);
    if (found === undefined || account === undefined) return undefined;
    let { free, placesLeft } = account.expected.room;
    for (const { vmId, frees, mode } of found.victims) {
      account.preempted.add(vmId);
      free = add(free, frees);
      if (mode === "evict") placesLeft += 1;
    }
    const holders = account.expected.holders.filter(({ vmId }) => !account.preempted.has(vmId));
    account.expected = { ...account.expected, holders, room: { free, placesLeft } };
    this.#releasing.add(account);
    setAside(account, vm.request, 1);
    return found;
  }
}

/** Deducts the amounts and places of a claim from the expected room, so that no later claim gets them. */
function setAside(account: ChassisAccount, amounts: Amounts, places: 0 | 1): void {
  const room = minus(account.expected.room, amounts, places);
  account.expected = { ...account.expected, room };
}

function releasesAnything({ amounts, places }: PendingRelease): boolean {
  return places > 0 || Object.values(amounts).some((n) => n > 0);
}

function misfitOf(amounts: Amounts, room: Room, places: 0 | 1): Misfit | undefined {
  return roomFor(amounts, places === 0 ? { ...room, placesLeft: 1 } : room);
}

/**
 * Subtracts amounts and places from a room. The result is negative when more is set aside than the room has; no VM fits
 * there then.
 */
function minus({ free, placesLeft }: Room, amounts: Amounts, places: 0 | 1): Room {
  const left: Record<string, number> = { ...free };
  for (const [name, n] of Object.entries(amounts)) left[name] = amountOf(free, name) - n;
  return { free: left, placesLeft: placesLeft - places };
}
