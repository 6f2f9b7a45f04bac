/**
 * JetStream behind a leaf node: the streams are in the domain of the hub, and the client is connected to the leaf. With
 * a store of its own, the leaf would answer for the hub if a call forgot the domain.
 */
import { type AddressInfo, createServer } from "node:net";
import { EVENT_STREAM, eventSubject } from "@bioxen/contracts";
import {
  connectBus,
  Jobs,
  KvLeaseStore,
  openBlobs,
  openEventLog,
  openExistingEventLog,
  openFoldSnapshots,
  openOutcomes,
} from "@bioxen/nats";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chunksFrom, cordoned, eventually, TestServer } from "../src/index.ts";

const DOMAIN = "hub";

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

const LEAVES = [
  { what: "without JetStream", hasJetStream: false, settings: "" },
  { what: "with a JetStream of its own", hasJetStream: true, settings: "jetstream { domain: leaf }\n" },
];

describe.each(LEAVES)("a leaf node $what", ({ hasJetStream, settings }) => {
  let hub: TestServer;
  let leaf: TestServer;
  beforeAll(async () => {
    const port = await freePort();
    hub = await TestServer.start(
      `jetstream { domain: ${DOMAIN} }\nleafnodes { listen: "127.0.0.1:${port}" }\n`,
    );
    const remote = `leafnodes { remotes: [ { url: "nats-leaf://127.0.0.1:${port}" } ] }\n`;
    leaf = await TestServer.start(settings + remote, { hasJetStream });
  });
  afterAll(async () => {
    await leaf.stop();
    await hub.stop();
  });

  it("reaches streams, buckets, blobs and consumers in the domain, and creates none elsewhere", async () => {
    const atHub = await connectBus({ servers: hub.url, name: "at-hub" });
    const bus = await connectBus({ servers: leaf.url, domain: DOMAIN, name: "at-leaf" });
    try {
      await eventually("the leaf is linked to the hub", () =>
        openEventLog(bus).then(
          () => true,
          () => undefined,
        ),
      );
      const troubles: string[] = [];
      const onTrouble = (message: string) => void troubles.push(message);
      const log = await openEventLog(bus, {}, { threadFromEvents: 1, onTrouble });
      const subject = eventSubject("chassis", "ecoli-1");
      for (let version = 1; version <= 3; version += 1) {
        await log.append(subject, cordoned("ecoli-1", version), version - 1);
      }
      const seqs: number[] = [];
      let caughtUp = false;
      const following = await log.follow({
        fromSeq: 1,
        onEvent: ({ seq }) => void seqs.push(seq),
        onCaughtUp: () => {
          caughtUp = true;
        },
        onStop: () => undefined,
      });
      await eventually("caught up", () => caughtUp || undefined);
      await following.stop();
      expect({ seqs, troubles }).toEqual({ seqs: [1, 2, 3], troubles: [] });
      expect(await (await openExistingEventLog(bus)).lastSeq()).toBe(3);

      const leases = new KvLeaseStore(bus);
      const revision = await leases.write("x", { holder: "one", token: 1 }, 0);
      expect(await leases.read("x")).toMatchObject({ holder: "one", token: 1, revision });
      expect(await leases.write("x", { holder: "two", token: 2 }, 0)).toBeUndefined();

      const outcomes = await openOutcomes(bus);
      const first = await outcomes.once("id", async () => ({ ok: true, result: { n: 1 } }));
      expect(await outcomes.once("id", async () => ({ ok: true, result: { n: 2 } }))).toEqual(first);

      const blobs = await openBlobs(bus);
      await blobs.put("vm-a.one", new Uint8Array([1]));
      expect(await blobs.list()).toEqual(["vm-a.one"]);
      expect(await blobs.storedAtMs("vm-a.one")).toBeGreaterThan(0);

      const snapshots = await openFoldSnapshots(bus);
      const head = { seq: 3, streamSubject: subject, digest: "d", takenAtMs: 1, schemas: { vm: 1 } };
      await snapshots.save(head, chunksFrom(["state\n"]));
      expect(await snapshots.newestHead()).toEqual(head);

      const jobs = new Jobs(bus);
      await jobs.submit("bioxen.cmd.vm.start", { vmId: "a" }, "job-1");
      expect(await jobs.outcome("job-1")).toBeUndefined();
      expect((await jobs.waiting(10)).map(({ id }) => id)).toEqual(["job-1"]);

      const streams = await (await jetstreamManager(atHub.connection)).streams.names().next();
      expect(streams).toContain(EVENT_STREAM);
      expect(streams).toContain("KV_bioxen-first-outcomes");
      if (hasJetStream) {
        const atLeaf = await jetstreamManager(bus.connection);
        expect(await atLeaf.streams.names().next()).toEqual([]);
      }
    } finally {
      await bus.close();
      await atHub.close();
    }
  });
});
