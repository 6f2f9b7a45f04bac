/**
 * Tenants follow their feeds by consumers whose names are theirs alone, on a real server with the generated
 * configuration.
 */
import { FEED_READERS, feedConsumers } from "@bioxen/contracts";
import { type Bus, feedLogOf } from "@bioxen/nats";
import { eventually } from "@bioxen/testkit/eventually";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, expect, it } from "vitest";
import { KeyedServer } from "./keyed-server.ts";

const EVENTS = 20;

let keyed: KeyedServer;
let alice: Bus;
beforeAll(async () => {
  keyed = await KeyedServer.start();
  alice = await keyed.bus("alice");
  await store(1, EVENTS);
});
afterAll(() => keyed.stop());

/** Stores events number `first` to `last` of alice, and as many of bob in between. */
async function store(first: number, last: number): Promise<void> {
  const monitor = jetstream(await keyed.as("monitor"));
  for (let i = first; i <= last; i += 1) {
    for (const name of ["alice", "bob"]) {
      const event = { specversion: "1.0", id: `${name}-${i}`, source: "/bioxen/lifecycle" };
      const more = { type: "bioxen.vm.paused.v1", subject: `vm/${name}-1`, time: new Date(0).toISOString() };
      const version = { datacontenttype: "application/json", data: { fence: 1 }, aggregateversion: i };
      const chain = { correlationid: "c", causationid: "c" };
      await monitor.publish(
        `bioxen.feed.${name}.vm.${name}-1`,
        JSON.stringify({ ...event, ...more, ...version, ...chain }),
      );
    }
  }
}

/** Follows the feed of alice from its beginning, and collects the ids of the events. */
async function follow() {
  const ids: string[] = [];
  const stopped: unknown[] = [];
  const following = await feedLogOf(alice, "alice").follow({
    fromSeq: 1,
    onEvent: ({ envelope }) => void ids.push(envelope.id),
    onUnreadable: ({ seq }) => void stopped.push(`message ${seq} is unreadable`),
    onCaughtUp: () => undefined,
    onStop: (cause) => void stopped.push(cause),
  });
  return { ids, stopped, following };
}

const idsTo = (last: number) => Array.from({ length: last }, (_, i) => `alice-${i + 1}`);
/** The names of the consumers of the mirror. */
const names = async (): Promise<string[]> => {
  const jsm = await jetstreamManager(await keyed.as("feed-inspector"));
  const found: string[] = [];
  for await (const { name } of jsm.consumers.list("BIOXEN_FEED")) found.push(name);
  return found;
};

it("two readers with the same options each get every event once and in order, under names of the tenant", async () => {
  const readers = [await follow(), await follow()];
  for (const { ids } of readers) {
    await eventually("all events", async () => ids.length >= EVENTS || undefined);
    expect(ids).toEqual(idsTo(EVENTS));
  }
  const used = await names();
  expect(used).toHaveLength(2);
  for (const name of used) expect(feedConsumers("alice")).toContain(name);
  await Promise.all(readers.map(({ following }) => following.stop()));
  expect(await names()).toEqual([]);
});

it("a reader whose consumer was read by another process, or deleted, misses no event", async () => {
  const { ids, stopped, following } = await follow();
  await eventually("all events", async () => ids.length === EVENTS || undefined);
  // Another process of the tenant takes the next message.
  const [name = ""] = await names();
  const thief = await keyed.as("alice");
  const next = thief.request(`$JS.API.CONSUMER.MSG.NEXT.BIOXEN_FEED.${name}`, '{"batch":3}', {
    timeout: 20_000,
    noMux: true,
  });
  await store(EVENTS + 1, EVENTS + 8);
  await next;
  await eventually("the events after the taken ones", async () => ids.length === EVENTS + 8 || undefined);
  const [present = ""] = await names();
  await (await jetstreamManager(await keyed.as("feed-inspector"))).consumers.delete("BIOXEN_FEED", present);
  await store(EVENTS + 9, EVENTS + 10);
  await eventually("the events after the deletion", async () => ids.length === EVENTS + 10 || undefined);
  expect(ids).toEqual(idsTo(EVENTS + 10));
  expect(stopped).toEqual([]);
  await following.stop();
});

it("has room for a fixed number of readers, and says so to a further one", async () => {
  const readers = [];
  for (let i = 0; i < FEED_READERS; i += 1) readers.push(await follow());
  await expect(follow()).rejects.toMatchObject({
    code: "UNAVAILABLE",
    retryable: true,
    message: expect.stringContaining(`alice has ${FEED_READERS} readers of its feed`),
  });
  expect((await names()).sort()).toEqual([...feedConsumers("alice")].sort());
  await readers[0]?.following.stop();
  readers.push(await follow());
  await Promise.all(readers.map(({ following }) => following.stop()));
});
