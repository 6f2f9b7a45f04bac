/**
 * Who may live beside whom: affinity and anti-affinity to VMs by id or label, as all who plan, check and explain must agree on it.
 *
 * A term speaks of VMs that have a place: it is met by one of `vmIds`, or by one that carries all of `labels`. Affinity wants one on the
 * chassis, anti-affinity wants none; both are looked at when a VM is placed, and never move one that runs. Anti-affinity holds both ways:
 * who comes later is kept away by who is there. A VM that carries the labels it wants to be with is the first of its kind where nobody
 * of it has a place, and may go anywhere: else the first could never start.
 */
import type { Misfit } from "./misfit.ts";
import type { PlacementTerm } from "./schemas.ts";

/** What of a VM matters to its neighbours. */
export interface Neighbour {
  readonly vmId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly placement: Readonly<Record<string, unknown>>;
}

interface Terms {
  readonly affinity?: readonly PlacementTerm[];
  readonly antiAffinity?: readonly PlacementTerm[];
}

const termsOf = ({ placement }: Pick<Neighbour, "placement">) => placement as Terms;
const required = (terms: readonly PlacementTerm[] = []) =>
  terms.filter(({ preferred }) => preferred !== true);

/** What it must be with, or must not. */
export function wants(vm: Pick<Neighbour, "placement">): {
  readonly near: readonly PlacementTerm[];
  readonly apart: readonly PlacementTerm[];
} {
  const { affinity, antiAffinity } = termsOf(vm);
  return { near: required(affinity), apart: required(antiAffinity) };
}

/** What it would like to be with, weight above 0, or not, below. */
export function wishes(vm: Pick<Neighbour, "placement">): { term: PlacementTerm; weight: number }[] {
  const { affinity = [], antiAffinity = [] } = termsOf(vm);
  const weighed = (terms: readonly PlacementTerm[], sign: 1 | -1) =>
    terms
      .filter(({ preferred }) => preferred === true)
      .map((term) => ({ term, weight: sign * (term.weight ?? DEFAULT_WEIGHT) }));
  return [...weighed(affinity, 1), ...weighed(antiAffinity, -1)];
}

/** Of a preferred term that names none. */
export const DEFAULT_WEIGHT = 1;

export function isMeant({ vmIds, labels }: PlacementTerm, vm: Pick<Neighbour, "vmId" | "labels">): boolean {
  if (vmIds?.includes(vm.vmId) === true) return true;
  return labels !== undefined && Object.entries(labels).every(([name, value]) => vm.labels[name] === value);
}

/** The VMs with a place on one chassis. A value: what joins makes another. */
export class Neighbours {
  readonly #all: ReadonlyMap<string, Neighbour>;
  /** VMs by `name=value`, counted when first asked for. */
  #labelled: Map<string, number> | undefined;
  /** Those that keep others away. */
  readonly repelling: readonly Neighbour[];

  constructor(all: Iterable<Neighbour>) {
    this.#all = new Map([...all].map((one) => [one.vmId, one]));
    this.repelling = [...this.#all.values()].filter((one) => wants(one).apart.length > 0);
  }

  with(one: Neighbour): Neighbours {
    return new Neighbours([...this.#all.values(), one]);
  }

  without(vmId: string): Neighbours {
    return this.#all.has(vmId)
      ? new Neighbours([...this.#all.values()].filter((one) => one.vmId !== vmId))
      : this;
  }

  /** One of them that is meant, `newcomer` itself aside. */
  find(term: PlacementTerm, newcomer: string): Neighbour | undefined {
    for (const vmId of term.vmIds ?? []) {
      const named = this.#all.get(vmId);
      if (named !== undefined && vmId !== newcomer) return named;
    }
    if (term.labels === undefined || !this.#mayCarry(term.labels)) return undefined;
    for (const one of this.#all.values()) if (one.vmId !== newcomer && isMeant(term, one)) return one;
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
 * Why a VM may not live beside these; undefined when it may. `hasPlacedMatch`: is there a VM but this one that the term means and that has a place,
 * on whatever chassis?
 */
export function misfitAmong(
  vm: Neighbour,
  neighbours: Neighbours,
  hasPlacedMatch: (term: PlacementTerm) => boolean,
): Misfit | undefined {
  const { near, apart } = wants(vm);
  for (const term of near) {
    if (neighbours.find(term, vm.vmId) !== undefined) continue;
    if (isMeant(term, vm) && !hasPlacedMatch(term)) continue;
    return { code: "UNAVAILABLE", message: `the VM is to be with ${wordsOf(term)}, and none is there` };
  }
  for (const term of apart) {
    const there = neighbours.find(term, vm.vmId);
    if (there === undefined) continue;
    return {
      code: "UNAVAILABLE",
      message: `${there.vmId} is there, and the VM is not to be with ${wordsOf(term)}`,
    };
  }
  for (const one of neighbours.repelling) {
    if (one.vmId === vm.vmId) continue;
    const against = wants(one).apart.find((term) => isMeant(term, vm));
    if (against === undefined) continue;
    return {
      code: "UNAVAILABLE",
      message: `${one.vmId} is there, and is not to be with ${wordsOf(against)}`,
    };
  }
  return undefined;
}

function wordsOf({ vmIds, labels }: PlacementTerm): string {
  const named = vmIds === undefined ? [] : [`VM ${vmIds.join(" or ")}`];
  const carried = labels && Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return [...named, ...(carried ? [`VMs labelled ${carried.join(" and ")}`] : [])].join(" or ");
}
