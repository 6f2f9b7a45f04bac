/**
 * Who serves now: the services protocol's own PING, answered by every instance.
 */
import { Svcm } from "@nats-io/services";
import type { Bus } from "./bus.ts";

export interface ServiceInstance {
  readonly name: string;
  readonly id: string;
  readonly version: string;
  /** Where it is watched over HTTP; null where it does not say. */
  readonly url: string | null;
  /** Which process it is; null where it does not say. */
  readonly process: { readonly host: string; readonly pid: number } | null;
}

/** Every instance that answers within `waitMs`, in order of name. */
export async function discoverServices(bus: Bus, waitMs: number): Promise<ServiceInstance[]> {
  const client = new Svcm(bus.connection).client({ strategy: "timer", maxWait: waitMs });
  const found: ServiceInstance[] = [];
  try {
    for await (const { name, id, version, metadata } of await client.ping()) {
      const { url = null, host, pid } = metadata ?? {};
      const process = host === undefined || pid === undefined ? null : { host, pid: Number(pid) };
      found.push({ name, id, version, url, process });
    }
  } catch {
    // Nobody at all serves: the server says so instead of keeping silent.
    return found;
  }
  return found.sort((a, b) => (a.name === b.name ? (a.id < b.id ? -1 : 1) : a.name < b.name ? -1 : 1));
}
