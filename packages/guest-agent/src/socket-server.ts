/**
 * The agent's socket: a connection carries one request and its reply, each one line of JSON.
 *
 * Every process that may open the socket controls the cell. Its folder therefore has mode 0700, and the socket 0600.
 */
import { mkdir, rm, stat } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { messageOf } from "@bioxen/kernel";
import { DriverError } from "@bioxen/vm-driver";
import { isAnswered } from "./call.ts";
import { MAX_CONNECTIONS, REQUEST_TIMEOUT_MS } from "./limits.ts";
import { failureOf, MAX_MESSAGE_BYTES } from "./protocol.ts";

/** Thrown if the agent cannot start where its settings say. A restart does not help. */
export class SettingsError extends Error {}

/** Waits for `opened`. Throws {@link SettingsError} that names the thing if the system refuses it. */
export async function usable<T>(name: string, opened: Promise<T>): Promise<T> {
  try {
    return await opened;
  } catch (cause) {
    if (cause instanceof SettingsError) throw cause;
    throw new SettingsError(`the ${name} cannot be used: ${messageOf(cause)}`, { cause });
  }
}

/**
 * Prepares the socket at `path`. Throws {@link SettingsError} if another agent answers there, or if other users may open
 * the folder.
 */
export async function prepareSocket(path: string): Promise<void> {
  await requirePrivate(dirname(path));
  if (await isAnswered(path)) throw new SettingsError(`another agent answers at ${path}: stop it first`);
  // What is left of an agent that was killed.
  await rm(path, { force: true });
}

/** Listens at a prepared path. `answer` returns the reply to a line. */
export async function listenAt(path: string, answer: (line: string) => Promise<string>): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => serve(socket, answer));
  server.maxConnections = MAX_CONNECTIONS;
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  // The socket is created inside the call of `listen`: mode 0600.
  const mask = process.umask(0o177);
  server.listen(path, listening.resolve);
  process.umask(mask);
  await listening.promise;
  return server;
}

async function requirePrivate(folder: string): Promise<void> {
  await usable(`folder ${folder} of the socket`, mkdir(folder, { recursive: true, mode: 0o700 }));
  const { mode, uid } = await stat(folder);
  if ((mode & 0o077) === 0 && uid === process.getuid?.()) return;
  throw new SettingsError(
    `the folder ${folder} of the socket belongs to another user or is open to others: ` +
      "choose a folder of this user with mode 0700",
  );
}

function serve(socket: Socket, answer: (line: string) => Promise<string>): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isComplete = false;
  const finish = (reply: string) => socket.end(`${reply}\n`);
  // A caller that has gone away is no fault of the agent.
  socket.on("error", () => socket.destroy());
  socket.on("end", () => {
    if (!isComplete) socket.destroy();
  });
  socket.setTimeout(REQUEST_TIMEOUT_MS, () => {
    if (!isComplete) socket.destroy();
  });
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    // What follows the request is read, so that the caller can read the reply, but not without end.
    if (bytes > 2 * MAX_MESSAGE_BYTES) socket.destroy();
    if (isComplete) return;
    const end = chunk.indexOf(0x0a);
    chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
    isComplete = end >= 0 || bytes > MAX_MESSAGE_BYTES + 1;
    if (bytes > MAX_MESSAGE_BYTES + 1) {
      const message = `the request has more than ${MAX_MESSAGE_BYTES} bytes`;
      finish(JSON.stringify(failureOf(new DriverError("TOO_LARGE", message))));
    } else if (end >= 0) {
      void answer(Buffer.concat(chunks).toString("utf8")).then(finish);
    }
  });
}
