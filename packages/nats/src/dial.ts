/**
 * How the bus and the reading thread connect to NATS. The options are plain data, so that a thread can receive them;
 * everything that a connection needs to log in belongs here.
 */
import type { ConnectionOptions } from "@nats-io/nats-core";

export interface BusOptions {
  readonly servers: string | readonly string[];
  /** Name of the service or tool, shown by the server's monitoring. */
  readonly name: string;
  readonly connectTimeoutMs?: number;
  /** Longest wait for one answer of JetStream, ms; default: the client's, 5 s. */
  readonly requestTimeoutMs?: number;
}

export function serversOf({ servers }: BusOptions): string[] {
  return typeof servers === "string" ? servers.split(",") : [...servers];
}

/** Returns the servers and the name of a connection. */
export function connectionOptionsOf(options: BusOptions): ConnectionOptions {
  return { servers: serversOf(options), name: options.name };
}
