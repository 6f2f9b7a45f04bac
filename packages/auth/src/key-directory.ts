/**
 * The keys of a BioXen as files, one for each user of its server. Missing keys are made, present ones are kept.
 *
 * | file | holds the seed of |
 * |---|---|
 * | `<name>.creds` | a principal |
 * | `services/<name>.creds`, `agents/<id>.creds` | a service, an agent |
 * | `server/<name>.creds` | the provisioners, and the operator of the server |
 * | `principals.json` | no seed: names, roles and public keys of the principals |
 * | `admin.json` | the password of the admin, for clients without nkeys |
 *
 * Only the owner of the directory may read it (0700, files 0600). A file is written whole or not at all.
 */
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CORE_SERVICES, PRINCIPAL_ROLES, type PrincipalRole, type ServiceName } from "@bioxen/contracts";
import { Fault, messageOf } from "@bioxen/kernel";
import { newUserKey, type UserKey, userKeyOf } from "@bioxen/nats";
import * as z from "zod";
import type { KeyRing, Principal } from "./key-ring.ts";

const OWNER_ONLY_DIRECTORY = 0o700;
const OWNER_ONLY_FILE = 0o600;
/** Size of the admin's password before its encoding, bytes: it cannot be guessed. */
const PASSWORD_BYTES = 32;
/** The principal whose password is in `admin.json`. */
const ADMIN = "admin";
/** The principals of every directory. */
const FIRST_PRINCIPALS: readonly PrincipalRole[] = ["admin", "operator", "observer"];

const principalsSchema = z.array(
  z.strictObject({ name: z.string(), role: z.enum(PRINCIPAL_ROLES), publicKey: z.string() }),
);
const loginSchema = z.object({ url: z.string(), user: z.string(), password: z.string() });

export interface KeyDirectoryOptions {
  readonly dir: string;
  /** Address of the server, for `admin.json`. */
  readonly url: string;
  readonly agents: readonly string[];
}

export interface KeyDirectory {
  readonly ring: KeyRing;
  /** Returns the path of the credentials file of a service. For the agent, `agentId` names it. */
  serviceFile(service: ServiceName, agentId: string): string;
  principalFile(name: string): string;
  serverFile(user: "system" | "provisioner" | "feed"): string;
}

/**
 * Opens the keys in `dir`, and makes those that are missing. Throws `Fault` CONFLICT, not retryable, for a file that is
 * no key, and changes nothing then.
 */
export async function openKeyDirectory({ dir, url, agents }: KeyDirectoryOptions): Promise<KeyDirectory> {
  const files = filesIn(dir);
  const present = await readPrincipals(dir);
  const missing = FIRST_PRINCIPALS.filter((name) => !present.some((one) => one.name === name));
  const wanted = [...present, ...missing.map((role) => ({ name: role, role }))];
  const named = new Map<string, string>([
    ...(["system", "provisioner", "feed"] as const).map(
      (user) => [files.serverFile(user), `user ${user}`] as const,
    ),
    ...CORE_SERVICES.map((name) => [files.serviceFile(name, ""), `service ${name}`] as const),
    ...agents.map((id) => [files.serviceFile("chassis-agent", id), `agent ${id}`] as const),
    ...wanted.map(
      ({ name, role }) => [files.principalFile(name), `principal ${name}, role ${role}`] as const,
    ),
  ]);
  const found = new Map<string, UserKey>();
  for (const path of named.keys()) {
    const key = await readKey(path);
    if (key !== undefined) found.set(path, key);
  }
  const password = (await readLogin(dir))?.password ?? randomBytes(PASSWORD_BYTES).toString("base64url");
  for (const folder of [dir, ...["services", "agents", "server"].map((name) => join(dir, name))]) {
    await mkdir(folder, { recursive: true, mode: OWNER_ONLY_DIRECTORY });
    await chmod(folder, OWNER_ONLY_DIRECTORY);
  }
  for (const [path, whose] of named) {
    if (found.has(path)) continue;
    const key = newUserKey();
    await writeSecret(path, `# BioXen: ${whose}. Keep this file secret.\n${key.seed}\n`);
    found.set(path, key);
  }
  const publicKey = (path: string) => found.get(path)?.publicKey ?? "";
  const principals = wanted.map(
    ({ name, role }): Principal => ({ name, role, publicKey: publicKey(files.principalFile(name)) }),
  );
  await writeSecret(join(dir, "principals.json"), `${JSON.stringify(principals, undefined, 2)}\n`);
  await writeSecret(join(dir, "admin.json"), `${JSON.stringify({ url, user: ADMIN, password })}\n`);
  const ring: KeyRing = {
    system: publicKey(files.serverFile("system")),
    provisioner: publicKey(files.serverFile("provisioner")),
    feed: publicKey(files.serverFile("feed")),
    services: Object.fromEntries(CORE_SERVICES.map((name) => [name, publicKey(files.serviceFile(name, ""))])),
    agents: Object.fromEntries(agents.map((id) => [id, publicKey(files.serviceFile("chassis-agent", id))])),
    principals: principals.map((one) => (one.name === ADMIN ? { ...one, password } : one)),
  };
  return { ...files, ring };
}

function filesIn(dir: string): Omit<KeyDirectory, "ring"> {
  return {
    serviceFile: (service, agentId) =>
      service === "chassis-agent"
        ? join(dir, "agents", `${agentId}.creds`)
        : join(dir, "services", `${service}.creds`),
    principalFile: (name) => join(dir, `${name}.creds`),
    serverFile: (user) => join(dir, "server", `${user}.creds`),
  };
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Fault("CONFLICT", `cannot read ${path}: ${messageOf(cause)}`, { retryable: false, cause });
  }
}

function unusable(path: string, problem: string): Fault {
  const message = `${path} ${problem}: restore it, or move it away for a new one`;
  return new Fault("CONFLICT", message, { retryable: false });
}

async function readKey(path: string): Promise<UserKey | undefined> {
  const text = await textOf(path);
  if (text === undefined) return undefined;
  const seed = /\bSU[A-Z2-7]{56}\b/.exec(text)?.[0];
  if (seed === undefined) throw unusable(path, "has no seed of a user");
  try {
    return userKeyOf(seed);
  } catch {
    throw unusable(path, "has a damaged seed");
  }
}

async function readPrincipals(dir: string): Promise<readonly Pick<Principal, "name" | "role">[]> {
  const path = join(dir, "principals.json");
  return (await readJson(path, principalsSchema)) ?? [];
}

async function readLogin(dir: string): Promise<z.output<typeof loginSchema> | undefined> {
  return readJson(join(dir, "admin.json"), loginSchema);
}

async function readJson<S extends z.ZodType>(path: string, schema: S): Promise<z.output<S> | undefined> {
  const text = await textOf(path);
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw unusable(path, "is not JSON");
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw unusable(path, "has not the expected fields");
  return parsed.data;
}

/** Writes a file that only its owner can read, at no time with other content or other rights. */
async function writeSecret(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(8).toString("hex")}.tmp`);
  try {
    await writeFile(temporary, text, { mode: OWNER_ONLY_FILE, flag: "wx" });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
}
