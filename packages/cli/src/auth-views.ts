/**
 * Which keys a command of `bioxen auth` means, and how it shows them.
 */
import { realpath } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  entryNamed,
  type KeyDirectory,
  type KeyEntry,
  KeyFiles,
  openKeyDirectory,
  readEntries,
  type ServiceKey,
  serviceKeyName,
  serviceNamed,
  validTokens,
} from "@bioxen/auth";
import { GATEWAY } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { defaultedDataDir, KEYS, type LiveKeys, withKeysLocked } from "@bioxen/local-stack";
import { bioxenHome, findLocalStack, type StackRecord } from "@bioxen/nats";
import type { KeysOption } from "./keys-option.ts";
import { wallClock } from "./quantities.ts";

/**
 * Returns the keys that the user named, with the local stack when it runs with them. By default, returns the keys of the
 * running local stack, else those of the default data directory. Throws `Fault` CONFLICT when there are none.
 */
export async function keysOf({ keys: named }: KeysOption): Promise<LiveKeys> {
  const stack = await findLocalStack();
  if (named !== undefined) {
    const dir = resolve(named);
    await mustHaveKeys(dir, `make keys with bioxen auth init --out ${named}`);
    return { dir, server: (await isOf(stack, dir)) ? serverOf(stack) : undefined };
  }
  if (stack !== undefined && stack.keysDir === undefined) {
    throw conflict(
      "the local stack runs without keys: start it without --open, or name a directory with --keys",
    );
  }
  const dir = stack?.keysDir ?? join(defaultedDataDir(undefined, bioxenHome()), KEYS);
  await mustHaveKeys(dir, "start a local stack, or name the keys of a server elsewhere with --keys");
  return { dir, server: serverOf(stack) };
}

async function mustHaveKeys(dir: string, remedy: string): Promise<void> {
  if ((await readEntries(dir)) === undefined) throw conflict(`${dir} has no keys: ${remedy}`);
}

async function isOf(stack: StackRecord | undefined, dir: string): Promise<boolean> {
  if (stack?.keysDir === undefined) return false;
  const pathOf = (path: string) => realpath(path).catch(() => path);
  return (await pathOf(stack.keysDir)) === (await pathOf(dir));
}

function serverOf(stack: StackRecord | undefined): LiveKeys["server"] {
  return stack && { servers: stack.url, tls: stack.tls };
}

function conflict(message: string): Fault {
  return new Fault("CONFLICT", message, { retryable: false });
}

/** A key as `--json` shows it. It contains no secret. */
export interface KeyView {
  readonly name: string;
  readonly role: KeyEntry["role"] | ServiceKey["role"];
  readonly agentId?: string;
  readonly publicKey: string;
  /** The file with the seed. */
  readonly file: string;
  /** True: the principal also has a password. */
  readonly password: boolean;
  /** The file with address, name and password. */
  readonly passwordFile?: string;
}

/** A bearer token as `--json` shows it. */
export interface TokenView {
  readonly id: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** A key with the bearer tokens of its principal. */
export type FullKeyView = KeyView & { readonly tokens: readonly TokenView[] };

/** Returns the principal with this name. Throws `Fault` BAD_REQUEST when there is none, and for an agent. */
export async function principalNamed(dir: string, name: string): Promise<KeyEntry> {
  const entry = entryNamed((await readEntries(dir)) ?? [], name);
  if (entry.role !== "agent") return entry;
  throw new Fault("BAD_REQUEST", `${name} is an agent: agents do not use the HTTP API`, { retryable: false });
}

async function tokensOf(dir: string, name: string): Promise<readonly TokenView[]> {
  const tokens = await validTokens(new KeyFiles(dir).gatewayDir, Date.now());
  return tokens
    .filter((token) => token.name === name)
    .map(({ id, createdAtMs, expiresAtMs }) => ({ id, createdAtMs, expiresAtMs }));
}

export function viewOf({ dir, withPassword }: KeyDirectory, entry: KeyEntry | ServiceKey): KeyView {
  const files = new KeyFiles(dir);
  if (entry.role === "service") {
    const { service, ...shown } = entry;
    return { ...shown, file: files.service(service, ""), password: false };
  }
  const { name, role, agentId, publicKey } = entry;
  const password = role !== "agent" && withPassword.has(name);
  return {
    name,
    role,
    ...(agentId === undefined ? {} : { agentId }),
    publicKey,
    file: files.entry(entry),
    password,
    ...(password ? { passwordFile: files.login(name) } : {}),
  };
}

export async function viewsOf(options: KeysOption): Promise<{ dir: string; keys: readonly KeyView[] }> {
  const { dir } = await keysOf(options);
  const directory = await withKeysLocked(dir, () => openKeyDirectory({ dir }));
  return { dir, keys: directory.entries.map((entry) => viewOf(directory, entry)) };
}

/** Throws `Fault` BAD_REQUEST when no key has this name. */
export async function viewNamed(options: KeysOption, name: string): Promise<FullKeyView> {
  const { dir } = await keysOf(options);
  const service = serviceNamed(name);
  const directory = await withKeysLocked(dir, () => openKeyDirectory({ dir }));
  if (service === undefined) {
    const view = viewOf(directory, entryNamed(directory.entries, name));
    return { ...view, tokens: view.role === "agent" ? [] : await tokensOf(dir, name) };
  }
  const publicKey = (service === GATEWAY ? directory.ring.gateway : directory.ring.services[service]) ?? "";
  return {
    ...viewOf(directory, { name: serviceKeyName(service), role: "service", service, publicKey }),
    tokens: [],
  };
}

export function viewWords({
  name,
  role,
  agentId,
  publicKey,
  file,
  passwordFile,
  tokens = [],
}: KeyView & Partial<FullKeyView>): string {
  return [
    `${name}: ${role}${agentId === undefined ? "" : ` ${agentId}`}`,
    `  public key   ${publicKey}`,
    `  credentials  ${file}`,
    ...(passwordFile === undefined ? [] : [`  password     ${passwordFile}`]),
    ...tokens.map(({ id, expiresAtMs }) => `  token        ${id}, expires ${wallClock(expiresAtMs)}`),
  ].join("\n");
}
