/**
 * The connections on which a service receives requests; a lane is a kind of request (lane-rules.ts). The service's
 * own connection carries the event feed, the leases and the calls of other services. If requests arrived there too,
 * that traffic would wait behind them in the server's buffer.
 */
import type { NatsConnection } from "@nats-io/nats-core";
import { type Bus, connectBus } from "./bus.ts";
import type { LaneName } from "./lane-rules.ts";
import { ReadPace, socketOf } from "./read-pace.ts";

/** Longest wait for the connection of a lane, ms. The service itself is connected already. */
const CONNECT_TIMEOUT_MS = 10_000;

/** The connection of each lane. Programs and commands come from the same clients, so they share one connection. */
const CONNECTION_OF: Readonly<Record<LaneName, string>> = {
  commands: "commands",
  programs: "commands",
  queries: "queries",
  internal: "internal",
};

interface LaneConnection {
  readonly bus: Bus;
  readonly pace: ReadPace;
}

export class LaneConnections {
  readonly #connections: ReadonlyMap<string, LaneConnection>;
  readonly #losses: Map<string, number>;

  private constructor(connections: ReadonlyMap<string, LaneConnection>, losses: Map<string, number>) {
    this.#connections = connections;
    this.#losses = losses;
  }

  /** Opens the connections that `lanes` need, with the settings of `bus`. Throws `Fault` as `connectBus` does. */
  static async open(bus: Bus, lanes: Iterable<LaneName>): Promise<LaneConnections> {
    const names = [...new Set([...lanes].map((lane) => CONNECTION_OF[lane]))];
    const losses = new Map(names.map((name) => [name, 0]));
    const connections = await Promise.all(
      names.map(async (name) => {
        const options = {
          ...bus.options,
          name: `${bus.options.name}-${name}`,
          connectTimeoutMs: CONNECT_TIMEOUT_MS,
        };
        const own = await connectBus(options);
        own.onStatus((status) => {
          if (status === "disconnected") losses.set(name, (losses.get(name) ?? 0) + 1);
        });
        return [name, { bus: own, pace: new ReadPace(() => socketOf(own.connection)) }] as const;
      }),
    );
    return new LaneConnections(new Map(connections), losses);
  }

  /** How often each connection was lost since the start. A server cuts a connection that is read too slowly. */
  get losses(): ReadonlyMap<string, number> {
    return this.#losses;
  }

  connectionOf(lane: LaneName): NatsConnection {
    return this.#of(lane).bus.connection;
  }

  /** Counts a message that arrived for this lane, and pauses its connection after a batch of messages. */
  received(lane: LaneName): void {
    this.#of(lane).pace.received();
  }

  /** Resolves when the server knows all subscriptions. */
  async flush(): Promise<void> {
    await Promise.all([...this.#connections.values()].map(({ bus }) => bus.connection.flush()));
  }

  /** Sends the last answers, and closes the connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#connections.values()].map(({ bus }) => bus.close()));
  }

  #of(lane: LaneName): LaneConnection {
    const found = this.#connections.get(CONNECTION_OF[lane]);
    if (found === undefined) throw new Error(`the lane ${lane} has no connection`);
    return found;
  }
}
