/**
 * The affinity rule: which VMs must, must not or should share a chassis. The scheduler plans and explains placements
 * with this rule, and the allocator checks each reservation with it.
 *
 * A term matches a VM whose id is in `vmIds`, or that carries all of `labels`. A VM without a place is ignored.
 * Affinity requires a matching VM on the chassis; anti-affinity forbids such a VM. Both are evaluated when a VM is
 * placed, and never move a running VM. Anti-affinity is symmetric: a placed VM with an anti-affinity term also keeps
 * later VMs that match the term off its chassis.
 *
 * The terms of a VM see only the VMs of the same owner, so that a tenant neither keeps the VMs of others off a chassis nor
 * learns where they are. The terms of VMs of `admin`, and all terms on an open stack, see every VM.
 *
 * A VM that matches its own affinity term can go to any chassis while no other matching VM is placed. Without this
 * exception, the first VM of such a group could never start.
 */
import { hasFeed } from "./feed.ts";
import type { Misfit } from "./misfit.ts";
import type { PlacementTerm } from "./schemas.ts";

/** The properties of a VM that the affinity rule needs. */
export interface Neighbour {
  readonly vmId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly placement: Readonly<Record<string, unknown>>;
  /** The owner, which limits the VMs that the terms see; absent when it is unknown. */
  readonly owner?: string | undefined;
}

interface Terms {
  readonly affinity?: readonly PlacementTerm[];
  readonly antiAffinity?: readonly PlacementTerm[];
}

const termsOf = ({ placement }: Pick<Neighbour, "placement">) => placement as Terms;
const required = (terms: readonly PlacementTerm[] = []) =>
  terms.filter(({ preferred }) => preferred !== true);

/** Returns the required terms of a VM: `near` for affinity, `apart` for anti-affinity. */
export function requiredTerms(vm: Pick<Neighbour, "placement">): {
  readonly near: readonly PlacementTerm[];
  readonly apart: readonly PlacementTerm[];
} {
  const { affinity, antiAffinity } = termsOf(vm);
  return { near: required(affinity), apart: required(antiAffinity) };
}

/** Returns the preferred terms of a VM. A positive weight means affinity, a negative weight anti-affinity. */
export function preferredTerms(vm: Pick<Neighbour, "placement">): { term: PlacementTerm; weight: number }[] {
  const { affinity = [], antiAffinity = [] } = termsOf(vm);
  const weighed = (terms: readonly PlacementTerm[], sign: 1 | -1) =>
    terms
      .filter(({ preferred }) => preferred === true)
      .map((term) => ({ term, weight: sign * (term.weight ?? DEFAULT_WEIGHT) }));
  return [...weighed(affinity, 1), ...weighed(antiAffinity, -1)];
}

/** Weight of a preferred term that gives no weight. */
export const DEFAULT_WEIGHT = 1;

/** Returns true when the term matches the VM by id or by labels. */
export function termMatches(
  { vmIds, labels }: PlacementTerm,
  vm: Pick<Neighbour, "vmId" | "labels">,
): boolean {
  if (vmIds?.includes(vm.vmId) === true) return true;
  return labels !== undefined && Object.entries(labels).every(([name, value]) => vm.labels[name] === value);
}

/** Returns true when the terms of the VM see the other one. */
export function seesNeighbour({ owner }: Pick<Neighbour, "owner">, other: Pick<Neighbour, "owner">): boolean {
  return owner === undefined || !hasFeed(owner) || owner === other.owner;
}

/** The VMs that have a place on one chassis. The object is immutable; `with` and `without` return a new one. */
export class Neighbours {
  readonly #all: ReadonlyMap<string, Neighbour>;
  /** Number of VMs with each label; the key is `name=value`. Built when it is first needed. */
  #labelled: Map<string, number> | undefined;
  /** The VMs with required anti-affinity terms: a VM that matches such a term cannot be placed on this chassis. */
  readonly repelling: readonly Neighbour[];

  constructor(all: Iterable<Neighbour>) {
    this.#all = new Map([...all].map((one) => [one.vmId, one]));
    this.repelling = [...this.#all.values()].filter((one) => requiredTerms(one).apart.length > 0);
  }

  with(one: Neighbour): Neighbours {
    return new Neighbours([...this.#all.values(), one]);
  }

  without(vmId: string): Neighbours {
    return this.#all.has(vmId)
      ? new Neighbours([...this.#all.values()].filter((one) => one.vmId !== vmId))
      : this;
  }

  /**
   * Returns a VM of this chassis that the term of `newcomer` matches; undefined when there is none. `newcomer` is the VM
   * that is being placed, which is skipped.
   */
  find(term: PlacementTerm, newcomer: Pick<Neighbour, "vmId" | "owner">): Neighbour | undefined {
    const isOther = (one: Neighbour) => one.vmId !== newcomer.vmId && seesNeighbour(newcomer, one);
    for (const vmId of term.vmIds ?? []) {
      const named = this.#all.get(vmId);
      if (named !== undefined && isOther(named)) return named;
    }
    if (term.labels === undefined || !this.#mayCarry(term.labels)) return undefined;
    for (const one of this.#all.values()) if (isOther(one) && termMatches(term, one)) return one;
    return undefined;
  }

  #mayCarry(labels: Readonly<Record<string, string>>): boolean {
    if (this.#labelled === undefined) {
      this.#labelled = new Map();
      for (const one of this.#all.values()) {
        for (const [name, value] of Object.entries(one.labels)) {
          const label = `${name}=${value}`;
          this.#labelled.set(label, (this.#labelled.get(label) ?? 0) + 1);
        }
      }
    }
    return Object.entries(labels).every(([name, value]) => this.#labelled?.has(`${name}=${value}`));
  }
}

export const NO_NEIGHBOURS = new Neighbours([]);

/**
 * Returns why a VM cannot join the VMs on this chassis; undefined when it can. `hasPlacedMatch` returns whether another
 * VM that the term matches has a place on any chassis.
 */
export function misfitAmong(
  vm: Neighbour,
  neighbours: Neighbours,
  hasPlacedMatch: (term: PlacementTerm) => boolean,
): Misfit | undefined {
  const { near, apart } = requiredTerms(vm);
  for (const term of near) {
    if (neighbours.find(term, vm) !== undefined) continue;
    if (termMatches(term, vm) && !hasPlacedMatch(term)) continue;
    return { code: "UNAVAILABLE", message: `the VM must be with ${wordsOf(term)}, and none is there` };
  }
  for (const term of apart) {
    const there = neighbours.find(term, vm);
    if (there === undefined) continue;
    return {
      code: "UNAVAILABLE",
      message: `${there.vmId} is there, and the VM must not be with ${wordsOf(term)}`,
    };
  }
  for (const one of neighbours.repelling) {
    if (one.vmId === vm.vmId || !seesNeighbour(one, vm)) continue;
    const against = requiredTerms(one).apart.find((term) => termMatches(term, vm));
    if (against === undefined) continue;
    return {
      code: "UNAVAILABLE",
      message: `${one.vmId} is there, and must not be with ${wordsOf(against)}`,
    };
  }
  return undefined;
}

function wordsOf({ vmIds, labels }: PlacementTerm): string {
  const named = vmIds === undefined ? [] : [`VM ${vmIds.join(" or ")}`];
  const carried = labels && Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return [...named, ...(carried ? [`VMs labelled ${carried.join(" and ")}`] : [])].join(" or ");
}
