/**
 * The blob store contract on both stores, and the faults that only a server has.
 */
import { GUEST_STATE_STREAM } from "@bioxen/contracts";
import { connectBus, openBlobs, openEventLog } from "@bioxen/nats";
import { jetstreamManager } from "@nats-io/jetstream";
import { expect, it } from "vitest";
import { blobStoreContract, MemoryBlobs, TestServer } from "../src/index.ts";

async function world() {
  const server = await TestServer.start();
  const bus = await connectBus({ servers: server.url, name: "blobs" });
  await openEventLog(bus);
  const close = async () => {
    await bus.close();
    await server.stop();
  };
  return { server, bus, store: await openBlobs(bus), close };
}

blobStoreContract("in memory", async () => ({ store: new MemoryBlobs(), close: async () => undefined }));
blobStoreContract("in a stream", world);

it("leaves no message behind after a thousand puts and deletes", async () => {
  const { bus, store, close } = await world();
  const names = Array.from({ length: 1_000 }, (_, i) => `vm-a.c${i}` as const);
  await Promise.all(names.map((name) => store.put(name, new Uint8Array(10))));
  expect(await store.list()).toHaveLength(1_000);
  await Promise.all(names.map((name) => store.delete(name)));
  const { state } = await (await jetstreamManager(bus.connection)).streams.info(GUEST_STATE_STREAM);
  expect(state).toMatchObject({ messages: 0, bytes: 0 });
  await close();
});

it("answers a retryable fault while the server is unreachable", async () => {
  const { server, store, close } = await world();
  await server.stop();
  await expect(store.put("vm-a.one", new Uint8Array(1))).rejects.toMatchObject({
    code: "UNAVAILABLE",
    retryable: true,
  });
  await close();
});
