/**
 * The processes under test: one server or three that replicate, and any number of instances of every service. Each
 * service is a supervised process behind a relay. The store may be a small disk, and the clock can be moved.
 */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ServiceName } from "@bioxen/contracts";
import { findServerBinary, SERVICES, SupervisedChild, startServer } from "@bioxen/local-stack";
import { type ServerNode, startCluster } from "@bioxen/testkit/nats-cluster";
import { Relay } from "./relay.ts";
import { SmallDisk } from "./small-disk.ts";

const READY_DEADLINE_MS = 60_000;
/** The chassis of each agent: two agents must not offer the same chassis. */
const CHASSIS = ["ecoli:2", "yeast:1", "orthogonal:1"] as const;
/** Simulated minutes per second: low, so that the guests leave the processor to the load. */
const TIME_SCALE = 1;
/** Size of the disk, MiB: the whole log of a run fits, and filling the rest takes little time. */
const DISK = { base: 192, perMinute: 64 };
const CLOCK = fileURLToPath(new URL("moved-clock.ts", import.meta.url));

export interface Instance {
  readonly name: ServiceName;
  readonly index: number;
  readonly child: SupervisedChild;
  readonly relay: Relay;
}

export interface FleetOptions {
  readonly instances: number;
  readonly minutes: number;
  readonly smallDisk: boolean;
  /** Three servers that replicate everything, instead of one. */
  readonly cluster?: boolean;
  /** The chassis of a single agent, such as `ecoli:2`; default: the first two of those of many agents. */
  readonly chassis?: string;
}

/** The servers that the services and the load connect to. */
interface Servers {
  /** The only server; absent in a cluster. */
  readonly single?: SupervisedChild;
  readonly nodes: readonly ServerNode[];
  readonly urls: readonly string[];
}

export class Fleet {
  readonly dir: string;
  /** The URLs of all servers, separated by commas. */
  readonly url: string;
  /** The only server; undefined in a cluster. */
  readonly server: SupervisedChild | undefined;
  /** The servers of a cluster. */
  readonly nodes: readonly ServerNode[];
  readonly services: readonly Instance[];
  /** The disk of the store, or the reason why the store has none. */
  readonly disk: SmallDisk | string;

  private constructor(
    dir: string,
    servers: Servers,
    services: readonly Instance[],
    disk: SmallDisk | string,
  ) {
    this.dir = dir;
    this.url = servers.urls.join(",");
    this.server = servers.single;
    this.nodes = servers.nodes;
    this.services = services;
    this.disk = disk;
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const { instances, minutes, smallDisk, cluster = false } = options;
    const { chassis = CHASSIS.slice(0, 2).join(",") } = options;
    const dir = await mkdtemp(join(tmpdir(), "bioxen-chaos-"));
    const dataDir = join(dir, "data");
    const store = join(dataDir, "jetstream");
    await mkdir(join(dataDir, "log"), { recursive: true });
    const size = DISK.base + Math.ceil(DISK.perMinute * minutes);
    const disk = smallDisk ? await SmallDisk.mount(store, size) : "not asked for";
    await writeFile(join(dir, "clock"), "0");
    const servers = await (cluster ? replicatedServers(dataDir) : oneServer(dataDir));
    const services: Instance[] = [];
    for (const name of SERVICES) {
      const count = name === "chassis-agent" ? Math.min(instances, CHASSIS.length) : instances;
      for (let index = 0; index < count; index += 1) {
        const relay = await Relay.open(servers.urls.map((url) => Number(new URL(url).port)));
        const env = {
          BIOXEN_NATS_URL: relay.url,
          BIOXEN_EVENT_REPLICAS: String(Math.max(1, servers.nodes.length)),
          BIOXEN_CHASSIS: count === 1 ? chassis : (CHASSIS[index] ?? ""),
        };
        const service = { name, index, relay, child: childOf(dir, name, index, env) };
        service.child.start();
        services.push(service);
      }
    }
    const fleet = new Fleet(dir, servers, services, disk);
    const ready = await Promise.all(services.map((one) => one.child.whenReady(READY_DEADLINE_MS)));
    if (ready.includes(false)) {
      await fleet.stop();
      throw new Error(`a service did not get ready: see ${join(dataDir, "log")}`);
    }
    return fleet;
  }

  get allReady(): boolean {
    return this.services.every(({ child }) => child.state === "ready");
  }

  /** Moves the wall clock of every service by `offsetMs` against the true time. */
  moveClock(offsetMs: number): Promise<void> {
    return writeFile(join(this.dir, "clock"), String(offsetMs));
  }

  async serverLog(): Promise<string> {
    return this.server === undefined ? "" : readFile(this.server.spec.logFile, "utf8");
  }

  /** Ends every fault. */
  async heal(): Promise<void> {
    for (const { relay } of this.services) relay.heal();
    if (typeof this.disk !== "string") await this.disk.free();
    await this.moveClock(0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.services.map(({ child }) => child.stop()));
    await this.server?.stop();
    await Promise.all(this.nodes.map((node) => node.stop()));
    for (const { relay } of this.services) relay.close();
  }

  /** Keeps store and logs, and returns their folder. */
  async keep(): Promise<string> {
    if (typeof this.disk !== "string") {
      await cp(join(this.dir, "data", "jetstream"), join(this.dir, "jetstream"), { recursive: true });
      await this.disk.unmount();
    }
    return this.dir;
  }

  async remove(): Promise<void> {
    if (typeof this.disk !== "string") await this.disk.unmount();
    await rm(this.dir, { recursive: true, force: true });
  }
}

async function oneServer(dataDir: string): Promise<Servers> {
  const { child, url } = await startServer({
    binary: await findServerBinary(),
    dataDir,
    port: undefined,
    durability: "always",
    onChange: () => undefined,
  });
  return { single: child, nodes: [], urls: [url] };
}

async function replicatedServers(dataDir: string): Promise<Servers> {
  const nodes = await startCluster(await findServerBinary(), dataDir);
  return { nodes, urls: nodes.map(({ url }) => url) };
}

function childOf(dir: string, name: ServiceName, index: number, env: NodeJS.ProcessEnv): SupervisedChild {
  return new SupervisedChild({
    name: `${name}-${index}`,
    command: process.execPath,
    args: [fileURLToPath(new URL(`../../services/${name}/main.ts`, import.meta.url))],
    env: {
      ...process.env,
      NODE_OPTIONS: `--import=${CLOCK}`,
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(tmpdir(), "node-compile-cache"),
      BIOXEN_CHAOS_CLOCK_FILE: join(dir, "clock"),
      BIOXEN_LOG_LEVEL: "warn",
      BIOXEN_TIME_SCALE: String(TIME_SCALE),
      BIOXEN_AGENT_ID: `agent-${index}`,
      ...env,
    },
    logFile: join(dir, "data", "log", `${name}-${index}.log`),
    speaksReady: true,
  });
}
