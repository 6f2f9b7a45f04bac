/**
 * How a connection to NATS is made, by the bus and by the thread that reads a long log: plain data, so that it can be handed
 * to a thread, and whatever a connection needs to be let in belongs into it.
 */
import type { ConnectionOptions } from "@nats-io/nats-core";

export interface BusOptions {
  readonly servers: string | readonly string[];
  /** Shown by the server's monitoring; the name of the service or tool. */
  readonly name: string;
  readonly connectTimeoutMs?: number;
}

export function serversOf({ servers }: BusOptions): string[] {
  return typeof servers === "string" ? servers.split(",") : [...servers];
}

/** Where to, and as who. */
export function originOf(options: BusOptions): ConnectionOptions {
  return { servers: serversOf(options), name: options.name };
}
