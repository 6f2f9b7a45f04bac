/**
 * The directory that the gateway reads, and what lets callers in over HTTP:
 *
 * | file | holds |
 * |---|---|
 * | `principals.json` | names, roles and public keys of principals |
 * | `tokens.json` | of each bearer token: SHA-256, principal, expiry |
 * | `codes/<SHA-256>.json` | one-time codes: the principal, and the expiry |
 *
 * No file has a token or a code. Each grant names the public key that its principal had: with another key, it holds no
 * more. So a principal that is revoked or gets a new key ends all of its tokens, codes and sessions.
 */
import { createHash, randomBytes } from "node:crypto";
import { readdir, readFile, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { PRINCIPAL_ROLES } from "@bioxen/contracts";
import { ID_PATTERN } from "@bioxen/kernel";
import * as z from "zod";
import { readJson, writeJson } from "./secret-files.ts";

/** Name of the directory of the one-time codes. */
export const CODES = "codes";
/** Begins every token, so that a search for secrets in texts finds it. */
const TOKEN_PREFIX = "bioxen_";
/** Size of a token, bytes: it cannot be guessed. */
const TOKEN_BYTES = 32;
/** Size of a code, bytes: it cannot be guessed within its life. */
const CODE_BYTES = 16;
/** Life of a one-time code, ms: a browser opens within seconds. */
export const CODE_MS = 60_000;
/** Tokens of one BioXen. The file is read whole. */
const MAX_TOKENS = 1_000;

const principalSchema = z.object({ name: z.string(), role: z.enum(PRINCIPAL_ROLES), publicKey: z.string() });
const grantSchema = z.object({ name: z.string(), publicKey: z.string(), expiresAtMs: z.int() });
const tokenSchema = z.object({
  /** The first digits of the digest: what `auth show` names the token by. */
  id: z.string(),
  digest: z.string(),
  ...grantSchema.shape,
  createdAtMs: z.int(),
});

export type GrantedPrincipal = z.output<typeof principalSchema>;
export type GatewayGrant = z.output<typeof grantSchema>;
export type TokenEntry = z.output<typeof tokenSchema>;

export const principalsSchema = z.array(principalSchema);
export const tokensSchema = z.array(tokenSchema);

export function principalsIn(dir: string): string {
  return join(dir, "principals.json");
}

export function tokensIn(dir: string): string {
  return join(dir, "tokens.json");
}

function codeFile(dir: string, digest: string): string {
  return join(dir, CODES, `${digest}.json`);
}

function digestOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** Number of digits of the id of a token. */
const TOKEN_ID_LENGTH = 8;

export interface NewGrant {
  readonly principal: Pick<GrantedPrincipal, "name" | "publicKey">;
  readonly nowMs: number;
}

/** Adds a token for a principal, and returns it. It is nowhere else. Removes the tokens that hold no more. */
export async function addToken(
  dir: string,
  { principal: { name, publicKey }, nowMs, expiresAtMs }: NewGrant & { readonly expiresAtMs: number },
): Promise<{ readonly token: string; readonly entry: TokenEntry }> {
  const token = TOKEN_PREFIX + randomBytes(TOKEN_BYTES).toString("base64url");
  const digest = digestOf(token);
  const id = digest.slice(0, TOKEN_ID_LENGTH);
  const entry: TokenEntry = { id, digest, name, publicKey, createdAtMs: nowMs, expiresAtMs };
  const valid = await validTokens(dir, nowMs);
  await writeJson(tokensIn(dir), [...valid.slice(1 - MAX_TOKENS), entry]);
  return { token, entry };
}

/** Returns the tokens that hold: of principals with the key from then, and not expired. */
export async function validTokens(dir: string, nowMs: number): Promise<readonly TokenEntry[]> {
  const tokens = (await readJson(tokensIn(dir), tokensSchema)) ?? [];
  const principals = (await readJson(principalsIn(dir), principalsSchema)) ?? [];
  const keys = new Map(principals.map(({ name, publicKey }) => [name, publicKey]));
  return tokens.filter(
    ({ name, publicKey, expiresAtMs }) => expiresAtMs > nowMs && keys.get(name) === publicKey,
  );
}

/** Makes a one-time code for a principal. Removes those that were never used. */
export async function addCode(
  dir: string,
  { principal: { name, publicKey }, nowMs }: NewGrant,
): Promise<string> {
  for (const file of await readdir(join(dir, CODES))) {
    const path = join(dir, CODES, file);
    const grant = await readGrant(path);
    if (grant !== undefined && grant.expiresAtMs <= nowMs) await rm(path, { force: true });
  }
  const code = randomBytes(CODE_BYTES).toString("base64url");
  await writeJson(codeFile(dir, digestOf(code)), { name, publicKey, expiresAtMs: nowMs + CODE_MS });
  return code;
}

/** Uses a code up, and returns what it grants. Of two callers with one code, only one removes its file. */
export async function takeCode(dir: string, digest: string): Promise<GatewayGrant | undefined> {
  const path = codeFile(dir, digest);
  const grant = await readGrant(path);
  if (grant === undefined) return undefined;
  return unlink(path).then(
    () => grant,
    () => undefined,
  );
}

async function readGrant(path: string): Promise<GatewayGrant | undefined> {
  try {
    const parsed = grantSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
    return parsed.success && ID_PATTERN.test(parsed.data.name) ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
