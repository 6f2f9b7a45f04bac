/**
 * The snapshot store contract on both stores, and the damage that only the bucket can have.
 */
import { connectBus, openFoldSnapshots } from "@bioxen/nats";
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chunksFrom, MemorySnapshots, snapshotStoreContract, TestServer } from "../src/index.ts";

snapshotStoreContract("in memory", async () => ({
  store: new MemorySnapshots(),
  close: async () => undefined,
}));

snapshotStoreContract("in a bucket", async () => {
  const server = await TestServer.start();
  const bus = await connectBus({ servers: server.url, name: "contract" });
  return {
    store: await openFoldSnapshots(bus),
    close: async () => {
      await bus.close();
      await server.stop();
    },
  };
});

describe("a damaged bucket", () => {
  let server: TestServer;
  let bus: Awaited<ReturnType<typeof connectBus>>;
  const head = { seq: 7, streamSubject: "bioxen.evt.vm.x", digest: "d", takenAtMs: 1, schemas: { vm: 1 } };
  beforeAll(async () => {
    server = await TestServer.start();
    bus = await connectBus({ servers: server.url, name: "damaged" });
  });
  afterAll(async () => {
    await bus.close();
    await server.stop();
  });

  it.each([
    ["a changed chunk", "a.0", "garbage"],
    ["a malformed manifest", "manifest", "{"],
    ["a manifest without its fields", "manifest", "{}"],
  ])("with %s returns no snapshot, and the next snapshot replaces it", async (_what, key, value) => {
    const store = await openFoldSnapshots(bus);
    const kv = await new Kvm(jetstream(bus.connection)).open("bioxen-fold-snapshots");
    await kv.purge("manifest");
    await store.save(head, chunksFrom(["whole\n"]));
    expect((await store.newest())?.head).toEqual(head);
    await kv.put(key, value);
    expect(await store.newest()).toBeUndefined();
    await store.save({ ...head, seq: 8 }, chunksFrom(["again\n"]));
    expect((await store.newest())?.head.seq).toBe(8);
  });
});
