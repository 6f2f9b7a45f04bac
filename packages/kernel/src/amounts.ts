/**
 * Resource vectors: the request of a VM, the offer of a chassis, the amounts that are still free.
 *
 * An absent name is 0, so that vectors of cell chassis (ribosomes, ATP…) and of pools (vCPUs, MiB) share one
 * arithmetic. All amounts are non-negative safe integers, because the previous system created capacity from fractions
 * and negative amounts. Every function returns a new vector with sorted names, so that equal amounts serialise to equal
 * bytes.
 */
import { invariant } from "./fault.ts";

export type Amounts = Readonly<Record<string, number>>;

/** Largest amount of one resource. With 10^12, a double still sums 9 000 such amounts exactly. */
export const MAX_AMOUNT = 1_000_000_000_000;

export const NO_AMOUNTS: Amounts = Object.freeze({});

/** Returns the amount of `name`, 0 when absent. */
export function amountOf(amounts: Amounts, name: string): number {
  return amounts[name] ?? 0;
}

/** True for an integer in 0…{@link MAX_AMOUNT}. */
export function isAmount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_AMOUNT;
}

function names(a: Amounts, b: Amounts): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}

function combine(a: Amounts, b: Amounts, op: (x: number, y: number) => number): Amounts {
  const out: Record<string, number> = {};
  for (const name of names(a, b)) out[name] = op(amountOf(a, name), amountOf(b, name));
  return out;
}

/** Returns `a + b`, per resource. */
export function add(a: Amounts, b: Amounts): Amounts {
  return combine(a, b, (x, y) => x + y);
}

/** Returns `a − b`, per resource. A negative result is a bug of the caller, which must check {@link fits} first. */
export function subtract(a: Amounts, b: Amounts): Amounts {
  return combine(a, b, (x, y) => {
    invariant(x >= y, "an amount is subtracted only from one at least as large", { a, b });
    return x - y;
  });
}

export function sum(all: Iterable<Amounts>): Amounts {
  const total: Record<string, number> = {};
  for (const one of all) {
    for (const name of Object.keys(one)) total[name] = (total[name] ?? 0) + amountOf(one, name);
  }
  return Object.fromEntries(Object.entries(total).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Returns the largest amount of each resource. */
export function largestAmounts(all: Iterable<Amounts>): Amounts {
  const largest: Record<string, number> = {};
  for (const one of all) {
    for (const name of Object.keys(one)) largest[name] = Math.max(largest[name] ?? 0, amountOf(one, name));
  }
  return Object.fromEntries(Object.entries(largest).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** True when both vectors have the same amounts; an absent name equals 0. */
export function equalAmounts(a: Amounts, b: Amounts): boolean {
  return names(a, b).every((name) => amountOf(a, name) === amountOf(b, name));
}

export interface Shortage {
  readonly resource: string;
  readonly requested: number;
  readonly free: number;
}

/** Returns every resource of which `free` has less than `request`, sorted by name; empty when the request fits. */
export function shortages(request: Amounts, free: Amounts): Shortage[] {
  return Object.keys(request)
    .sort()
    .map((resource) => ({ resource, requested: amountOf(request, resource), free: amountOf(free, resource) }))
    .filter((s) => s.requested > s.free);
}

export function fits(request: Amounts, free: Amounts): boolean {
  return shortages(request, free).length === 0;
}

/**
 * Returns the part of `capacity` that VMs can hold, when the hypervisor keeps `overheadPermille` of every resource.
 * Rounded down, because a ribosome is indivisible.
 */
export function afterOverhead(capacity: Amounts, overheadPermille: number): Amounts {
  const out: Record<string, number> = {};
  for (const name of Object.keys(capacity).sort()) {
    out[name] = Math.floor((amountOf(capacity, name) * (1000 - overheadPermille)) / 1000);
  }
  return out;
}
