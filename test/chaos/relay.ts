/**
 * What stands between one process and the server: a TCP relay that can cut, stall and refuse.
 */
import { createConnection, createServer, type Server, type Socket } from "node:net";

const HOST = "127.0.0.1";

export type Line = "open" | "stalled" | "refusing";

export class Relay {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  readonly #line: { state: Line };

  private constructor(server: Server, port: number, sockets: Set<Socket>, line: { state: Line }) {
    this.#server = server;
    this.#sockets = sockets;
    this.#line = line;
    this.url = `nats://${HOST}:${port}`;
  }

  static async open(targetPort: number): Promise<Relay> {
    const sockets = new Set<Socket>();
    const line: { state: Line } = { state: "open" };
    const server = createServer((near) => {
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
        // The other side's close says what there is to say.
        one.on("error", () => undefined);
        one.on("close", () => {
          sockets.delete(one);
          other.destroy();
        });
        if (line.state === "stalled") one.pause();
      }
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, HOST, resolve);
    });
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    return new Relay(server, port, sockets, line);
  }

  /** Every connection ends now, in the middle of whatever it says. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** From now on nothing gets through, and nobody is told. */
  stall(): void {
    this.#line.state = "stalled";
    for (const socket of this.#sockets) socket.pause();
  }

  /** From now on nobody is let in; who is in is thrown out. */
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
    this.#server.close();
  }
}
