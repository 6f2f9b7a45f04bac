/**
 * What a process has to send after one read is one write, whatever the number of the promises that publish it.
 */
import type { Socket } from "node:net";
import { type Bus, connectBus } from "@bioxen/nats";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { TestServer } from "../src/index.ts";

const MESSAGES = 40;

let server: TestServer;
let bus: Bus;

beforeAll(async () => {
  server = await TestServer.start();
  bus = await connectBus({ servers: server.url, name: "writes" });
});
afterAll(async () => {
  await bus.close();
  await server.stop();
});

/** The socket of the connection, which the client library keeps to itself. */
function socketOf({ connection }: Bus): Socket {
  return (connection as unknown as { protocol: { transport: { socket: Socket } } }).protocol.transport.socket;
}

it("sends the messages of promises that settle in one turn with one write", async () => {
  const { connection } = bus;
  const arrived: string[] = [];
  connection.subscribe("joined.>", { callback: (_error, { subject }) => void arrived.push(subject) });
  await connection.flush();
  const socket = socketOf(bus);
  const writes = [vi.spyOn(socket, "_write"), vi.spyOn(socket, "_writev" as "_write")];
  const steps = Array.from({ length: MESSAGES }, async (_, i) => {
    for (let step = 0; step < i; step += 1) await undefined;
    connection.publish(`joined.${i}`);
  });
  await Promise.all(steps);
  await new Promise((resolve) => setImmediate(resolve));
  expect(writes.reduce((sum, { mock }) => sum + mock.calls.length, 0)).toBe(1);
  await connection.flush();
  expect(arrived.length).toBe(MESSAGES);
});
