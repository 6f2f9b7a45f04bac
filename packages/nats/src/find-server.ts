/**
 * Finds the NATS server for a program that was given no address: `BIOXEN_NATS_URL`, or else the local stack. The stack
 * writes a pointer file, and every other process of the user reads it here.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import {
  type ConnectionSettings,
  type GivenSettings,
  OPTION_NAMES,
  SETTING_VARIABLES,
  settingsOfEnvironment,
  type TlsSettings,
} from "./connection-settings.ts";
import { stillRuns } from "./process-identity.ts";
import { hasLogin, parseServers } from "./server-url.ts";

/** The running local stack, as its pointer file describes it. */
export interface StackRecord {
  readonly url: string;
  /** Certificates with which clients connect; absent for a stack without TLS. */
  readonly tls?: TlsSettings | undefined;
  readonly pid: number;
  /** Distinguishes the process from a later one with the same id; see `startOf`. */
  readonly start?: string | undefined;
  readonly serverPid: number | null;
  readonly serverVersion: string;
  readonly dataDir: string;
  readonly durability: "always" | "relaxed";
  readonly startedAtMs: number;
  /** Directory of the stack's keys; absent for a stack without keys. */
  readonly keysDir?: string | undefined;
  /** Address of the web console and the HTTP API; absent for a stack without them. */
  readonly consoleUrl?: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Returns the URL of the NATS server; undefined when the environment has no `BIOXEN_NATS_URL` and no local stack runs.
 * The URL may carry a login.
 */
export async function findServer(env: Environment = process.env): Promise<string | undefined> {
  return env[SETTING_VARIABLES.servers] || (await findLocalStack(bioxenHome(env)))?.url;
}

/**
 * Returns the given settings, and takes missing settings from the environment. When neither names a server, the server
 * is that of the local stack. The local stack's own certificates take precedence over those of the environment, which
 * belong to another server. Returns undefined when no server is found. A login in the given URL takes precedence over
 * credentials of the environment.
 */
export async function findSettings(
  given: GivenSettings,
  env: Environment = process.env,
): Promise<ConnectionSettings | undefined> {
  const servers = given.servers ?? (await findServer(env));
  if (servers === undefined) return undefined;
  const found = settingsOfEnvironment(env, "");
  const isLoggedIn = given.servers !== undefined && hasLogin(given.servers);
  const stack = await localStackAt(servers, bioxenHome(env));
  return {
    servers,
    creds: given.creds ?? (isLoggedIn ? undefined : (found.creds ?? stackCreds(stack))),
    tls: given.tls ?? stack?.tls ?? found.tls,
    domain: given.domain ?? found.domain,
    names: {
      ...SETTING_VARIABLES,
      ...(given.servers === undefined ? {} : { servers: OPTION_NAMES.servers }),
      ...(given.creds === undefined ? {} : { creds: OPTION_NAMES.creds }),
      ...(given.tls === undefined
        ? {}
        : { ca: OPTION_NAMES.ca, cert: OPTION_NAMES.cert, key: OPTION_NAMES.key }),
      ...(given.domain === undefined ? {} : { domain: OPTION_NAMES.domain }),
    },
  };
}

/**
 * Returns the path of the credentials of a stack with which its owner acts: by default as the admin. Returns undefined
 * for a stack without keys.
 */
export function stackCreds(
  stack: StackRecord | undefined,
  as: "admin" | "provisioner" = "admin",
): string | undefined {
  if (stack?.keysDir === undefined) return undefined;
  return as === "admin" ? join(stack.keysDir, "admin.creds") : join(stack.keysDir, "server", `${as}.creds`);
}

/** Hosts of a URL that can mean the local stack, which listens on the loopback interface. */
const LOOPBACK = /^(?:localhost|127\.[\d.]+|\[::1\]):/;

/** Returns the running local stack when one of the URLs names its server; undefined otherwise. */
export async function localStackAt(
  servers: string | readonly string[],
  home: string = bioxenHome(),
): Promise<StackRecord | undefined> {
  const local = parseServers(servers).addresses.filter(({ listen }) => LOOPBACK.test(listen));
  const stack = local.length === 0 ? undefined : await findLocalStack(home);
  const port = stack === undefined ? undefined : new URL(stack.url).port;
  return local.some(({ listen }) => listen.endsWith(`:${port}`)) ? stack : undefined;
}

/** Returns the folder of the pointer file: `BIOXEN_HOME`, or else `bioxen` in the XDG data directory. */
export function bioxenHome(env: Environment = process.env): string {
  if (env["BIOXEN_HOME"]) return env["BIOXEN_HOME"];
  return join(env["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "bioxen");
}

export function stackPointer(home: string): string {
  return join(home, "stack.json");
}

/** Returns the running local stack; undefined when there is none. A pointer to an ended process does not count. */
export async function findLocalStack(home: string = bioxenHome()): Promise<StackRecord | undefined> {
  const record = await readStackRecord(stackPointer(home));
  return record !== undefined && (await stillRuns(record)) ? record : undefined;
}

/** Returns the content of a pointer or lock file; undefined when the file is absent or not JSON. */
export async function readStackRecord(path: string): Promise<StackRecord | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as StackRecord;
  } catch {
    return undefined;
  }
}
