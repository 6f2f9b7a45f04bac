/**
 * Lists the running services: every instance answers the PING of the NATS services protocol.
 */
import { Svcm } from "@nats-io/services";
import type { Bus } from "./bus.ts";
import { LANES } from "./lane-rules.ts";
import type { EndpointLoad } from "./receiver.ts";

export interface ServiceInstance {
  readonly name: string;
  readonly id: string;
  readonly version: string;
  /** HTTP address of the instance's health and metrics; null when the instance states no address. */
  readonly url: string | null;
  /** Host and process id of the instance; null when the instance does not state them. */
  readonly process: { readonly host: string; readonly pid: number } | null;
  /** Id of the agent; null when the instance is no agent, or an agent of an older version. */
  readonly agentId: string | null;
  /** Why the instance serves no requests although it runs; null when it serves. */
  readonly waiting: string | null;
}

/** Returns every instance that answers within `waitMs`, sorted by name. */
export async function discoverServices(bus: Bus, waitMs: number): Promise<ServiceInstance[]> {
  const client = new Svcm(bus.connection).client({ strategy: "timer", maxWait: waitMs });
  const found: ServiceInstance[] = [];
  try {
    for await (const { name, id, version, metadata } of await client.ping()) {
      const { url = null, host, pid, agent: agentId = null, waiting = null } = metadata ?? {};
      const process = host === undefined || pid === undefined ? null : { host, pid: Number(pid) };
      found.push({ name, id, version, url, process, agentId, waiting });
    }
  } catch {
    // When no service runs, the server reports at once that the PING has no receiver: the list is then empty.
    return found;
  }
  return found.sort((a, b) => (a.name === b.name ? (a.id < b.id ? -1 : 1) : a.name < b.name ? -1 : 1));
}

/**
 * The load of one running instance, one entry per lane (a kind of request, see lane-rules.ts). An instance of an
 * earlier version reports no lanes.
 */
export interface InstanceLoad {
  readonly name: string;
  readonly id: string;
  readonly lanes: readonly EndpointLoad[];
}

/** Returns the load of every instance that answers within `waitMs`, sorted by name. */
export async function serviceLoads(bus: Bus, waitMs: number): Promise<InstanceLoad[]> {
  const client = new Svcm(bus.connection).client({ strategy: "timer", maxWait: waitMs });
  const found: InstanceLoad[] = [];
  try {
    for await (const { name, id, endpoints = [] } of await client.stats()) {
      // Every endpoint reports the load of its whole lane, so that one endpoint per lane is enough.
      const loads = endpoints.flatMap(({ data }) => (isLoad(data) ? [data] : []));
      const lanes = LANES.flatMap((lane) => loads.find((load) => load.lane === lane) ?? []);
      found.push({ name, id, lanes });
    }
  } catch {
    // When no service runs, the server reports at once that the request has no receiver: the list is then empty.
    return found;
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function isLoad(data: unknown): data is EndpointLoad {
  return typeof data === "object" && data !== null && "lane" in data && "underWay" in data;
}
