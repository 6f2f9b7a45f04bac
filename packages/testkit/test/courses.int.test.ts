/**
 * The contract of the store of time courses on both stores, and the faults that only a server has.
 */
import { COURSE_STREAM } from "@bioxen/contracts";
import { connectBus, openCourses, openEventLog } from "@bioxen/nats";
import { jetstreamManager } from "@nats-io/jetstream";
import { expect, it } from "vitest";
import { courseStoreContract, MemoryCourses, TestServer } from "../src/index.ts";

async function world() {
  const server = await TestServer.start();
  const bus = await connectBus({ servers: server.url, name: "courses" });
  await openEventLog(bus);
  const close = async () => {
    await bus.close();
    await server.stop();
  };
  return { server, bus, store: await openCourses(bus), close };
}

const batch = (firstMinute: number) => ({
  agentId: "a1",
  vmId: "vm-a",
  incarnation: 1,
  branch: 0,
  run: 1,
  firstMinute,
});

courseStoreContract("in memory", async () => ({ store: new MemoryCourses(), close: async () => undefined }));
courseStoreContract("in a stream", world);

it("lists every batch of a long course, and leaves nothing behind when it is deleted", async () => {
  const { bus, store, close } = await world();
  const minutes = Array.from({ length: 1_000 }, (_, i) => i * 10);
  await Promise.all(minutes.map((minute) => store.put(batch(minute), new Uint8Array(10))));
  const names = await store.batches(batch(0));
  expect(names.map(({ firstMinute }) => firstMinute).toSorted((a, b) => a - b)).toEqual(minutes);
  await store.delete(batch(0));
  const { state } = await (await jetstreamManager(bus.connection)).streams.info(COURSE_STREAM);
  expect(state).toMatchObject({ messages: 0, bytes: 0 });
  await close();
});

it("creates the stream again when it is gone", async () => {
  const { bus, store, close } = await world();
  await (await jetstreamManager(bus.connection)).streams.delete(COURSE_STREAM);
  await store.put(batch(0), new Uint8Array([1]));
  expect(await store.get(batch(0))).toEqual(new Uint8Array([1]));
  await close();
});

it("answers a retryable fault while the server is unreachable", async () => {
  const { server, store, close } = await world();
  await server.stop();
  await expect(store.put(batch(0), new Uint8Array(1))).rejects.toMatchObject({
    code: "UNAVAILABLE",
    retryable: true,
  });
  await close();
});
