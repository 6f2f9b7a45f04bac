/**
 * A cluster of three servers: every stream is replicated to all of them, including streams that a single server had
 * created. A follower of the log continues when the server that it reads from dies and stays down.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EVENT_STREAM, eventSubject } from "@bioxen/contracts";
import type { StoredEvent } from "@bioxen/kernel";
import { findServerBinary } from "@bioxen/local-stack";
import { type Bus, connectBus, KvLeaseStore, openEventLog, openOutcomes } from "@bioxen/nats";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cordoned, eventually } from "../src/index.ts";
import { type ServerNode, startCluster } from "../src/nats-cluster.ts";

const SUBJECT = eventSubject("chassis", "replicated");

let dir: string;
let nodes: ServerNode[] = [];
let bus: Bus;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-cluster-"));
  nodes = await startCluster(await findServerBinary(), dir);
  bus = await connectBus({ servers: nodes.map(({ url }) => url), name: "cluster" });
}, 60_000);
afterAll(async () => {
  await bus?.close();
  await Promise.all(nodes.map((node) => node.stop()));
  await rm(dir, { recursive: true, force: true });
});

/** Opens the stores that every service opens at its start. */
async function openAll(replicas: number): Promise<void> {
  await openEventLog(bus, { replicas });
  await openOutcomes(bus, { replicas });
  await new KvLeaseStore(bus, { replicas }).read("absent");
}

it("replicates existing streams when more replicas are configured, and never removes replicas", async () => {
  const jsm = await jetstreamManager(bus.connection);
  const replicas = async () => {
    const all = await jsm.streams.list().next();
    return new Set(all.map(({ config }) => config.num_replicas));
  };
  await openAll(1);
  expect(await replicas()).toEqual(new Set([1]));
  await openAll(3);
  expect(await replicas()).toEqual(new Set([3]));
  await openAll(1);
  expect(await replicas()).toEqual(new Set([3]));
});

it("has one creation time of the log, whichever server leads it", async () => {
  await openAll(3);
  const jsm = await jetstreamManager(bus.connection);
  const look = async () => {
    const { created, cluster } = await jsm.streams.info(EVENT_STREAM);
    return { created, leader: cluster?.leader };
  };
  const first = await eventually("the log has a leader", async () => {
    const seen = await look().catch(() => undefined);
    return seen?.leader === undefined ? undefined : seen;
  });
  await bus.connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${EVENT_STREAM}`, "", { timeout: 5_000 });
  const next = await eventually("another server leads the log", async () => {
    const seen = await look().catch(() => undefined);
    return seen?.leader === undefined || seen.leader === first.leader ? undefined : seen;
  });
  expect(next.created).toBe(first.created);
});

it("continues a follower when the server with its consumer is permanently lost", async () => {
  const log = await openEventLog(bus, { replicas: 3 });
  const seen: StoredEvent[] = [];
  let lastSeq = await log.lastSeq();
  const following = await log.follow({
    fromSeq: lastSeq + 1,
    onEvent: (event) => seen.push(event),
    onCaughtUp: () => undefined,
    onStop: (cause) => Promise.reject(cause),
  });
  const append = async (version: number) => {
    const appended = await log.append(SUBJECT, cordoned("replicated", version), version === 1 ? 0 : lastSeq);
    if (appended.kind !== "appended") throw new Error("unexpected conflict: the test is the only writer");
    lastSeq = appended.seq;
  };
  await append(1);
  await eventually("the first event arrived", () => seen[0]);
  const jsm = await jetstreamManager(bus.connection);
  const [consumer] = await jsm.consumers.list(EVENT_STREAM).next();
  const holder = nodes.find(({ name }) => name === consumer?.cluster?.leader);
  if (holder === undefined) throw new Error(`no server holds the consumer: ${JSON.stringify(consumer)}`);
  await holder.kill();
  for (let version = 2; version <= 5; version += 1) {
    await eventually(`event ${version} is stored`, () =>
      append(version).then(
        () => true,
        () => undefined,
      ),
    );
  }
  await eventually("the last event arrived", () => (seen.length >= 5 ? true : undefined));
  expect(seen.map(({ envelope }) => envelope.aggregateversion)).toEqual([1, 2, 3, 4, 5]);
  await following.stop();
}, 60_000);
