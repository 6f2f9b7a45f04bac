/**
 * Reads the directory of gateway-grants.ts for a running gateway, so that a change of keys takes effect at once.
 */
import { readFileSync, statSync } from "node:fs";
import type * as z from "zod";
import {
  type GatewayGrant,
  type GrantedPrincipal,
  principalsIn,
  principalsSchema,
  type TokenEntry,
  takeCode,
  tokensIn,
  tokensSchema,
} from "./gateway-grants.ts";

/** Time for which a file counts as unchanged, ms: a revoked token ends within it. */
const FRESH_MS = 100;

/** The content of a file of JSON, read again when it has changed. An absent or damaged file has no entries. */
class WatchedList<T> {
  readonly #path: string;
  readonly #schema: z.ZodType<readonly T[]>;
  readonly #keyOf: (entry: T) => string;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #version = "";
  #entries: ReadonlyMap<string, T> = new Map();

  constructor(path: string, schema: z.ZodType<readonly T[]>, keyOf: (entry: T) => string) {
    this.#path = path;
    this.#schema = schema;
    this.#keyOf = keyOf;
  }

  get(key: string): T | undefined {
    const nowMs = performance.now();
    if (nowMs - this.#lookedAtMs > FRESH_MS) {
      this.#lookedAtMs = nowMs;
      this.#look();
    }
    return this.#entries.get(key);
  }

  #look(): void {
    const found = statSync(this.#path, { throwIfNoEntry: false });
    // A file is replaced whole, so a change has another inode or time.
    const version = found === undefined ? "absent" : `${found.ino} ${found.mtimeMs} ${found.size}`;
    if (version === this.#version) return;
    this.#version = version;
    this.#entries = new Map(this.#read().map((entry) => [this.#keyOf(entry), entry]));
  }

  #read(): readonly T[] {
    try {
      const parsed = this.#schema.safeParse(JSON.parse(readFileSync(this.#path, "utf8")));
      return parsed.success ? parsed.data : [];
    } catch {
      return [];
    }
  }
}

export class GatewayReader {
  readonly #dir: string;
  readonly #principals: WatchedList<GrantedPrincipal>;
  readonly #tokens: WatchedList<TokenEntry>;

  constructor(dir: string) {
    this.#dir = dir;
    this.#principals = new WatchedList(principalsIn(dir), principalsSchema, ({ name }) => name);
    this.#tokens = new WatchedList(tokensIn(dir), tokensSchema, ({ digest }) => digest);
  }

  find(name: string): GrantedPrincipal | undefined {
    return this.#principals.get(name);
  }

  tokenOf(digest: string): GatewayGrant | undefined {
    return this.#tokens.get(digest);
  }

  takeCode(digest: string): Promise<GatewayGrant | undefined> {
    return takeCode(this.#dir, digest);
  }
}
