/**
 * Sends text of the NATS protocol as it is: for messages that no client library would send.
 */
import { createConnection } from "node:net";

/** Sends `protocol` on a connection of its own, and resolves when the server has processed it. */
export async function sendRaw(url: string, protocol: string): Promise<void> {
  const socket = createConnection(Number(new URL(url).port), "127.0.0.1");
  socket.write(`CONNECT {"verbose":false,"headers":true}\r\n${protocol}PING\r\n`);
  for await (const chunk of socket) if (String(chunk).includes("PONG")) break;
}
