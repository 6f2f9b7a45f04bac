/**
 * Sends text of the NATS protocol as it is: for messages that no client library would send.
 */
import { createConnection } from "node:net";

/**
 * Sends `protocol` on a connection of its own, with the login in the URL, and resolves when the server has processed it.
 */
export async function sendRaw(url: string, protocol: string): Promise<void> {
  const { port, username: user, password: pass } = new URL(url);
  const socket = createConnection(Number(port), "127.0.0.1");
  const login = user === "" ? {} : { user, pass };
  const options = { verbose: false, headers: true, no_responders: true, ...login };
  socket.write(`CONNECT ${JSON.stringify(options)}\r\n${protocol}PING\r\n`);
  for await (const chunk of socket) if (String(chunk).includes("PONG")) break;
}
