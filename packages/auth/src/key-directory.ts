/**
 * The keys of a BioXen as files, one for each user of its server. Missing keys are made, present ones are kept. The key of a
 * principal or agent whose file was moved away stays in force: the directory knows its public part. key-files.ts names
 * the files. Only the owner of the directory may read it (0700, files 0600). A file is written whole or not at all.
 */
import { randomBytes } from "node:crypto";
import { CORE_SERVICES, GATEWAY, type PrincipalRole } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { newUserKey, type UserKey } from "@bioxen/nats";
import * as z from "zod";
import { type KeyEntry, KeyFiles, readEntries, whose } from "./key-files.ts";
import type { KeyRing, ServiceKeys } from "./key-ring.ts";
import {
  makeSecretDirectory,
  readJson,
  readKey,
  textOf,
  writeJson,
  writeKey,
  writeSecret,
} from "./secret-files.ts";
import { accountsConfig } from "./server-config.ts";

/** Size of a password or token before its encoding, bytes: it cannot be guessed. */
const PASSWORD_BYTES = 32;
/** The principal that always has a password. */
export const ADMIN = "admin";
/** The principals of every directory. */
export const FIRST_PRINCIPALS: readonly PrincipalRole[] = ["admin", "operator", "observer"];
/** Address in `<name>.json` when nothing else is known: a server on this machine. */
export const DEFAULT_URL = "nats://127.0.0.1:4222";

const loginSchema = z.object({ url: z.string(), user: z.string(), password: z.string() });

export interface KeyDirectoryOptions {
  readonly dir: string;
  /** Address of the server for clients without nkeys. Default: the address before. */
  readonly url?: string | undefined;
  /**
   * Agents that must have a key. With this option, for a start of the stack, their files and that of the admin must be
   * there. Default: the agents that have a key.
   */
  readonly agents?: readonly string[] | undefined;
  /** Public keys of services that the server accepts beside those in the files. */
  readonly otherServices?: ServiceKeys | undefined;
  /** Public key of the gateway that the server accepts beside the one in the file. */
  readonly otherGateway?: string | undefined;
  /** Public keys of agents, by their ids, that the server accepts beside those in the files. */
  readonly otherAgents?: Readonly<Record<string, string>> | undefined;
}

export interface KeyDirectory {
  readonly dir: string;
  readonly ring: KeyRing;
  /** Principals and agents, in the order in which they were added. */
  readonly entries: readonly KeyEntry[];
  /** Names of the principals that have a password. */
  readonly withPassword: ReadonlySet<string>;
}

export function newPassword(): string {
  return randomBytes(PASSWORD_BYTES).toString("base64url");
}

/**
 * Opens the keys in `dir`, makes those that are missing, and writes the accounts of the server. Throws `Fault` CONFLICT,
 * not retryable, for a file that is no key, and for a key in use that was moved away, and changes nothing then.
 */
export async function openKeyDirectory(options: KeyDirectoryOptions): Promise<KeyDirectory> {
  const { dir, url, agents, otherServices, otherGateway, otherAgents } = options;
  const files = new KeyFiles(dir);
  const present = (await readEntries(dir)) ?? [];
  const wanted = withMissing(present, agents ?? []);
  const recorded = new Map(present.map((one) => [files.entry(one), one.publicKey]));
  const named = new Map<string, string>([
    ...(["system", "provisioner", "feed"] as const).map(
      (user) => [files.server(user), `user ${user}`] as const,
    ),
    ...CORE_SERVICES.map((name) => [files.service(name, ""), `service ${name}`] as const),
    [files.service(GATEWAY, ""), "service gateway"],
    ...wanted.map((one) => [files.entry(one), whose(one)] as const),
  ]);
  const found = new Map<string, UserKey>();
  for (const path of named.keys()) {
    const key = await readKey(path);
    if (key !== undefined) found.set(path, key);
  }
  if (agents !== undefined) {
    const away = present.find((one) => isNeeded(one, agents) && !found.has(files.entry(one)));
    if (away !== undefined) throw movedAway(files.entry(away), away.name);
  }
  const logins = await readLogins(files, wanted);
  for (const folder of files.directories) await makeSecretDirectory(folder);
  for (const [path, user] of named) {
    if (found.has(path) || recorded.has(path)) continue;
    const key = newUserKey();
    await writeKey(path, user, key);
    found.set(path, key);
  }
  const publicKey = (path: string) => found.get(path)?.publicKey ?? recorded.get(path) ?? "";
  const entries = wanted.map((one): KeyEntry => ({ ...one, publicKey: publicKey(files.entry(one)) }));
  const address = url ?? logins.get(ADMIN)?.url ?? DEFAULT_URL;
  const passwords = new Map([...logins].map(([name, { password }]) => [name, password]));
  if (!passwords.has(ADMIN)) passwords.set(ADMIN, newPassword());
  const ring: KeyRing = {
    system: publicKey(files.server("system")),
    provisioner: publicKey(files.server("provisioner")),
    feed: publicKey(files.server("feed")),
    services: Object.fromEntries(CORE_SERVICES.map((name) => [name, publicKey(files.service(name, ""))])),
    gateway: publicKey(files.service(GATEWAY, "")),
    otherServices,
    otherGateway,
    otherAgents,
    agents: Object.fromEntries(
      entries.flatMap((one) => (one.agentId === undefined ? [] : [[one.agentId, one.publicKey]])),
    ),
    principals: entries.flatMap(({ name, role, publicKey: key }) =>
      role === "agent" ? [] : [{ name, role, publicKey: key, password: passwords.get(name) }],
    ),
  };
  await writeJson(files.entries, entries);
  await writeJson(files.gatewayPrincipals, ring.principals.map(withoutPassword));
  if ((await textOf(files.metricsToken)) === undefined)
    await writeSecret(files.metricsToken, `${newPassword()}\n`);
  for (const [user, password] of passwords) await writeLogin(files, { url: address, user, password });
  await writeSecret(files.accounts, accountsConfig(ring));
  return { dir, ring, entries, withPassword: new Set(passwords.keys()) };
}

function withoutPassword({ password: _, ...principal }: KeyRing["principals"][number]) {
  return principal;
}

/** True for a key with which the stack itself logs in. */
function isNeeded({ name, agentId }: KeyEntry, agents: readonly string[]): boolean {
  return agentId === undefined ? name === ADMIN : agents.includes(agentId);
}

function movedAway(path: string, name: string): Fault {
  const message = `${path} is missing, and its key is in force: move it back, or make a new one with bioxen auth rotate ${name}`;
  return new Fault("CONFLICT", message, { retryable: false });
}

type Wanted = Omit<KeyEntry, "publicKey">;

/** Returns the entries, and those of every directory and of `agents` that are missing. */
function withMissing(present: readonly KeyEntry[], agents: readonly string[]): readonly Wanted[] {
  const principals = FIRST_PRINCIPALS.filter((name) => !present.some((one) => one.name === name));
  const others = [...new Set(agents)].filter((id) => !present.some(({ agentId }) => agentId === id));
  return [
    ...present,
    ...principals.map((role): Wanted => ({ name: role, role })),
    ...others.map((id): Wanted => ({ name: agentName(id, present), role: "agent", agentId: id })),
  ];
}

/** The name of the key of an agent that was not added by hand: its id, unless a principal has that name. */
function agentName(id: string, present: readonly KeyEntry[]): string {
  return present.some(({ name }) => name === id) ? `agent-${id}` : id;
}

export type Login = z.output<typeof loginSchema>;

/** Returns address, name and password of a principal; undefined for one without a password. */
export function readLogin(files: KeyFiles, name: string): Promise<Login | undefined> {
  return readJson(files.login(name), loginSchema);
}

async function readLogins(files: KeyFiles, entries: readonly Wanted[]): Promise<ReadonlyMap<string, Login>> {
  const logins = new Map<string, Login>();
  for (const { name, role } of entries) {
    const login = role === "agent" ? undefined : await readLogin(files, name);
    if (login !== undefined) logins.set(name, login);
  }
  return logins;
}

/** Writes the file of a client without nkeys. */
export async function writeLogin(files: KeyFiles, login: Login): Promise<void> {
  await writeSecret(files.login(login.user), `${JSON.stringify(login)}\n`);
}
