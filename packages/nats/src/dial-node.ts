/**
 * Connects to NATS from Node, and destroys the socket of every attempt that fails.
 *
 * The NATS client keeps the socket of an attempt when the server has sent nothing. A server that accepts connections
 * and stays silent would therefore keep the calling process alive after its command has failed. Each attempt to
 * reconnect would also cost a socket. The client does not hand out its sockets; Node's diagnostics channel announces
 * them.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import type { ConnectionOptions, NatsConnection } from "@nats-io/nats-core";
import { connectByTcp } from "./transport-node.ts";

/**
 * Time after which a socket without a word from the server is destroyed, ms. It is above the longest attempt to connect
 * (`DIAL_TIMEOUT_MS` in first-connection.ts), so that the client itself ends an attempt first.
 */
const SILENT_SOCKET_MS = 3_000;

/** The sockets that one connection has opened. `active` is true while the connection is not connected to a server. */
interface Dialling {
  active: boolean;
  readonly sockets: Set<Socket>;
}

const dialling = new AsyncLocalStorage<Dialling>();

subscribe("net.client.socket", (message) => {
  const dial = dialling.getStore();
  if (dial?.active !== true) return;
  const { socket } = message as { readonly socket: Socket };
  dial.sockets.add(socket);
  setTimeout(() => {
    dial.sockets.delete(socket);
    // A NATS server speaks first: while it is silent, the client writes nothing.
    if (socket.bytesWritten === 0) socket.destroy();
  }, SILENT_SOCKET_MS).unref();
});

/** Connects to a server of the options. On failure, destroys the sockets and rejects with the NATS client's error. */
export async function connect(options: ConnectionOptions): Promise<NatsConnection> {
  const dial: Dialling = { active: true, sockets: new Set() };
  try {
    const connection = await dialling.run(dial, () => connectByTcp(options));
    dial.active = false;
    void followReconnects(connection, dial);
    return connection;
  } catch (cause) {
    for (const socket of dial.sockets) socket.destroy();
    throw cause;
  }
}

async function followReconnects(connection: NatsConnection, dial: Dialling): Promise<void> {
  for await (const { type } of connection.status()) {
    if (type === "disconnect") dial.active = true;
    else if (type === "reconnect") dial.active = false;
  }
}
