/**
 * A TCP relay between one process and the servers, with a port for each server. It can cut, stall and refuse
 * connections.
 */
import { createConnection, createServer, type Server, type Socket } from "node:net";

const HOST = "127.0.0.1";

export type Line = "open" | "stalled" | "refusing";

export class Relay {
  /** The URLs of the relay's ports, one for each server, separated by commas. */
  readonly url: string;
  readonly #servers: readonly Server[];
  readonly #sockets: Set<Socket>;
  readonly #line: { state: Line };

  private constructor(servers: readonly Server[], sockets: Set<Socket>, line: { state: Line }) {
    this.#servers = servers;
    this.#sockets = sockets;
    this.#line = line;
    this.url = servers.map((server) => `nats://${HOST}:${portOf(server)}`).join(",");
  }

  static async open(targetPorts: readonly number[]): Promise<Relay> {
    const sockets = new Set<Socket>();
    const line: { state: Line } = { state: "open" };
    const servers = targetPorts.map((port) => createServer((near) => join(near, port, sockets, line)));
    for (const server of servers) {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(0, HOST, resolve);
      });
    }
    return new Relay(servers, sockets, line);
  }

  /** Ends every connection at once, even in the middle of a message. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Holds back all bytes from now on. The connections stay open. */
  stall(): void {
    this.#line.state = "stalled";
    for (const socket of this.#sockets) socket.pause();
  }

  /** Ends every connection, and refuses new ones from now on. */
  refuse(): void {
    this.#line.state = "refusing";
    this.cut();
  }

  heal(): void {
    this.#line.state = "open";
    for (const socket of this.#sockets) socket.resume();
  }

  close(): void {
    this.refuse();
    for (const server of this.#servers) server.close();
  }
}

function join(near: Socket, targetPort: number, sockets: Set<Socket>, line: { readonly state: Line }): void {
  if (line.state === "refusing") {
    near.destroy();
    return;
  }
  const far = createConnection({ host: HOST, port: targetPort });
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    sockets.add(one);
    one.on("data", (bytes) => {
      if (!other.write(bytes)) one.pause();
    });
    one.on("drain", () => {
      if (line.state !== "stalled") other.resume();
    });
    // The close of the other side follows and is handled below.
    one.on("error", () => undefined);
    one.on("close", () => {
      sockets.delete(one);
      other.destroy();
    });
    if (line.state === "stalled") one.pause();
  }
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
