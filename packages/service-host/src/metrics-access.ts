/**
 * What the monitoring port of a service shows to a client. Every user of the machine reaches a port of the loopback
 * interface, so a service with a token file shows ids, labels and names only to a client that sends the token. Without
 * a token file it shows everything.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { messageOf } from "@bioxen/kernel";

/** `all`: everything. `public`: numbers without ids. `refused`: the client sent another token. */
export type MetricsAccess = "all" | "public" | "refused";

/** Returns what a client with this header `Authorization` may see. */
export type GrantMetrics = (authorization: string | undefined) => Promise<MetricsAccess>;

const SCHEME = /^bearer +(\S+) *$/i;

/** Returns the rule of a service whose token is in `tokenFile`. The file is read at each use, so it can be replaced. */
export function metricsAccess(tokenFile: string | undefined): GrantMetrics {
  if (tokenFile === undefined) return async () => "all";
  return async (authorization) => {
    if (authorization === undefined) return "public";
    const offered = SCHEME.exec(authorization)?.[1] ?? "";
    const token = (await readFile(tokenFile, "utf8").catch(() => "")).trim();
    return token !== "" && isSame(offered, token) ? "all" : "refused";
  };
}

/** Returns what is wrong with a token file; undefined for a usable one. */
export function tokenFileProblem(tokenFile: string | undefined): string | undefined {
  if (tokenFile === undefined) return undefined;
  try {
    return /^\s*\S+\s*$/.test(readFileSync(tokenFile, "utf8"))
      ? undefined
      : "must name a file with one token";
  } catch (thrown) {
    return `cannot be read: ${messageOf(thrown)}`;
  }
}

/** Compares in a time that does not tell how much of the token is right. */
function isSame(offered: string, token: string): boolean {
  const [a, b] = [offered, token].map((text) => createHash("sha256").update(text).digest());
  return a !== undefined && b !== undefined && timingSafeEqual(a, b);
}
