/** The caller's side of the agent's socket. */
import { createConnection } from "node:net";
import { REPLY_TIMEOUT_MS } from "./limits.ts";
import { MAX_MESSAGE_BYTES } from "./protocol.ts";

/** Thrown if no agent answers. The message names the socket and the reason. */
export class NoAgentError extends Error {}

/**
 * Sends one request, a line of JSON without its end, and returns the reply in the same form. Throws
 * {@link NoAgentError}.
 */
export function call(path: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const fail = (why: string) => {
      socket.destroy();
      reject(new NoAgentError(`no guest agent answers at ${path}: ${why}`));
    };
    const chunks: Buffer[] = [];
    let bytes = 0;
    socket.setTimeout(REPLY_TIMEOUT_MS, () => fail(`no reply within ${REPLY_TIMEOUT_MS / 1000} s`));
    socket.on("error", (error) => fail(error.message));
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      // The agent bounds its replies, so a longer one is not from an agent.
      if (bytes > MAX_MESSAGE_BYTES + 1) fail("its reply is too long");
    });
    socket.on("end", () => {
      const reply = Buffer.concat(chunks).toString("utf8");
      if (reply.endsWith("\n")) resolve(reply.slice(0, -1));
      else fail("the connection ended before the reply");
      socket.destroy();
    });
    socket.write(`${line}\n`);
  });
}

/** Returns whether a process accepts connections at `path`. */
export function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const settle = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}
