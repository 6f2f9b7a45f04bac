/**
 * NATS servers that fall silent, for tests of deadlines. They behave like a stopped server process: the kernel still
 * accepts connections to the process, but the process never answers.
 */
import { once } from "node:events";
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";

export interface SilentServer {
  readonly url: string;
  /** Number of open connections. */
  connections(): number;
  close(): void;
}

const INFO = {
  server_id: "SILENT",
  server_name: "silent",
  version: "2.14.0",
  proto: 1,
  headers: true,
  max_payload: 1_048_576,
  jetstream: true,
};

/** Starts a server that accepts connections and says nothing. */
export function muteServer(): Promise<SilentServer> {
  return listening(() => undefined);
}

/** Starts a server that lets clients log in and then stays silent, like a server that is stopped after the login. */
export function stoppedServer(): Promise<SilentServer> {
  return listening((socket) => {
    socket.write(`INFO ${JSON.stringify(INFO)}\r\n`);
    let heard = "";
    socket.on("data", (bytes) => {
      if (heard.includes("PING")) return;
      heard += String(bytes);
      if (heard.includes("PING")) socket.write("PONG\r\n");
    });
  });
}

export interface GaggedServer extends SilentServer {
  /** Number of bytes that the server has said so far. */
  said(): number;
}

/**
 * Starts a relay to the server on `targetPort`. The relay passes on the first `bytes` bytes of the server's answers,
 * over all connections together, and then nothing, like a server that is stopped at that moment.
 */
export async function gaggedServer(targetPort: number, bytes: number): Promise<GaggedServer> {
  let said = 0;
  const relay = await listening((near) => {
    const far = createConnection({ host: "127.0.0.1", port: targetPort });
    far.on("error", () => near.destroy());
    far.on("close", () => near.destroy());
    near.on("close", () => far.destroy());
    near.on("data", (chunk) => far.write(chunk));
    far.on("data", (chunk) => {
      const passed = chunk.subarray(0, Math.max(0, bytes - said));
      said += chunk.length;
      if (passed.length > 0) near.write(passed);
    });
  });
  return { ...relay, said: () => said };
}

async function listening(onSocket: (socket: Socket) => void): Promise<SilentServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    // Node.js reports the end of a connection only after all received bytes have been read.
    socket.resume();
    onSocket(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => sockets.size,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
