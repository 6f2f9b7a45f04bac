/**
 * Default ids and seeds, for commands that name no id or no seed. They are derived from the id of the command. A
 * command that is sent twice, to any instance, therefore means the same VM with the same seed.
 */
import { createHash } from "node:crypto";
import type { Causation } from "@bioxen/kernel";

/** Characters of an id, 60 bits in base 32: among a million VMs, two share an id with a probability of 4 · 10^-7. */
const ID_LENGTH = 12;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** Returns the id of a VM whose command names none. The ids of a tenant's VMs begin with the tenant's name. */
export function vmIdOf({ causeId, principal, role }: Causation): string {
  const id = idOf("vm", causeId);
  return role === "tenant" ? `${principal}-${id}` : id;
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

/** Returns the seed, 32 bits, of a VM whose command names no seed. */
export function seedOf(commandId: string): number {
  return createHash("sha256").update(`seed ${commandId}`).digest().readUInt32BE(0);
}
