/**
 * Messages that a busy process finds at one read: over TLS they come as one record each, and are still handled together.
 */
import { mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initCertificates } from "@bioxen/certs";
import { type BusOptions, connectBus } from "@bioxen/nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import { TestServer } from "../src/index.ts";

/** Number of messages, each of which the server sends in a write of its own. */
const MESSAGES = 40;
/** The messages are read at once. The first one may come alone, because the read can begin with it. */
const MOST_WRITES = 2;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-reads-"));
  await initCertificates({ dir });
});
afterAll(() => rm(dir, { recursive: true, force: true }));

it("answers the records of one read in one write", async () => {
  const server = await TestServer.start(
    `tls { cert_file: "${join(dir, "server.pem")}", key_file: "${join(dir, "server.key")}" }`,
  );
  const options: BusOptions = {
    servers: `tls://127.0.0.1:${server.port}`,
    tls: { ca: join(dir, "ca.pem") },
    name: "reads",
  };
  const busy = await connectBus(options);
  const caller = await connectBus(options);
  try {
    const answers: string[] = [];
    caller.connection.subscribe("answers", { callback: (_, message) => void answers.push(message.string()) });
    busy.connection.subscribe("questions", {
      callback: (_, message) => busy.connection.publish("answers", message.data),
    });
    await caller.connection.flush();
    await busy.connection.flush();
    const { socket } = (
      busy.connection as unknown as { readonly protocol: { readonly transport: { readonly socket: Socket } } }
    ).protocol.transport;
    let writes = 0;
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
    socket.write = (...args: unknown[]) => {
      writes += 1;
      return write(...args);
    };
    socket.pause();
    const questions = Array.from({ length: MESSAGES }, (_, i) => String(i));
    for (const question of questions) {
      caller.connection.publish("questions", question);
      await caller.connection.flush();
    }
    await caller.connection.flush();
    socket.resume();
    await expect.poll(() => answers.length, { timeout: 30_000 }).toBe(MESSAGES);
    expect(answers).toEqual(questions);
    expect(writes).toBeLessThanOrEqual(MOST_WRITES);
  } finally {
    await busy.close();
    await caller.close();
    await server.stop();
  }
});
