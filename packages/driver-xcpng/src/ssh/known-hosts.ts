/**
 * Reads OpenSSH's `known_hosts`: plain and hashed names, `[host]:port`, wildcards, negation and `@revoked`.
 *
 * Lines with `@cert-authority` are ignored, because the SSH client does not support host certificates.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export interface KnownKey {
  /** The key type, such as `ssh-ed25519`, `ecdsa-sha2-nistp256` or `ssh-rsa`. */
  readonly type: string;
  readonly key: Buffer;
}

export interface KnownHost {
  readonly keys: readonly KnownKey[];
  /** Keys to reject, even if another source lists them. */
  readonly revoked: readonly KnownKey[];
}

/** Port of a host that `known_hosts` lists without a port. */
const DEFAULT_PORT = 22;

/** Returns the name under which `known_hosts` lists the host: `host` for port 22, else `[host]:port`. */
export function nameAt(host: string, port: number): string {
  return port === DEFAULT_PORT ? host : `[${host}]:${port}`;
}

/**
 * Returns the keys that `text`, the content of a `known_hosts` file, lists for a host with any of `names`. Malformed
 * lines are ignored.
 */
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
    if (!names.some((name) => matchesPatterns(patterns, name))) continue;
    (marker === undefined ? keys : revoked).push({ type, key: Buffer.from(base64, "base64") });
  }
  return { keys, revoked };
}

function matchesPatterns(patterns: string, name: string): boolean {
  if (patterns.startsWith("|")) return isHashOf(patterns, name);
  const all = patterns.split(",");
  if (all.some((one) => one.startsWith("!") && matches(one.slice(1), name))) return false;
  return all.some((one) => !one.startsWith("!") && matches(one, name));
}

/** Returns whether `name` matches `pattern`. Case is ignored; `*` and `?` are wildcards. */
function matches(pattern: string, name: string): boolean {
  const source = pattern.replaceAll(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${source.replaceAll("*", ".*").replaceAll("?", ".")}$`, "i").test(name);
}

/** Returns whether `hashed` is `|1|salt|hash`, where `hash` is the HMAC-SHA1 of `name` with `salt` as the key. */
function isHashOf(hashed: string, name: string): boolean {
  const [, version, salt = "", hash = ""] = hashed.split("|");
  if (version !== "1") return false;
  const wanted = Buffer.from(hash, "base64");
  const own = createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest();
  return wanted.length === own.length && timingSafeEqual(wanted, own);
}
