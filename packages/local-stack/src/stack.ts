/**
 * The local stack: one nats-server, five service processes, one data directory.
 *
 * The process that starts the stack owns it. When that process is killed, the services end, because their IPC channel
 * closes. The guard (server-guard.ts) then ends the server. The next stack on the same data ends any process that is
 * left nevertheless.
 */
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { ServiceName } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import {
  bioxenHome,
  type ConnectionSettings,
  LOG_RECORD_FILE,
  type StackRecord,
  startOf,
  variablesOf,
  withoutConnection,
} from "@bioxen/nats";
import { stackCertificates, type TlsMode } from "./certificates.ts";
import { whenChassisReady } from "./chassis-ready.ts";
import { checkLog } from "./check-log.ts";
import { type ChildSpec, SupervisedChild } from "./child.ts";
import { DataDirectory, inUse } from "./data-directory.ts";
import { DEFAULT_CHASSIS, DEFAULT_STACK_TIME_SCALE } from "./defaults.ts";
import { GATEWAY, type GatewayOptions, gatewayEntry, gatewayEnvironment } from "./gateway.ts";
import { serviceMark } from "./leftovers.ts";
import { rotateLogs } from "./log-rotation.ts";
import { agentEnvironment, type LocalPool, withoutPool } from "./pool.ts";
import { startServer } from "./server.ts";
import { findServerBinary } from "./server-binary.ts";
import { type WebSocketOptions, webSocketUrl } from "./server-config.ts";
import { removePointer, writePointer } from "./stack-file.ts";
import { StackKeys } from "./stack-keys.ts";

/** Longest time until all services are ready, ms. */
const READY_DEADLINE_MS = 45_000;
/**
 * The services in start order. The agent starts last and stops first, so that no agent restarts a guest while the stack
 * stops.
 */
export const SERVICES: readonly ServiceName[] = [
  "lifecycle",
  "allocator",
  "chassis-scheduler",
  "monitor",
  "experiments",
  "chassis-agent",
];

export interface LocalStackOptions {
  /** Folder for all stored data of the stack; default: `data` in `home`. */
  readonly dataDir?: string | undefined;
  /** Port of the nats-server on the loopback interface; default: a free one. */
  readonly port?: number | undefined;
  /** Chassis of the agent, such as `ecoli:2,yeast:1`; default `ecoli:1,yeast:1`. */
  readonly chassis?: string | undefined;
  /** Simulated minutes per real second; default 10. */
  readonly timeScale?: number | undefined;
  readonly durability?: "always" | "relaxed" | undefined;
  /**
   * Encrypts all connections, with certificates in the data directory. `mutual`: the server accepts only clients with a
   * certificate. Default: no encryption.
   */
  readonly tls?: TlsMode | undefined;
  /** A listener for browsers on the loopback interface; default: none. */
  readonly websocket?: WebSocketOptions | undefined;
  /** XCP-ng pool on which the agent runs VMs; its credentials are read from environment variables. */
  readonly xcpng?: LocalPool | undefined;
  /** Folder of the pointer file; default `BIOXEN_HOME`, else `bioxen` in the XDG data directory. */
  readonly home?: string | undefined;
  readonly onProgress?: ((line: string) => void) | undefined;
  /** Replaces the entry points of the services, in tests of the supervision. */
  readonly serviceEntry?: ((name: ServiceName) => string) | undefined;
  readonly logLevel?: string | undefined;
  /** True: also starts with a log that has lost events, or that replaces the log of the last start. Default: false. */
  readonly acceptOlderLog?: boolean | undefined;
  /**
   * True: only users with a key are let in. The keys are in the folder `keys` of the data directory. False: every process
   * of this machine is let in. Default: true.
   */
  readonly keys?: boolean | undefined;
  /** The gateway: the HTTP API and the web console on the loopback interface. Default: none. */
  readonly gateway?: GatewayOptions | undefined;
  /** Interrupts the start, which then ends all its processes and rejects with the reason of the signal. */
  readonly signal?: AbortSignal | undefined;
}

export interface ServiceStatus {
  readonly name: string;
  readonly state: SupervisedChild["state"];
  readonly pid: number | null;
  readonly restarts: number;
}

export interface LocalStack {
  readonly url: string;
  /** How to connect as the admin: `url`, the credentials of a stack with keys, and the certificates of one with TLS. */
  readonly connection: ConnectionSettings;
  /** URL of the listener for browsers; undefined when the stack has none. */
  readonly websocketUrl: string | undefined;
  readonly dataDir: string;
  /** Directory of the keys; undefined for a stack without keys. */
  readonly keysDir: string | undefined;
  /** Address of the web console and the HTTP API; undefined for a stack without a gateway. */
  readonly consoleUrl: string | undefined;
  readonly durability: "always" | "relaxed";
  readonly serverVersion: string;
  services(): ServiceStatus[];
  /** Stops all services and the server; idempotent. */
  stop(): Promise<void>;
}

function entryOf(name: ServiceName): string {
  return createRequire(import.meta.url).resolve(`@bioxen/${name}/main`);
}

/**
 * Starts a stack; resolves when every service is ready and the agent's chassis accept VMs.
 *
 * Throws `Fault` CONFLICT when the data directory or the port is in use, when the event log has lost events, or when
 * another log has replaced it. Throws `Fault` UNAVAILABLE when no nats-server is usable or a service does not become
 * ready. After an error, no process of the stack keeps running.
 */
export async function startLocalStack(options: LocalStackOptions = {}): Promise<LocalStack> {
  const home = options.home ?? bioxenHome();
  const dataDir = defaultedDataDir(options.dataDir, home);
  const binary = await findServerBinary();
  options.signal?.throwIfAborted();
  const directory = await DataDirectory.take(dataDir);
  if (!(directory instanceof DataDirectory)) throw inUse(dataDir, directory.heldBy);
  const children: SupervisedChild[] = [];
  let stopping: Promise<void> | undefined;
  const endRotation = rotateLogs(
    () => children.map(({ spec }) => spec.logFile),
    options.onProgress ?? (() => undefined),
  );
  const stop = () => {
    endRotation();
    stopping ??= endAll(children, home, directory);
    return stopping;
  };
  try {
    const starting = startProcesses({ options, home, directory, binary, children });
    const started = await orAborted(starting, options.signal);
    const services = () => children.slice(1).map(statusOf);
    return { ...started, services, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

/** Returns the absolute path of a stack's data directory: `named`, or by default the folder `data` in `home`. */
export function defaultedDataDir(named: string | undefined, home: string): string {
  return resolve(named ?? join(home, "data"));
}

/** Resolves with the result of `work`. When `signal` is aborted first, rejects at once with the signal's reason. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

interface Starting {
  readonly options: LocalStackOptions;
  readonly home: string;
  readonly directory: DataDirectory;
  readonly binary: Awaited<ReturnType<typeof findServerBinary>>;
  /** Each process is added before it starts, so that an interrupted start can end it. */
  readonly children: SupervisedChild[];
}

async function startProcesses({ options, home, directory, binary, children }: Starting) {
  const { path: dataDir } = directory;
  const { durability = "always", onProgress: progress = () => undefined, signal } = options;
  const ended = await directory.leftovers.end();
  if (ended > 0) progress(`ended ${ended} processes that a killed stack had left`);
  const realDir = await directory.realPath();
  signal?.throwIfAborted();
  const { tls: mode, websocket } = options;
  const certificates = mode === undefined ? undefined : await stackCertificates(realDir, mode, progress);
  const keys = options.keys !== false ? new StackKeys(realDir, agentId()) : undefined;
  const { child, url } = await startServer({
    accounts: keys && ((address: string) => keys.accounts(address)),
    binary,
    dataDir: realDir,
    port: options.port,
    durability,
    tls: certificates?.server,
    websocket,
    signal,
    onChild: (server) => children.push(server),
    onChange: (server) => void directory.noteServer(server.pid).catch(() => undefined),
  });
  const connection: ConnectionSettings = { servers: url, tls: certificates?.client };
  progress(`nats-server ${binary.version} on ${url}, data in ${dataDir}`);
  const asProvisioner = { ...connection, creds: keys?.creds.provisioner };
  await checkLog(asProvisioner, realDir, options.acceptOlderLog === true, progress);
  signal?.throwIfAborted();
  await keys?.provision(connection, realDir);
  signal?.throwIfAborted();
  await startServices({ options, connection, dataDir: realDir, children, progress, keys });
  const consoleUrl = children.find(({ spec }) => spec.name === GATEWAY)?.url;
  const pools = options.xcpng === undefined ? 0 : 1;
  const asAdmin = { ...connection, creds: keys?.creds.admin };
  await whenChassisReady(asAdmin, options.chassis ?? DEFAULT_CHASSIS, pools, signal);
  const websocketUrl = websocket && webSocketUrl(websocket, certificates?.server);
  const record: StackRecord = {
    url,
    tls: certificates?.client,
    pid: process.pid,
    start: await startOf(process.pid),
    serverPid: child.pid,
    serverVersion: binary.version,
    dataDir,
    durability,
    startedAtMs: Date.now(),
    ...(keys === undefined ? {} : { keysDir: keys.dir }),
    ...(consoleUrl === undefined ? {} : { consoleUrl }),
  };
  signal?.throwIfAborted();
  await writePointer(home, record);
  const keysDir = keys?.dir;
  return {
    url,
    connection: asAdmin,
    websocketUrl,
    dataDir,
    keysDir,
    consoleUrl,
    durability,
    serverVersion: binary.version,
  };
}

function statusOf(child: SupervisedChild): ServiceStatus {
  return { name: child.spec.name, state: child.state, pid: child.pid, restarts: child.restarts };
}

interface StartingServices {
  readonly options: LocalStackOptions;
  readonly connection: ConnectionSettings;
  readonly dataDir: string;
  readonly children: SupervisedChild[];
  readonly progress: (line: string) => void;
  readonly keys: StackKeys | undefined;
}

/** The id of the agent that the stack starts. */
function agentId(): string {
  return process.env["BIOXEN_AGENT_ID"] ?? "local";
}

async function startServices(starting: StartingServices): Promise<void> {
  const { options, connection, dataDir, children, progress, keys } = starting;
  // Credentials and certificates in the environment belong to another server than that of the stack.
  const own = withoutConnection(process.env);
  const common = {
    ...variablesOf(connection),
    // The services share one cache, because they share most of their modules. Every start reuses the cache.
    NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(tmpdir(), "node-compile-cache"),
    BIOXEN_LOG_LEVEL: options.logLevel ?? process.env["BIOXEN_LOG_LEVEL"] ?? "info",
  };
  const specOf = (name: string, entry: string, env: NodeJS.ProcessEnv): ChildSpec => ({
    name,
    command: process.execPath,
    args: [entry, ...serviceMark(dataDir)],
    env,
    logFile: join(dataDir, "log", `${name}.log`),
    speaksReady: true,
  });
  const specs = SERVICES.map((name) =>
    specOf(name, (options.serviceEntry ?? entryOf)(name), {
      ...(name === "chassis-agent" ? agentEnvironment(own, options.xcpng, dataDir) : withoutPool(own)),
      ...common,
      BIOXEN_LOG_RECORD: join(dataDir, LOG_RECORD_FILE),
      BIOXEN_CHASSIS: options.chassis ?? DEFAULT_CHASSIS,
      BIOXEN_TIME_SCALE: String(options.timeScale ?? DEFAULT_STACK_TIME_SCALE),
      BIOXEN_AGENT_ID: agentId(),
      ...keys?.environmentOf(name),
    }),
  );
  const { gateway } = options;
  // The agent stops first, and it is the last child.
  if (gateway !== undefined) {
    const ofKeys = keys?.gatewayEnvironment ?? {};
    const env = { ...withoutPool(own), ...common, ...gatewayEnvironment(gateway), ...ofKeys };
    specs.splice(-1, 0, specOf(GATEWAY, gatewayEntry(), env));
  }
  const started = specs.map((spec) => startChild(spec, { options, children, progress }));
  await Promise.all(
    started.map(async (child) => {
      if (await child.whenReady(READY_DEADLINE_MS)) return progress(`${child.spec.name} is ready`);
      if (child.refusal !== undefined) throw new Fault("CONFLICT", child.refusal, { retryable: false });
      if (child.misconfiguration !== undefined) {
        throw new Fault("BAD_REQUEST", `${child.spec.name}: ${child.misconfiguration}`, { retryable: false });
      }
      const message = `${child.spec.name} did not become ready; the end of its log:\n${await child.tail()}`;
      throw new Fault("UNAVAILABLE", message, { retryable: true });
    }),
  );
}

function startChild(
  spec: ChildSpec,
  { options, children, progress }: Pick<StartingServices, "options" | "children" | "progress">,
): SupervisedChild {
  const { name } = spec;
  const child = new SupervisedChild(spec, (changed) => {
    if (changed.state === "waiting") progress(`${name} ended; restarting it`);
    if (changed.refusal !== undefined && changed.state === "failed")
      progress(`${name} ended: ${changed.refusal}`);
  });
  options.signal?.throwIfAborted();
  children.push(child);
  child.start();
  return child;
}

async function endAll(
  children: readonly SupervisedChild[],
  home: string,
  directory: DataDirectory,
): Promise<void> {
  const [server, ...services] = children;
  const agent = services.at(-1);
  if (agent !== undefined) await agent.stop();
  await Promise.all(services.slice(0, -1).map((child) => child.stop()));
  await server?.stop();
  await removePointer(home);
  await directory.release();
}
