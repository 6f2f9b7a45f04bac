/**
 * The id of a cluster on a real server: born with the event log, the same for every process, and kept by repairs.
 */
import { EVENT_STREAM, EVENT_STREAM_CONFIG } from "@bioxen/contracts";
import { type Bus, clusterIdOn, connectBus, openEventLog } from "@bioxen/nats";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterEach, expect, it } from "vitest";
import { TestServer } from "../src/index.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function server(): Promise<() => Promise<Bus>> {
  const started = await TestServer.start();
  open.push({ close: () => started.stop() });
  return async () => {
    const bus = await connectBus({ servers: started.url, name: "cluster-id" });
    open.push(bus);
    return bus;
  };
}

it("is the same for processes that create the log at the same time, and differs from that of another log", async () => {
  const connect = await server();
  const buses = await Promise.all(Array.from({ length: 6 }, connect));
  await Promise.all(buses.map((bus) => openEventLog(bus)));
  const ids = new Set(await Promise.all(buses.map(clusterIdOn)));
  expect([...ids]).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/)]);
  const other = await (await server())();
  await openEventLog(other);
  expect(ids).not.toContain(await clusterIdOn(other));
});

it("survives a repair of the stream's settings", async () => {
  const bus = await (await server())();
  await openEventLog(bus);
  const before = await clusterIdOn(bus);
  const { streams } = await jetstreamManager(bus.connection);
  const { config } = await streams.info(EVENT_STREAM);
  await streams.update(EVENT_STREAM, { ...config, description: "changed by hand" });
  await openEventLog(bus);
  expect((await streams.info(EVENT_STREAM)).config.description).toBe(EVENT_STREAM_CONFIG.description);
  expect(await clusterIdOn(bus)).toBe(before);
});

it("is derived from the creation time for a log of an earlier release, and stays so", async () => {
  const bus = await (await server())();
  const { streams } = await jetstreamManager(bus.connection);
  await streams.add({ ...EVENT_STREAM_CONFIG, subjects: [...EVENT_STREAM_CONFIG.subjects] });
  await openEventLog(bus);
  const id = await clusterIdOn(bus);
  expect(id).toMatch(/^[0-9a-f]{16}$/);
  await openEventLog(bus);
  expect(await clusterIdOn(bus)).toBe(id);
});
