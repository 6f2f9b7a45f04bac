/**
 * OpenSSH's `known_hosts`: which keys a host may show. Plain and hashed names, `[host]:port`, wildcards, negation, `@revoked`.
 *
 * Left out: `@cert-authority`, because the client speaks no host certificates. Such a line makes nobody known.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export interface KnownKey {
  /** `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`. */
  readonly type: string;
  readonly key: Buffer;
}

export interface KnownHost {
  readonly keys: readonly KnownKey[];
  /** Never to be taken, whoever else vouches for them. */
  readonly revoked: readonly KnownKey[];
}

/** The port that is not written beside a name. */
const DEFAULT_PORT = 22;

/** How a host is named there. */
export function nameAt(host: string, port: number): string {
  return port === DEFAULT_PORT ? host : `[${host}]:${port}`;
}

/** What `text` says of a host that goes by any of `names`. Lines that cannot be read make nobody known. */
export function knownHost(text: string, names: readonly string[]): KnownHost {
  const keys: KnownKey[] = [];
  const revoked: KnownKey[] = [];
  for (const line of text.split(/\r?\n/)) {
    const fields = line.trim().split(/\s+/);
    const marker = fields[0]?.startsWith("@") ? fields.shift() : undefined;
    const [patterns, type, base64] = fields;
    if (patterns === undefined || patterns.startsWith("#") || type === undefined || base64 === undefined)
      continue;
    if (marker !== undefined && marker !== "@revoked") continue;
    if (!names.some((name) => isMeant(patterns, name))) continue;
    (marker === undefined ? keys : revoked).push({ type, key: Buffer.from(base64, "base64") });
  }
  return { keys, revoked };
}

function isMeant(patterns: string, name: string): boolean {
  if (patterns.startsWith("|")) return isHashOf(patterns, name);
  const all = patterns.split(",");
  if (all.some((one) => one.startsWith("!") && matches(one.slice(1), name))) return false;
  return all.some((one) => !one.startsWith("!") && matches(one, name));
}

/** `*` and `?` are wildcards; names know no case. */
function matches(pattern: string, name: string): boolean {
  const source = pattern.replaceAll(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${source.replaceAll("*", ".*").replaceAll("?", ".")}$`, "i").test(name);
}

/** `|1|salt|hash`: HMAC-SHA1 of the name, keyed with the salt. */
function isHashOf(hashed: string, name: string): boolean {
  const [, version, salt = "", hash = ""] = hashed.split("|");
  if (version !== "1") return false;
  const wanted = Buffer.from(hash, "base64");
  const own = createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest();
  return wanted.length === own.length && timingSafeEqual(wanted, own);
}
