/**
 * Sends the bytes of an HTTP request and reads all that comes back until the connection ends.
 */
import { connect } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { HttpRequest } from "./http-requests.ts";

/** Longest time until the connection ends, ms: twice the time that a service gives a request. */
const TIMEOUT_MS = 10_000;

/** Returns a sentence about what is wrong with the answer; undefined when it is right. */
export async function problemOf(url: string, request: HttpRequest): Promise<string | undefined> {
  const text = await exchanged(url, request.pieces);
  const shown = JSON.stringify(Buffer.concat(request.pieces).toString("latin1").slice(0, 200));
  if (text === undefined) return `the connection of ${shown} to ${url} did not end`;
  const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
  const wrong = (statuses.length === 0 ? [0] : statuses).filter((one) => !request.statuses.includes(one));
  if (wrong.length > 0)
    return `${shown} to ${url} was answered with ${statuses.join()}: ${text.slice(0, 200)}`;
  const final = statuses.filter((status) => status >= 200).length;
  if (final > 0 && final !== request.count) return `${shown} to ${url} had ${final} answers`;
  return undefined;
}

/** Returns what the server sent; undefined when it did not end the connection in time. */
async function exchanged(url: string, pieces: readonly Buffer[]): Promise<string | undefined> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const received: Buffer[] = [];
  socket.on("data", (data) => received.push(data));
  // A server may reset the connection of a request that it refused before reading it to the end.
  socket.on("error", () => socket.destroy());
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    socket.destroy();
  }, TIMEOUT_MS);
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.write(piece);
    await nextTurn();
  }
  if (!socket.destroyed) socket.end();
  await closed;
  clearTimeout(timer);
  return isLate ? undefined : Buffer.concat(received).toString("latin1");
}
