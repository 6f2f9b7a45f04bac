/**
 * What a create leaves to us is derived from the command's id: the same command sent twice, to any instance, means the
 * same VM with the same seed.
 */
import { createHash } from "node:crypto";

/** 60 bits in base 32: two of a million VMs collide once in 10^6 tries. */
const ID_LENGTH = 12;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

export function vmIdOf(commandId: string): string {
  return idOf("vm", commandId);
}

export function snapshotIdOf(commandId: string): string {
  return idOf("snap", commandId);
}

function idOf(kind: string, commandId: string): string {
  const bytes = createHash("sha256").update(`${kind} ${commandId}`).digest();
  let id = `${kind}-`;
  for (let i = 0; i < ID_LENGTH; i += 1) id += ALPHABET[(bytes[i] ?? 0) % ALPHABET.length];
  return id;
}

/** 32 bits. */
export function seedOf(commandId: string): number {
  return createHash("sha256").update(`seed ${commandId}`).digest().readUInt32BE(0);
}
