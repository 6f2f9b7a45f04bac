/**
 * Nkeys of users: a pair of keys, of which the server knows the public one and the client keeps the seed.
 */
import { nkeys } from "@nats-io/nats-core";

export interface UserKey {
  /** Begins with `U`; no secret. */
  readonly publicKey: string;
  /** Begins with `SU`; the whole secret. */
  readonly seed: string;
}

/** Makes a new random key. */
export function newUserKey(): UserKey {
  const pair = nkeys.createUser();
  return { publicKey: pair.getPublicKey(), seed: new TextDecoder().decode(pair.getSeed()) };
}

/** Returns the key of a seed. Throws an `Error` for a text that is no seed of a user. */
export function userKeyOf(seed: string): UserKey {
  const pair = nkeys.fromSeed(new TextEncoder().encode(seed));
  const publicKey = pair.getPublicKey();
  if (!publicKey.startsWith("U")) throw new Error("is not the seed of a user, which begins with SU");
  return { publicKey, seed };
}
