/**
 * An index of the VMs on each chassis while a plan is made. It answers whether the affinity terms of waiting and of
 * placed VMs are met.
 *
 * Most clusters have no affinity terms. Plans of such clusters do not use the index (`hasTerms`).
 */
import {
  type Misfit,
  misfitAmong,
  type Neighbour,
  type Neighbours,
  NO_NEIGHBOURS,
  type PlacementTerm,
  preferredTerms,
  requiredTerms,
  seesNeighbour,
  termMatches,
} from "@bioxen/contracts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";

export class AffinityIndex {
  readonly #rooms: readonly ChassisRoom[];
  /**
   * By index of each chassis on which this plan has placed a VM: all VMs of that chassis, those of earlier plans
   * included.
   */
  readonly #changed = new Map<number, Neighbours>();
  readonly #added: {
    readonly vm: WaitingVm;
    readonly at: number;
    readonly before: Neighbours | undefined;
  }[] = [];
  readonly #placedMatch = new Map<PlacementTerm, Neighbour | undefined>();
  /** True when any waiting VM has affinity terms, or any placed VM has anti-affinity terms. */
  readonly hasTerms: boolean;
  /** The ids of the VMs that an affinity term names. */
  readonly namedVmIds: ReadonlySet<string>;

  constructor(rooms: readonly ChassisRoom[], waiting: Iterable<WaitingVm>) {
    this.#rooms = rooms;
    const terms: PlacementTerm[] = [];
    for (const vm of waiting) terms.push(...termsOf(vm));
    for (const { neighbours } of rooms)
      for (const one of neighbours?.repelling ?? []) terms.push(...termsOf(one));
    this.hasTerms = terms.length > 0;
    this.namedVmIds = new Set(terms.flatMap(({ vmIds }) => vmIds ?? []));
  }

  at(at: number): Neighbours {
    return this.#changed.get(at) ?? this.#rooms[at]?.neighbours ?? NO_NEIGHBOURS;
  }

  add(at: number, vm: WaitingVm): void {
    if (!this.hasTerms) return;
    this.#added.push({ vm, at, before: this.#changed.get(at) });
    this.#changed.set(at, this.at(at).with(vm));
  }

  /** Removes the last `count` VMs that were added with `add`. */
  removeLast(count: number): void {
    for (const { at, before } of this.#added.splice(Math.max(0, this.#added.length - count)).reverse()) {
      if (before === undefined) this.#changed.delete(at);
      else this.#changed.set(at, before);
    }
  }

  misfitAt(at: number, vm: WaitingVm): Misfit | undefined {
    return this.hasTerms ? misfitAmong(vm, this.at(at), (term) => this.#hasPlacedMatch(term, vm)) : undefined;
  }

  #hasPlacedMatch(term: PlacementTerm, newcomer: WaitingVm): boolean {
    const isOther = (vm: WaitingVm) => vm.vmId !== newcomer.vmId && seesNeighbour(newcomer, vm);
    if (this.#added.some(({ vm }) => isOther(vm) && termMatches(term, vm))) return true;
    if (!this.#placedMatch.has(term)) {
      let found: Neighbour | undefined;
      for (const { neighbours } of this.#rooms) found ??= neighbours?.find(term, newcomer);
      this.#placedMatch.set(term, found);
    }
    return this.#placedMatch.get(term) !== undefined;
  }

  /** Returns the sum of the weights of the VM's preferred terms that match another VM on this chassis. */
  weightAt(at: number, vm: WaitingVm): number {
    let total = 0;
    for (const { term, weight } of preferredTerms(vm)) {
      if (this.at(at).find(term, vm) !== undefined) total += weight;
    }
    return total;
  }
}

function termsOf(vm: Pick<Neighbour, "placement">): PlacementTerm[] {
  const { near, apart } = requiredTerms(vm);
  return [...near, ...apart, ...preferredTerms(vm).map(({ term }) => term)];
}
