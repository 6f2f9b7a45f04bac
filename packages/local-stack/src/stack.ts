/**
 * The local stack: one nats-server, five service processes, one data directory.
 *
 * The process that starts it owns it. When that process ends, also by a signal, its services end too, because their IPC
 * channel closes. A nats-server that is left running is stopped by the next stack on the same data.
 */
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { ServiceName } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { bioxenHome, type StackRecord } from "@bioxen/nats";
import { whenChassisReady } from "./chassis-ready.ts";
import { SupervisedChild } from "./child.ts";
import { agentEnvironment, type LocalPool, withoutPool } from "./pool.ts";
import { endOrphan, startServer } from "./server.ts";
import { findServerBinary } from "./server-binary.ts";
import { lockDataDir, noteServer, removePointer, unlockDataDir, writePointer } from "./stack-file.ts";

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
  /** XCP-ng pool on which the agent runs VMs; its credentials are read from environment variables. */
  readonly xcpng?: LocalPool | undefined;
  /** Folder of the pointer file; default `BIOXEN_HOME`, else `bioxen` in the XDG data directory. */
  readonly home?: string | undefined;
  readonly onProgress?: ((line: string) => void) | undefined;
  /** Replaces the entry points of the services, in tests of the supervision. */
  readonly serviceEntry?: ((name: ServiceName) => string) | undefined;
  readonly logLevel?: string | undefined;
}

export interface ServiceStatus {
  readonly name: string;
  readonly state: SupervisedChild["state"];
  readonly pid: number | null;
  readonly restarts: number;
}

export interface LocalStack {
  readonly url: string;
  readonly dataDir: string;
  readonly durability: "always" | "relaxed";
  readonly serverVersion: string;
  services(): ServiceStatus[];
  /** Stops all services and the server; idempotent. */
  stop(): Promise<void>;
}

export const DEFAULT_CHASSIS = "ecoli:1,yeast:1";
export const DEFAULT_STACK_TIME_SCALE = 10;

function entryOf(name: ServiceName): string {
  return createRequire(import.meta.url).resolve(`@bioxen/${name}/main`);
}

/**
 * Starts a stack; resolves when every service is ready and the agent's chassis accept VMs.
 *
 * Throws `Fault`: CONFLICT when the data directory or the port is in use, UNAVAILABLE when no nats-server is usable or
 * a service does not become ready. It then leaves no process running.
 */
export async function startLocalStack(options: LocalStackOptions = {}): Promise<LocalStack> {
  const home = options.home ?? bioxenHome();
  const dataDir = resolve(options.dataDir ?? join(home, "data"));
  const durability = options.durability ?? "always";
  const progress = options.onProgress ?? (() => undefined);
  const binary = await findServerBinary();
  const { leftServerPid } = await lockDataDir(dataDir);
  const children: SupervisedChild[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= endAll(children, home, dataDir);
    return stopping;
  };
  try {
    await endOrphan(leftServerPid, dataDir);
    const { child, url } = await startServer({
      binary,
      dataDir,
      port: options.port,
      durability,
      onChange: (server) => void noteServer(dataDir, server.pid).catch(() => undefined),
    });
    children.push(child);
    await noteServer(dataDir, child.pid);
    progress(`nats-server ${binary.version} on ${url}, data in ${dataDir}`);
    await startServices(options, url, dataDir, children, progress);
    const pools = options.xcpng === undefined ? 0 : 1;
    await whenChassisReady(url, options.chassis ?? DEFAULT_CHASSIS, pools);
    const record: StackRecord = {
      url,
      pid: process.pid,
      serverPid: child.pid,
      serverVersion: binary.version,
      dataDir,
      durability,
      startedAtMs: Date.now(),
    };
    await writePointer(home, record);
    const services = () => children.slice(1).map(statusOf);
    return { url, dataDir, durability, serverVersion: binary.version, services, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

function statusOf(child: SupervisedChild): ServiceStatus {
  return { name: child.spec.name, state: child.state, pid: child.pid, restarts: child.restarts };
}

async function startServices(
  options: LocalStackOptions,
  url: string,
  dataDir: string,
  children: SupervisedChild[],
  progress: (line: string) => void,
): Promise<void> {
  await mkdir(join(dataDir, "log"), { recursive: true });
  const started = SERVICES.map((name) => {
    const child = new SupervisedChild(
      {
        name,
        command: process.execPath,
        args: [(options.serviceEntry ?? entryOf)(name)],
        env: {
          ...(name === "chassis-agent"
            ? agentEnvironment(process.env, options.xcpng, dataDir)
            : withoutPool(process.env)),
          BIOXEN_NATS_URL: url,
          // The services share one cache, because they share most of their modules. Every start reuses the cache.
          NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(tmpdir(), "node-compile-cache"),
          BIOXEN_LOG_LEVEL: options.logLevel ?? process.env["BIOXEN_LOG_LEVEL"] ?? "info",
          BIOXEN_CHASSIS: options.chassis ?? DEFAULT_CHASSIS,
          BIOXEN_TIME_SCALE: String(options.timeScale ?? DEFAULT_STACK_TIME_SCALE),
          BIOXEN_AGENT_ID: process.env["BIOXEN_AGENT_ID"] ?? "local",
        },
        logFile: join(dataDir, "log", `${name}.log`),
        speaksReady: true,
      },
      (changed) => {
        if (changed.state === "waiting") progress(`${name} ended; restarting it`);
      },
    );
    children.push(child);
    child.start();
    return child;
  });
  await Promise.all(
    started.map(async (child) => {
      if (await child.whenReady(READY_DEADLINE_MS)) return progress(`${child.spec.name} is ready`);
      const message = `${child.spec.name} did not become ready; the end of its log:\n${await child.tail()}`;
      throw new Fault("UNAVAILABLE", message, { retryable: true });
    }),
  );
}

async function endAll(children: readonly SupervisedChild[], home: string, dataDir: string): Promise<void> {
  const [server, ...services] = children;
  const agent = services.at(-1);
  if (agent !== undefined) await agent.stop();
  await Promise.all(services.slice(0, -1).map((child) => child.stop()));
  await server?.stop();
  await removePointer(home);
  await unlockDataDir(dataDir);
}
