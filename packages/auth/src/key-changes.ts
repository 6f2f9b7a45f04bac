/**
 * Changes of one key in a key directory: files only. The server knows of a change when it has loaded its configuration
 * again.
 */
import { rm } from "node:fs/promises";
import { GATEWAY, RESERVED_NAMES, serviceAccount, suggestion } from "@bioxen/contracts";
import { Fault, ID_PATTERN, ID_RULE } from "@bioxen/kernel";
import { newUserKey, type UserKey } from "@bioxen/nats";
import { agentAccount, GATEWAY_ACCOUNT } from "./accounts.ts";
import {
  ADMIN,
  DEFAULT_URL,
  FIRST_PRINCIPALS,
  type KeyDirectory,
  type KeyDirectoryOptions,
  newPassword,
  openKeyDirectory,
  readLogin,
  writeLogin,
} from "./key-directory.ts";
import {
  type KeyEntry,
  type KeyedService,
  KeyFiles,
  readEntries,
  type ServiceKey,
  serviceKeyName,
  serviceNamed,
  whose,
} from "./key-files.ts";
import type { KeyRole } from "./roles.ts";
import { readKey, textOf, writeJson, writeKey, writeSecret } from "./secret-files.ts";

/** A change that is in the files. */
export interface KeyChange {
  readonly directory: KeyDirectory;
  readonly entry: KeyEntry | ServiceKey;
  /** The seed with which the user logs in from now on; absent for a revoked one. */
  readonly seed?: string | undefined;
  /** The seed that the server refuses from now on; absent for a new user. */
  readonly formerSeed?: string | undefined;
  /** For the key of a service or an agent: the server accepts both keys, and the process still has the former one. */
  readonly grace?: Grace | undefined;
  /** Restores the files from before, for a change that the server does not take. */
  undo(): Promise<void>;
}

/** The time during which the server accepts both keys of a service or an agent. */
export interface Grace {
  readonly account: string;
  readonly formerPublicKey: string;
  /** Replaces the former key in the file of the service or agent, which reads it there. */
  use(): Promise<void>;
  /** Takes the former key out of the accounts of the server. */
  end(): Promise<void>;
}

export interface NewKey {
  readonly name: string;
  readonly role: KeyRole;
  /** For the role `agent`: the id of the agent. Default: the name. */
  readonly agentId?: string | undefined;
  /** True: the principal also gets a password, for clients without nkeys. */
  readonly password?: boolean | undefined;
}

function wrong(message: string): Fault {
  return new Fault("BAD_REQUEST", message, { retryable: false });
}

function conflict(message: string): Fault {
  return new Fault("CONFLICT", message, { retryable: false });
}

/** Returns the entries. Throws `Fault` CONFLICT for a directory without keys. */
export async function entriesOf(dir: string): Promise<readonly KeyEntry[]> {
  const entries = await readEntries(dir);
  if (entries === undefined)
    throw conflict(`${dir} has no keys: make them with bioxen auth init --out ${dir}`);
  return entries;
}

/** Returns the entry with this name. Throws `Fault` BAD_REQUEST when there is none. */
export function entryNamed(entries: readonly KeyEntry[], name: string): KeyEntry {
  const entry = entries.find((one) => one.name === name);
  if (entry !== undefined) return entry;
  const names = entries.map((one) => one.name);
  throw wrong(`no key has the name ${name}${suggestion(name, names)}: bioxen auth ls shows the names`);
}

/** Throws `Fault` BAD_REQUEST for a name that no key can have, and CONFLICT for one that another key has. */
function checkNew({ name, role, agentId, password }: NewKey, entries: readonly KeyEntry[]): void {
  for (const [what, id] of [
    ["name", name],
    ["--agent", agentId],
  ] as const) {
    if (id === undefined || ID_PATTERN.test(id)) continue;
    throw wrong(`${what}: ${id} must be ${ID_RULE}`);
  }
  if ((RESERVED_NAMES as readonly string[]).includes(name)) {
    throw wrong(`name: ${name} is reserved: choose another name`);
  }
  if (role !== "agent" && agentId !== undefined) throw wrong("--agent is for the role agent");
  if (role === "agent" && password === true) throw wrong("--password is for principals: an agent has a key");
  if (entries.some((one) => one.name === name)) {
    throw conflict(`a key has the name ${name} already: rotate it for a new key, or choose another name`);
  }
  const near =
    role === "tenant" ? entries.find((one) => one.role === "tenant" && overlap(one.name, name)) : undefined;
  if (near !== undefined) {
    throw conflict(
      `the VM ids of the tenants ${near.name} and ${name} could not be told apart: choose a name that does not begin with the other one and a hyphen`,
    );
  }
  const id = role === "agent" ? (agentId ?? name) : undefined;
  const other = entries.find((one) => one.agentId !== undefined && one.agentId === id);
  if (other !== undefined) throw conflict(`the agent ${id} has the key ${other.name} already: rotate it`);
}

/** Returns true when a VM id can begin with both names and a hyphen, such as `team-a-1` for `team` and `team-a`. */
function overlap(one: string, other: string): boolean {
  return one.startsWith(`${other}-`) || other.startsWith(`${one}-`);
}

/** Adds a key. Throws `Fault` BAD_REQUEST or CONFLICT, and then changes nothing. */
export async function addKey(dir: string, wanted: NewKey): Promise<KeyChange> {
  const entries = await entriesOf(dir);
  checkNew(wanted, entries);
  const { name, role, agentId = name, password } = wanted;
  const key = newUserKey();
  const entry: KeyEntry = {
    name,
    role,
    ...(role === "agent" ? { agentId } : {}),
    publicKey: key.publicKey,
  };
  const files = new KeyFiles(dir);
  return changed(files, entry, { seed: key.seed }, async () => {
    await writeKey(files.entry(entry), whose(entry), key);
    await rm(files.login(name), { force: true });
    if (password === true) {
      const { url } = (await readLogin(files, ADMIN)) ?? { url: DEFAULT_URL };
      await writeLogin(files, { url, user: name, password: newPassword() });
    }
    await writeJson(files.entries, [...entries, entry]);
  });
}

/** Replaces the key of a principal or an agent, and its password if it has one, or the key of `service:<service>`. */
export async function rotateKey(dir: string, name: string): Promise<KeyChange> {
  const entries = await entriesOf(dir);
  const service = serviceNamed(name);
  if (service !== undefined) return rotateServiceKey(dir, service);
  const entry = entryNamed(entries, name);
  const files = new KeyFiles(dir);
  const former = await readKey(files.entry(entry));
  const key = newUserKey();
  const next: KeyEntry = { ...entry, publicKey: key.publicKey };
  const { agentId } = entry;
  if (agentId !== undefined) {
    const path = files.entry(entry);
    const use = () => writeKey(path, whose(entry), key);
    const both = { otherAgents: { [agentId]: key.publicKey } };
    return withGrace(files, { entry: next, key, former, path, use, both, account: agentAccount(agentId) });
  }
  return changed(files, next, { seed: key.seed, formerSeed: former?.seed }, async () => {
    await writeKey(files.entry(entry), whose(entry), key);
    const login = await readLogin(files, name);
    if (login !== undefined) await writeLogin(files, { ...login, password: newPassword() });
  });
}

async function rotateServiceKey(dir: string, service: KeyedService): Promise<KeyChange> {
  const files = new KeyFiles(dir);
  const path = files.service(service, "");
  const former = await readKey(path);
  const key = newUserKey();
  const entry: ServiceKey = {
    ...{ name: serviceKeyName(service), role: "service", service },
    publicKey: key.publicKey,
  };
  const use = () => writeKey(path, `service ${service}`, key);
  const isGateway = service === GATEWAY;
  const both = isGateway ? { otherGateway: key.publicKey } : { otherServices: { [service]: key.publicKey } };
  const account = isGateway ? GATEWAY_ACCOUNT : serviceAccount(service);
  return withGrace(files, { entry, key, former, path, use, both, account });
}

interface Replacement {
  readonly entry: KeyEntry | ServiceKey;
  readonly key: UserKey;
  /** The key in the file at `path`; undefined when there is none. */
  readonly former: UserKey | undefined;
  readonly path: string;
  readonly account: string;
  /** Writes the new key. */
  readonly use: () => Promise<void>;
  /** The options with which the server accepts the new key beside the one in the file. */
  readonly both: Omit<KeyDirectoryOptions, "dir">;
}

/** Replaces the key of a process that takes the new key over while the server accepts both. */
async function withGrace(files: KeyFiles, replacement: Replacement): Promise<KeyChange> {
  const { entry, key, former, path, account, use, both } = replacement;
  const { dir } = files;
  const { seed } = key;
  const undo = await before([files.entries, files.accounts, files.gatewayPrincipals, path]);
  try {
    if (former === undefined) {
      await use();
      return { directory: await openKeyDirectory({ dir }), entry, seed, undo };
    }
    const directory = await openKeyDirectory({ dir, ...both });
    const end = async () => void (await openKeyDirectory({ dir }));
    const grace = { account, formerPublicKey: former.publicKey, use, end };
    return { directory, entry, seed, formerSeed: former.seed, grace, undo };
  } catch (thrown) {
    await undo();
    throw thrown;
  }
}

/**
 * Removes the key of a principal or an agent. Throws `Fault` BAD_REQUEST for the principals of every BioXen, and for
 * services.
 */
export async function revokeKey(dir: string, name: string): Promise<KeyChange> {
  const entries = await entriesOf(dir);
  if (serviceNamed(name) !== undefined) {
    throw wrong(`a BioXen needs each of its services: for a new key, use bioxen auth rotate ${name}`);
  }
  const entry = entryNamed(entries, name);
  if ((FIRST_PRINCIPALS as readonly string[]).includes(name)) {
    throw wrong(`${name} exists in every BioXen: for a new key, use bioxen auth rotate ${name}`);
  }
  const files = new KeyFiles(dir);
  const former = await readKey(files.entry(entry));
  return changed(files, entry, { formerSeed: former?.seed }, async () => {
    await writeJson(
      files.entries,
      entries.filter((one) => one !== entry),
    );
    await rm(files.entry(entry), { force: true });
    if (entry.role !== "agent") await rm(files.login(name), { force: true });
  });
}

/** Returns the function that restores these files as they are now. */
async function before(paths: readonly string[]): Promise<() => Promise<void>> {
  const texts = await Promise.all(paths.map(async (path) => [path, await textOf(path)] as const));
  return async () => {
    for (const [path, text] of texts) {
      if (text === undefined) await rm(path, { force: true });
      else await writeSecret(path, text);
    }
  };
}

/** Carries out `write`, and writes the accounts again. When one of the two fails, restores the files from before. */
async function changed(
  files: KeyFiles,
  entry: KeyEntry,
  seeds: Pick<KeyChange, "seed" | "formerSeed">,
  write: () => Promise<void>,
): Promise<KeyChange> {
  const { dir } = files;
  const undo = await before([
    ...[files.entries, files.accounts, files.gatewayPrincipals],
    ...[files.entry(entry), files.login(entry.name)],
  ]);
  try {
    await write();
    return { directory: await openKeyDirectory({ dir }), entry, ...seeds, undo };
  } catch (thrown) {
    await undo();
    throw thrown;
  }
}
