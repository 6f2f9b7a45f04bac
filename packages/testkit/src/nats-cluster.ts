/**
 * Three nats-servers that replicate one JetStream, each as a process with its own store.
 *
 * A killed node stays down until the test starts it again. A supervisor would restart it before the other two nodes
 * have elected new leaders, and so hide whether two nodes continue without the third. With `sync_interval: always`, as
 * in the embedded server, an acknowledged message is on the disks of two nodes.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { type ServerBinary, SupervisedChild } from "@bioxen/local-stack";
import { eventually } from "./eventually.ts";

const HOST = "127.0.0.1";
const NODES = ["n1", "n2", "n3"] as const;
/** Longest time from the start of a node until it has caught up with the others, ms. */
const HEALTHY_DEADLINE_MS = 60_000;
const MONITORING_TIMEOUT_MS = 2_000;

interface Ports {
  readonly client: number;
  readonly route: number;
  readonly http: number;
}

/** The fields of the server's monitoring answer `/jsz` that tell which streams a node leads. */
interface JetStreamStatus {
  readonly meta_cluster?: { readonly leader?: string };
  readonly account_details?: readonly {
    readonly stream_detail?: readonly {
      readonly name: string;
      readonly cluster?: { readonly leader?: string };
    }[];
  }[];
}

export class ServerNode {
  readonly name: string;
  readonly ports: Ports;
  readonly #binary: ServerBinary;
  readonly #dir: string;
  #child: SupervisedChild;

  constructor(name: string, ports: Ports, binary: ServerBinary, dir: string) {
    this.name = name;
    this.ports = ports;
    this.#binary = binary;
    this.#dir = dir;
    this.#child = this.#newChild();
  }

  get url(): string {
    return `nats://${HOST}:${this.ports.client}`;
  }

  start(): void {
    this.#child = this.#newChild();
    this.#child.start();
  }

  /** Kills the node's process with SIGKILL. The node stays down until `start` is called. */
  async kill(): Promise<void> {
    if (this.#child.pid !== null) process.kill(this.#child.pid, "SIGKILL");
    await this.#child.stop();
  }

  /** Stops the node's process with SIGTERM. Before it exits, the node hands over the streams that it leads. */
  stop(): Promise<void> {
    return this.#child.stop();
  }

  /** Resolves once the node serves requests and has caught up with the other nodes. */
  async whenHealthy(): Promise<void> {
    await eventually(
      `${this.name} has caught up`,
      async () => {
        const response = await this.#ask("healthz").catch(() => undefined);
        return response?.status === 200 ? true : undefined;
      },
      HEALTHY_DEADLINE_MS,
    );
  }

  /**
   * Returns the names of the streams that the node leads, and `meta` if it leads the group that creates and places
   * streams.
   */
  async leads(): Promise<string[]> {
    const response = await this.#ask("jsz?streams=true&accounts=true");
    const { meta_cluster, account_details = [] } = (await response.json()) as JetStreamStatus;
    const streams = account_details.flatMap(({ stream_detail = [] }) => stream_detail);
    return [
      ...(meta_cluster?.leader === this.name ? ["meta"] : []),
      ...streams.filter(({ cluster }) => cluster?.leader === this.name).map(({ name }) => name),
    ];
  }

  async #ask(path: string): Promise<Response> {
    const signal = AbortSignal.timeout(MONITORING_TIMEOUT_MS);
    return fetch(`http://${HOST}:${this.ports.http}/${path}`, { signal });
  }

  #newChild(): SupervisedChild {
    return new SupervisedChild({
      name: this.name,
      command: this.#binary.path,
      args: ["-c", join(this.#dir, `${this.name}.conf`)],
      env: process.env,
      logFile: join(this.#dir, "log", `${this.name}.log`),
      speaksReady: false,
    });
  }
}

/** Starts three nodes, and resolves once all of them are healthy. */
export async function startCluster(binary: ServerBinary, dir: string): Promise<ServerNode[]> {
  await mkdir(join(dir, "log"), { recursive: true });
  const free = await freePorts(3 * NODES.length);
  const ports = NODES.map((_, i): Ports => {
    const [client = 0, route = 0, http = 0] = free.slice(3 * i);
    return { client, route, http };
  });
  const routes = ports.map(({ route }) => `nats-route://${HOST}:${route}`);
  const nodes = NODES.map((name, i) => new ServerNode(name, ports[i] as Ports, binary, dir));
  for (const { name, ports: own } of nodes) {
    await writeFile(join(dir, `${name}.conf`), configOf(name, own, routes, join(dir, "jetstream", name)));
  }
  for (const node of nodes) node.start();
  await Promise.all(nodes.map((node) => node.whenHealthy()));
  return nodes;
}

/**
 * Returns the configuration of one node. `no_advertise` hides the ports of the servers from clients, which must connect
 * through relays.
 */
function configOf(name: string, ports: Ports, routes: readonly string[], store: string): string {
  return `server_name: ${name}
listen: "${HOST}:${ports.client}"
http: "${HOST}:${ports.http}"
jetstream {
  store_dir: ${JSON.stringify(store)}
  max_file_store: 1024TB
  sync_interval: always
}
cluster {
  name: bioxen
  listen: "${HOST}:${ports.route}"
  routes: ${JSON.stringify(routes)}
  no_advertise: true
}
`;
}

/** Returns `count` different free ports. */
async function freePorts(count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const probe of probes) {
    await new Promise<void>((resolve, reject) => {
      probe.once("error", reject);
      probe.listen(0, HOST, resolve);
    });
    const address = probe.address();
    ports.push(typeof address === "object" && address !== null ? address.port : 0);
  }
  await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  return ports;
}
