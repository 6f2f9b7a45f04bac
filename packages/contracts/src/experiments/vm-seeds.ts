/**
 * The seeds of the VMs of an experiment.
 *
 * The seeds of one combination are a permutation of 32-bit numbers, entered at a place that follows from the experiment's
 * seed and the swept values. So a VM keeps its seed when values are added to the sweep or replicates to the experiment,
 * and two replicates of a combination never have the same seed. Committed digests hold this derivation: another one
 * would change the results of every stored file.
 */
import { sha256 } from "#sha256";

/** What is hashed begins with this text, so that no other digest of BioXen is of the same bytes. */
const PURPOSE = "bioxen.experiment.seed";

/**
 * Returns the place of a combination: the first 32 bits of the SHA-256 of the canonical JSON of
 * `["bioxen.experiment.seed", seed, values]`. `values` is the canonical JSON of the swept values by name.
 */
export function placeOf(seed: number, values: string): number {
  const text = `[${JSON.stringify(PURPOSE)},${seed},${values}]`;
  return Number.parseInt(sha256(new TextEncoder().encode(text)).slice(0, 8), 16);
}

/**
 * Returns the seed of a replicate, 32 bits: the finaliser of MurmurHash3 (A. Appleby, public domain) of the place plus
 * the number of the replicate, which is 1 for the first one. The finaliser is a bijection of 32-bit numbers.
 */
export function replicateSeed(place: number, replicate: number): number {
  let x = (place + replicate) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
