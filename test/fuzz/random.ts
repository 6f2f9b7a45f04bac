/**
 * The random choices of one request. They depend on the seed of the run and the number of the request only, so that any
 * request of a run can be made again alone.
 */
import { Universe } from "../sim/universe.ts";

export type Random = Pick<Universe, "random" | "chance" | "between" | "pick">;

/** An odd constant (the golden ratio, 32 bits) that spreads neighbouring numbers over all seeds. */
const SPREAD = 0x9e3779b1;

/** Returns the choices of request `index` of the run with this seed. */
export function randomOf(seed: number, index: number): Random {
  return new Universe((Math.imul(seed, SPREAD) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0);
}

/** Returns one of the keys, each as often as its weight says. */
export function weighted<K extends string>(random: Random, weights: Readonly<Record<K, number>>): K {
  const all = Object.entries(weights) as [K, number][];
  let left = random.random() * all.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [key, weight] of all) {
    left -= weight;
    if (left < 0) return key;
  }
  return (all.at(-1) as [K, number])[0];
}
