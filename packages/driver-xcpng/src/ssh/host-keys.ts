/**
 * Finds the SSH host keys that a machine may present. There is no trust on first use.
 *
 * Two sources list keys, and the second is used only if the first has none. The first is the machine's record in the
 * pool, which its provisioner wrote and which a clone inherits from its template. The connection to the pool is
 * verified, so its records are trustworthy. The second is the agent's configuration.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { DriverError } from "@bioxen/vm-driver";
import { knownHost, nameAt } from "./known-hosts.ts";

/**
 * Key in the `other_config` of a VM or template. Its value is a comma-separated list of fingerprints, each `SHA256:…`.
 */
export const HOST_KEY_CONFIG = "bioxen:ssh-host-key";
/**
 * Path in xenstore under which the guest itself publishes its fingerprint: `xenstore-write vm-data/bioxen-ssh-host-key
 * SHA256:…`.
 */
export const HOST_KEY_XENSTORE = "vm-data/bioxen-ssh-host-key";

const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

export interface ExpectedKeys {
  readonly fingerprints: ReadonlySet<string>;
  readonly revoked: ReadonlySet<string>;
  /**
   * Signature algorithms of the known keys; the SSH client prefers them to others. Empty when fingerprints are
   * configured, because a fingerprint does not tell the type of its key.
   */
  readonly types: readonly string[];
  /** Where the keys are configured, for error texts. */
  readonly source: string;
}

export interface HostKeySources {
  /**
   * Fingerprints of host keys that are accepted from every machine, because machines from one template share its key.
   */
  readonly hostKeys: ReadonlySet<string>;
  /** Path of an OpenSSH `known_hosts` file, read at each connection. */
  readonly knownHostsFile: string | undefined;
}

export interface MachineName {
  readonly vmId: string;
  readonly address: string;
  readonly port: number;
  readonly otherConfig: Readonly<Record<string, string>>;
  readonly xenstore: Readonly<Record<string, string>>;
}

/** Returns the fingerprint of a public key in its wire form, as `ssh-keygen -l` prints it. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** Parses a comma-separated list of fingerprints. Throws a `RangeError` that names the malformed ones. */
export function parseFingerprints(text: string): ReadonlySet<string> {
  const all = text
    .split(",")
    .map((one) => one.trim().replace(/=+$/, ""))
    .filter((one) => one !== "");
  const bad = all.filter((one) => !FINGERPRINT.test(one));
  if (bad.length > 0 || all.length === 0) {
    const what = bad.length > 0 ? bad.map((one) => `"${one}"`).join(", ") : "an empty list";
    throw new RangeError(
      `${what} is not a host key fingerprint: use SHA256: and 43 characters, as ssh-keygen -l prints it`,
    );
  }
  return new Set(all);
}

/**
 * Resolves with the keys that the machine may present. When no source knows a key, rejects with `UNSUPPORTED`; the
 * error names the settings that configure one.
 */
export async function expectedKeys(machine: MachineName, sources: HostKeySources): Promise<ExpectedKeys> {
  const { vmId, address, port, otherConfig, xenstore } = machine;
  const own = otherConfig[HOST_KEY_CONFIG] ?? xenstore[HOST_KEY_XENSTORE];
  if (own !== undefined) {
    const where = HOST_KEY_CONFIG in otherConfig ? `other_config ${HOST_KEY_CONFIG}` : HOST_KEY_XENSTORE;
    const source = `${where} of its VM in the pool`;
    return { fingerprints: fingerprintsIn(own, source), revoked: new Set(), types: [], source };
  }
  const file = sources.knownHostsFile;
  const text = file === undefined ? "" : await readKnownHosts(file);
  const known = knownHost(text, [vmId, nameAt(address, port)]);
  const listed = known.keys.map(({ key }) => fingerprintOf(key));
  const fingerprints = new Set([...sources.hostKeys, ...listed]);
  if (fingerprints.size === 0) throw unknownHost(machine, file);
  const isByFile = sources.hostKeys.size === 0;
  return {
    fingerprints,
    revoked: new Set(known.revoked.map(({ key }) => fingerprintOf(key))),
    types: isByFile ? [...new Set(known.keys.flatMap(({ type }) => algorithmsOf(type)))] : [],
    source: isByFile ? `${file}` : ["BIOXEN_XCPNG_SSH_HOST_KEY", file].filter(Boolean).join(" and "),
  };
}

function algorithmsOf(type: string): readonly string[] {
  return type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [type];
}

function fingerprintsIn(text: string, source: string): ReadonlySet<string> {
  try {
    return parseFingerprints(text);
  } catch (cause) {
    throw new DriverError("UNSUPPORTED", `${source}: ${(cause as RangeError).message}`, { cause });
  }
}

async function readKnownHosts(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new DriverError(
      "UNSUPPORTED",
      `BIOXEN_XCPNG_SSH_KNOWN_HOSTS: ${file} cannot be read: ${cause.code}`,
      {
        cause,
      },
    );
  });
}

function unknownHost({ vmId, address, port }: MachineName, file: string | undefined): DriverError {
  const names = `"${vmId}" or "${nameAt(address, port)}"`;
  const byFile =
    file === undefined
      ? `set BIOXEN_XCPNG_SSH_KNOWN_HOSTS to a known_hosts file that lists ${names}`
      : `add a line for ${names} to ${file}`;
  return new DriverError(
    "UNSUPPORTED",
    `no SSH host key is known for "${vmId}": set other_config ${HOST_KEY_CONFIG}=SHA256:… on its template or VM, or BIOXEN_XCPNG_SSH_HOST_KEY, or ${byFile}`,
    { details: { vmId, address, port } },
  );
}
