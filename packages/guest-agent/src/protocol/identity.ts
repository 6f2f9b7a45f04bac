/**
 * The identity of a cell as keys in xenstore, from which a machine boots its cell without a request.
 */
import { DriverError } from "@bioxen/vm-driver";
import * as z from "zod";
import { BOOT_SOURCES, MAX_XENSTORE_VALUE_BYTES, XENSTORE_FOLDER } from "./constants.ts";
import { amounts, count, environment, positive, problemsOf, timeScale, vmId } from "./fields.ts";

/**
 * Values have printable ASCII without a backslash only. The `xenstore-read` of Xen (tools/xenstore/xenstore_client.c)
 * escapes every other character and the backslash; that of xe-guest-utilities (xenstore/xenstore.go) escapes nothing.
 */
const XENSTORE_TEXT = /^[ -[\]-~]*$/;

/** The identity of the cell, and what it starts with, as xenstore carries them. */
export const identitySchema = z.strictObject({
  vmId,
  incarnation: positive,
  /** The stream sequence of the VM's reservation. */
  fence: positive.default(1),
  biologicalType: z.string().min(1),
  seed: count,
  environment: environment.default({}),
  /** Resources. Names that are not resources of a cell are ignored; a missing resource is the cell's full demand. */
  allocation: amounts.default({}),
  config: z.record(z.string(), z.unknown()).default({}),
  timeScale: timeScale.default(1),
  /** Number of restores of the VM. A cell that is stored for another number is not continued. */
  restores: count.default(0),
  boot: z.enum(BOOT_SOURCES).default("xenstore"),
});
export type CellIdentity = z.infer<typeof identitySchema>;

const IDENTITY_KEYS = {
  vmId: "vm-id",
  incarnation: "incarnation",
  fence: "fence",
  biologicalType: "type",
  seed: "seed",
  environment: "environment",
  allocation: "allocation",
  config: "config",
  timeScale: "time-scale",
  restores: "restores",
  boot: "boot",
} as const satisfies Record<keyof CellIdentity, string>;
/** Fields whose value in xenstore is text; every other value is JSON. */
const TEXT_FIELDS: readonly string[] = ["vmId", "biologicalType", "boot"];

/** Full names of the keys of an identity. */
export const identityKeyNames: readonly string[] = Object.values(IDENTITY_KEYS).map(
  (name) => `${XENSTORE_FOLDER}${name}`,
);
/** Keys that the agent reads again while the cell runs: a change resizes the cell or changes its environment. */
export const ALLOCATION_KEY = `${XENSTORE_FOLDER}${IDENTITY_KEYS.allocation}`;
export const ENVIRONMENT_KEY = `${XENSTORE_FOLDER}${IDENTITY_KEYS.environment}`;

/**
 * Returns the keys that carry the identity into a machine. Throws `TOO_LARGE` for a value that xenstore would reject,
 * and `BAD_REQUEST` for a value with other characters than printable ASCII without a backslash.
 */
export function identityKeys(identity: CellIdentity): Readonly<Record<string, string>> {
  const keys = Object.entries(IDENTITY_KEYS).map(([field, name]) => {
    const value = identity[field as keyof CellIdentity];
    return [
      `${XENSTORE_FOLDER}${name}`,
      xenstoreValue(name, TEXT_FIELDS.includes(field) ? String(value) : JSON.stringify(value)),
    ];
  });
  return Object.fromEntries(keys);
}

/** Returns `value` if xenstore transfers it unchanged. Throws `TOO_LARGE` or `BAD_REQUEST` with the name of the key. */
export function xenstoreValue(name: string, value: string): string {
  const bytes = new TextEncoder().encode(value).length;
  if (bytes > MAX_XENSTORE_VALUE_BYTES) {
    throw new DriverError(
      "TOO_LARGE",
      `${name} has ${bytes} bytes, more than a value of xenstore: ${MAX_XENSTORE_VALUE_BYTES}`,
    );
  }
  if (!XENSTORE_TEXT.test(value)) {
    throw new DriverError(
      "BAD_REQUEST",
      `${name} has a backslash or a character that is not printable ASCII: xenstore does not transfer it unchanged`,
    );
  }
  return value;
}

/**
 * Returns the identity that `keys` (full names) carry, or undefined if none of them is present. Other keys are
 * ignored. Throws `BAD_REQUEST` with every problem.
 */
export function identityOfKeys(keys: Readonly<Record<string, string>>): CellIdentity | undefined {
  const problems: string[] = [];
  const given: Record<string, unknown> = {};
  for (const [field, name] of Object.entries(IDENTITY_KEYS)) {
    const value = keys[`${XENSTORE_FOLDER}${name}`];
    if (value === undefined) continue;
    try {
      given[field] = TEXT_FIELDS.includes(field) ? value : JSON.parse(value);
    } catch {
      problems.push(`${name}: is not JSON`);
    }
  }
  if (problems.length === 0 && Object.keys(given).length === 0) return undefined;
  const parsed = identitySchema.safeParse(given);
  if (parsed.success && problems.length === 0) return parsed.data;
  const all = [...problems, ...problemsOf(parsed.error)];
  throw new DriverError("BAD_REQUEST", `the identity in xenstore is malformed: ${all.join("; ")}`);
}
