/**
 * The streams and buckets on a real server: their loss under use, refusals of the server in words, and the report that
 * `bioxen doctor` and the alerts are made of.
 */
import { DEAD_LETTER_STREAM, EVENT_STREAM, eventSubject, JOB_STREAM } from "@bioxen/contracts";
import {
  ALL_STREAMS,
  BUCKETS,
  type Bus,
  connectBus,
  Jobs,
  KvLeaseStore,
  logCopies,
  openBlobs,
  openEventLog,
  openFoldSnapshots,
  openOutcomes,
  STREAM_NAMES,
  type StorageSettings,
  storeReport,
  troublesIn,
} from "@bioxen/nats";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { afterEach, describe, expect, it } from "vitest";
import { chunksFrom, cordoned, eventually, TestServer } from "../src/index.ts";
import { JobWorld } from "./job-world.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function connected(settings = ""): Promise<{ bus: Bus; jsm: JetStreamManager }> {
  const server = await TestServer.start(settings);
  open.push({ close: () => server.stop() });
  const bus = await connectBus({ servers: server.url, name: "storage" });
  open.push(bus);
  return { bus, jsm: await jetstreamManager(bus.connection) };
}

async function openEverything(bus: Bus, storage: StorageSettings = {}) {
  await openEventLog(bus, storage);
  const outcomes = await openOutcomes(bus, storage);
  const leases = new KvLeaseStore(bus, storage);
  await leases.write("one", { holder: "a", token: 1 }, 0);
  const snapshots = await openFoldSnapshots(bus, storage);
  return { outcomes, leases, snapshots, blobs: await openBlobs(bus, storage) };
}

const streamOf = ({ name }: { readonly name: string }) => `KV_${name}`;
const head = { seq: 7, streamSubject: "bioxen.evt.vm.x", digest: "d", takenAtMs: 1, schemas: { vm: 1 } };

it("the report has the number of messages and the size of each stream", async () => {
  const { bus, jsm } = await connected();
  await openEventLog(bus, { maxBytes: { [JOB_STREAM]: 1_000_000 } });
  const jobs = new Jobs(bus);
  for (const id of ["a", "b"]) await jobs.submit("bioxen.cmd.vm.start", { vmId: id }, id);
  const { streams } = await storeReport(bus);
  const of = (name: string) => streams.find((stream) => stream.name === name)?.present;
  const { bytes } = (await jsm.streams.info(JOB_STREAM)).state;
  expect(bytes).toBeGreaterThan(0);
  expect(of(JOB_STREAM)).toMatchObject({ messages: 2, bytes, maxBytes: 1_000_000 });
  expect(of(DEAD_LETTER_STREAM)).toMatchObject({ messages: 0, bytes: 0, maxBytes: undefined });
});

describe("a bucket or stream that is deleted under use", () => {
  it("is created again by its next user, in the same call", async () => {
    const { bus, jsm } = await connected();
    const { outcomes, leases, snapshots, blobs } = await openEverything(bus);
    for (const { name } of (await storeReport(bus)).streams.filter(({ present }) => present !== undefined))
      if (name !== EVENT_STREAM) await jsm.streams.delete(name);
    const done = (n: number) => async () => ({ ok: true, result: { n } }) as const;
    expect(await outcomes.once("a", done(1))).toMatchObject({ result: { n: 1 } });
    expect(await outcomes.once("a", done(2))).toMatchObject({ result: { n: 1 } });
    expect(await leases.read("one")).toBeUndefined();
    expect(await leases.write("one", { holder: "b", token: 2 }, 0)).toBe(1);
    expect(await snapshots.newest()).toBeUndefined();
    await snapshots.save(head, chunksFrom(["state\n"]));
    expect((await snapshots.newest())?.head).toEqual(head);
    expect(await blobs.list()).toEqual([]);
    await blobs.put("vm-a.one", new Uint8Array(3));
    expect(await blobs.list()).toEqual(["vm-a.one"]);
    const { streams } = await storeReport(bus);
    const absent = streams.filter(({ present }) => present === undefined).map(({ name }) => name);
    expect(absent.sort()).toEqual([
      "BIOXEN_COMMANDS",
      "BIOXEN_COURSES",
      "BIOXEN_DEAD_LETTERS",
      "BIOXEN_FEED",
      "BIOXEN_OUTCOMES",
      "KV_bioxen-log-record",
    ]);
    expect(streams.flatMap(({ present }) => present?.drift ?? [])).toEqual([]);
  });

  it("carries a command out once when the bucket of outcomes is deleted meanwhile", async () => {
    const { bus, jsm } = await connected();
    const { outcomes } = await openEverything(bus);
    let carriedOut = 0;
    const carryOut = async () => {
      carriedOut += 1;
      await jsm.streams.delete(streamOf(BUCKETS.outcomes));
      return { ok: true, result: { carriedOut } } as const;
    };
    expect(await outcomes.once("a", carryOut)).toMatchObject({ result: { carriedOut: 1 } });
    expect(await outcomes.once("a", carryOut)).toMatchObject({ result: { carriedOut: 1 } });
    expect(carriedOut).toBe(1);
  });

  it("carries out jobs again after all streams of jobs were deleted under a worker", async () => {
    const world = await JobWorld.open();
    open.push(world);
    await world.startWorker();
    await world.start("vm-a", "before");
    expect(await world.outcomeOf("before")).toMatchObject({ ok: true });
    const { streams } = await jetstreamManager(world.bus.connection);
    expect(await world.jobs.waitForOutcome("never", 0)).toBeUndefined();
    for (const name of STREAM_NAMES) if (/COMMANDS|OUTCOMES|DEAD/.test(name)) await streams.delete(name);
    await eventually("the stream of jobs is there", () => streams.info(JOB_STREAM).catch(() => undefined));
    await world.start("vm-a", "after");
    expect(await world.outcomeOf("after")).toMatchObject({ ok: true });
  });
});

describe("a refusal of the server", () => {
  const refused = async (bus: Bus, storage: StorageSettings = {}) => {
    const startedAtMs = performance.now();
    const thrown = await openEventLog(bus, storage).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    expect(thrown).toMatchObject({ code: "UNAVAILABLE", retryable: false });
    // It is final, so that it comes at once and not after the 15 s in which a server may become ready.
    expect(performance.now() - startedAtMs).toBeLessThan(5_000);
    return (thrown as Error).message;
  };
  const account = (limits: string) =>
    `accounts: { LAB: { jetstream: { ${limits} }, users: [{ user: a, password: a }] } }\nno_auth_user: a`;

  it("names stream, account and remedy when a single server cannot make three copies", async () => {
    const { bus, jsm } = await connected();
    const sentence =
      /stream BIOXEN_EVENTS \(account \$G\): the server belongs to no cluster.*BIOXEN_EVENT_REPLICAS=1/;
    expect(await refused(bus, { replicas: 3 })).toMatch(sentence);
    await openEverything(bus);
    expect(await refused(bus, { replicas: 3 })).toMatch(sentence);
    expect((await jsm.streams.info(EVENT_STREAM)).config.num_replicas).toBe(1);
    expect(await logCopies(bus)).toEqual({ wanted: 1, present: 1 });
    // What an earlier version could do: the server accepts the change, and makes one copy.
    await jsm.streams.update(EVENT_STREAM, { num_replicas: 3 });
    expect(await logCopies(bus)).toEqual({ wanted: 3, present: 1 });
    expect(troublesIn(await storeReport(bus))).toEqual({ foreignStreams: 0, missingCopies: 2 });
  });

  it.each([
    ["max_streams: 2", /stream BIOXEN_OUTCOMES \(account LAB\): .* as many streams .* BioXen needs 11/],
    [
      "max_bytes_required: true",
      /stream BIOXEN_EVENTS \(account LAB\): .* requires a largest size .* BIOXEN_STREAM_MAX_BYTES/,
    ],
  ])("names stream, account and remedy under %s", async (limits, sentence) => {
    expect(await refused((await connected(account(limits))).bus)).toMatch(sentence);
  });

  it("does not occur under required sizes once they are set, and no stream drops events for its size", async () => {
    const { bus, jsm } = await connected(account("max_bytes_required: true"));
    const maxBytes = { [EVENT_STREAM]: 4_000_000, "*": 1_000_000 };
    await openEverything(bus, { maxBytes });
    await openEverything(bus, { maxBytes });
    const { config } = await jsm.streams.info(EVENT_STREAM);
    expect(config).toMatchObject({ max_bytes: 4_000_000, discard: "new" });
    const { streams } = await storeReport(bus);
    expect(streams.flatMap(({ present }) => present?.drift ?? [])).toEqual([]);
    for (const { name, present } of streams) {
      const limit = name === EVENT_STREAM ? 4_000_000 : 1_000_000;
      expect([name, present?.maxBytes ?? limit]).toEqual([name, limit]);
    }
    expect(streams.filter(({ present }) => present?.maxBytes !== undefined)).toHaveLength(
      ALL_STREAMS.length - 1,
    );
  });

  it("of an event says that the log is full, and every earlier event is still there", async () => {
    const { bus } = await connected();
    const log = await openEventLog(bus, { maxBytes: { [EVENT_STREAM]: 4_000 } });
    const subject = eventSubject("chassis", "full");
    let [last, full]: [number, unknown] = [0, undefined];
    for (let version = 1; full === undefined; version += 1) {
      await log.append(subject, cordoned("full", version), last).then(
        (appended) => {
          if (appended.kind === "appended") last = appended.seq;
        },
        (cause: unknown) => {
          full = cause;
        },
      );
    }
    expect(full).toMatchObject({
      code: "UNAVAILABLE",
      retryable: false,
      message: expect.stringMatching(/the event log is full.*raise BIOXEN_STREAM_MAX_BYTES/),
    });
    expect(last).toBeGreaterThan(3);
    expect(await log.read(subject, 0)).toHaveLength(last);
    await openEventLog(bus, { maxBytes: { [EVENT_STREAM]: 8_000 } });
    expect(await log.append(subject, cordoned("full", last + 1), last)).toMatchObject({ seq: last + 1 });
  });

  it("names the stream that has taken the subjects", async () => {
    const { bus, jsm } = await connected();
    await jsm.streams.add({ name: "EVERYTHING", subjects: ["orders.>", "bioxen.>"] });
    expect(await refused(bus)).toMatch(/stream BIOXEN_EVENTS .*stream EVERYTHING takes bioxen\.>; remove/);
  });
});

it("reports a stream of another owner, and whether it interferes", async () => {
  const { bus, jsm } = await connected();
  await openEverything(bus);
  expect((await storeReport(bus)).foreign).toEqual([]);
  await jsm.streams.add({ name: "COPIES", subjects: ["bioxen.tel.>", "weather.>"] });
  expect(troublesIn(await storeReport(bus))).toEqual({ foreignStreams: 0, missingCopies: 0 });
  await jsm.streams.add({ name: "AUDIT", subjects: ["bioxen.cmd.>", "bioxen.qry.>"] });
  expect((await storeReport(bus)).foreign).toEqual([
    { name: "AUDIT", subjects: ["bioxen.cmd.>", "bioxen.qry.>"], interferes: true },
    { name: "COPIES", subjects: ["bioxen.tel.>"], interferes: false },
  ]);
  expect(troublesIn(await storeReport(bus))).toEqual({ foreignStreams: 1, missingCopies: 0 });
});

it("names each setting that differs, and the opening of the log tells it before it repairs it", async () => {
  const { bus, jsm } = await connected();
  await openEverything(bus);
  await jsm.streams.update(EVENT_STREAM, { max_msgs: 1_000, discard: "old" as never });
  const { streams } = await storeReport(bus);
  expect(streams.find(({ name }) => name === EVENT_STREAM)?.present?.drift).toEqual([
    { setting: "discard", declared: "new", present: "old" },
    { setting: "max_msgs", declared: -1, present: 1_000 },
  ]);
  const told: string[] = [];
  await openEventLog(bus, {}, { onTrouble: (message) => told.push(message) });
  expect(told).toEqual([
    'repairing stream BIOXEN_EVENTS: discard is "old" instead of "new"; max_msgs is 1000 instead of -1',
  ]);
  expect((await jsm.streams.info(EVENT_STREAM)).config).toMatchObject({ max_msgs: -1, discard: "new" });
});
