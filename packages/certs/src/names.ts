/**
 * The names in certificates: hosts of the server and names of clients, checked before anything is made.
 */
import { isIP } from "node:net";
import { ID_PATTERN, ID_RULE } from "@bioxen/kernel";

/** Names of the machine itself, which every server certificate has. */
export const LOCAL_NAMES = ["localhost", "127.0.0.1", "::1"] as const;

/** A DNS name with labels of letters, digits, `-` and `_`; the first label may be `*`. */
const DNS_NAME =
  /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const MAX_DNS_LENGTH = 253;

/**
 * Returns the problem of a host, as a sentence that names the host; undefined when the host can stand in a certificate.
 */
export function hostProblem(host: string): string | undefined {
  if (isIP(host) !== 0) return undefined;
  if (host.includes("://")) return `host ${host}: write the name without scheme, port and path`;
  if (/^[\d.]+$/.test(host)) return `host ${host}: is neither an IPv4 address nor a name`;
  if (/^\[.*\]$|:/.test(host)) return `host ${host}: write a name or an address without port and brackets`;
  if (host.length <= MAX_DNS_LENGTH && DNS_NAME.test(host.toLowerCase())) return undefined;
  return `host ${JSON.stringify(host)}: is neither a DNS name nor an IP address`;
}

/** Returns the problem of a client's name, as a sentence that names it; undefined for a valid name. */
export function clientProblem(name: string): string | undefined {
  if (ID_PATTERN.test(name)) return undefined;
  return `client ${JSON.stringify(name)}: must be ${ID_RULE}`;
}

/** Returns the hosts in lower case with {@link LOCAL_NAMES}, each once. */
export function serverNames(hosts: readonly string[]): string[] {
  return [...new Set([...hosts.map((host) => host.toLowerCase()), ...LOCAL_NAMES])];
}
