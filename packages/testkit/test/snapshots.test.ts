/**
 * A start from a snapshot reaches the same state as a start from the first event. Unsuitable snapshots are
 * rejected.
 */
import { type ChassisEvent, type ChassisState, chassisFold, type VmState, vmFold } from "@bioxen/contracts";
import {
  Aggregates,
  accept,
  type Causation,
  chunksOf,
  EventFeed,
  type Logger,
  ReadModel,
  SnapshotWriter,
  type StoredEvent,
  UNCHANGED,
} from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import {
  FakeClock,
  idsInOrder,
  MemoryEventLog,
  MemorySnapshots,
  registeredChassis,
  settle,
} from "../src/index.ts";

const because = (causeId: string, deduplicate = true): Causation => ({
  causeId,
  correlationId: `${causeId} of\na caller`,
  deduplicate,
});
const register = (state: ChassisState) =>
  state.registered ? UNCHANGED : accept(registeredChassis({ ünïcode: "line\nbreak and \t tab" }));
const cordon = (state: ChassisState) =>
  state.registered && state.cordoned
    ? UNCHANGED
    : accept<ChassisEvent>({ type: "bioxen.chassis.cordoned.v1", data: {} });
const uncordon = () => accept<ChassisEvent>({ type: "bioxen.chassis.uncordoned.v1", data: {} });

function world(schema = chassisFold.schema, log = new MemoryEventLog(), snapshots = new MemorySnapshots()) {
  const clock = new FakeClock();
  const said: string[] = [];
  const say = (_fields: object, message: string) => void said.push(message);
  const logger: Logger = { debug: say, info: say, warn: say, error: say };
  let instances = 0;
  const instance = (foldSchema = schema) => {
    instances += 1;
    const chassis = new Aggregates<ChassisState>({
      kind: "chassis",
      fold: { ...chassisFold, schema: foldSchema },
      log,
      clock,
      ids: idsInOrder(`i${instances}`),
      source: "/bioxen/test",
    });
    const vms = new ReadModel<VmState>("vm", vmFold);
    const feed = new EventFeed(log, [chassis, vms], new FakeClock());
    return { chassis, feed, start: () => feed.start({ store: snapshots, logger }) };
  };
  const writerOf = (feed: EventFeed, everyEvents: number) =>
    new SnapshotWriter({ feed, store: snapshots, everyEvents, clock, timers: clock, logger });
  return { log, clock, snapshots, said, instance, writerOf };
}

/** Every field of the states that an instance holds. */
function heldBy({ chassis, feed }: { chassis: Aggregates<ChassisState>; feed: EventFeed }) {
  const all = [...chassis.entries()].map(([id, { lastDigest: _, ...held }]) => [id, held]);
  return { seq: feed.appliedSeq, all };
}

async function busyWorld() {
  const it = world();
  const first = it.instance();
  await first.start();
  const writer = it.writerOf(first.feed, 10);
  await writer.begin();
  for (let i = 0; i < 8; i += 1) {
    const id = `c${i % 3}`;
    await first.chassis.execute(id, because(`r${i}`), register);
    await first.chassis.execute(id, because(`k${i}`), cordon);
    await first.chassis.execute(id, because(`u${i}`), uncordon);
    await settle();
  }
  await it.clock.advance(10);
  return { ...it, first, writer };
}

/** A snapshot of a process that has just appended an event which its feed has not received yet. */
async function aheadWorld() {
  const it = world();
  const follow = it.log.follow.bind(it.log);
  it.log.follow = (options) =>
    follow({ ...options, onEvent: (event) => event.seq === 1 && options.onEvent(event) });
  const first = it.instance();
  await first.start();
  await first.chassis.execute("c0", because("heard"), register);
  await settle();
  await first.chassis.execute("c1", because("not heard"), register);
  const capture = first.feed.capture(0);
  if (capture === undefined) throw new Error("nothing to capture");
  await it.snapshots.save(
    capture.head,
    chunksOf(capture.captured, async () => undefined),
  );
  it.log.follow = follow;
  return { ...it, first };
}

describe("a start from a snapshot", () => {
  it("reaches the state of a start from the first event, and reads only the events after the snapshot", async () => {
    const { first, instance, snapshots, log } = await busyWorld();
    const newest = (await snapshots.newestHead())?.seq ?? 0;
    expect(newest).toBeGreaterThanOrEqual(10);
    const read: number[] = [];
    const follow = log.follow.bind(log);
    log.follow = (options) => {
      read.push(options.fromSeq);
      return follow(options);
    };
    const warm = instance();
    await warm.start();
    const cold = instance();
    await cold.feed.start();
    expect(read).toEqual([newest + 1, 1]);
    expect(heldBy(warm)).toEqual(heldBy(cold));
    expect(heldBy(warm)).toEqual(heldBy(first));
  });

  it("continues the chain of versions and digests", async () => {
    const { instance, log } = await busyWorld();
    const warm = instance();
    await warm.start();
    await warm.chassis.execute("c0", because("after"), cordon);
    const events = await log.read("bioxen.evt.chassis.c0", 0);
    for (const [i, event] of events.entries()) {
      expect(event.envelope.aggregateversion).toBe(i + 1);
      expect(event.envelope.previoushash).toBe(events[i - 1]?.digest);
    }
  });

  it.each([
    ["", 0],
    [", even if the clock was set forward since", 600_000],
  ])("knows the first outcome of a command from before the snapshot%s", async (_, aheadMs) => {
    const { instance, first, log, clock } = await busyWorld();
    const asked = await first.chassis.execute("c1", because("u4"), cordon);
    await clock.advance(aheadMs);
    const warm = instance();
    await warm.start();
    const before = await log.lastSeq();
    const again = await warm.chassis.execute("c1", because("u4"), cordon);
    expect(again).toMatchObject({ ok: true, changed: true });
    const stateOf = (executed: typeof asked) => (executed.ok ? executed.current.state : undefined);
    expect(stateOf(again)).toEqual(stateOf(asked));
    expect(await log.lastSeq()).toBe(before);
  });

  it("falls back to the first event when the snapshots are deleted or unreachable", async () => {
    const { instance, first, snapshots, said } = await busyWorld();
    snapshots.clear();
    const cold = instance();
    await cold.start();
    expect(heldBy(cold)).toEqual(heldBy(first));
    snapshots.setAway(true);
    const alone = instance();
    await alone.start();
    expect(heldBy(alone)).toEqual(heldBy(first));
    expect(said.at(-1)).toBe("cannot read a snapshot: the snapshot store is unreachable");
  });

  it("rejects a snapshot that ends in the middle of a line", async () => {
    const { instance, first, snapshots, said } = await busyWorld();
    const snapshot = await snapshots.newest();
    if (snapshot === undefined) throw new Error("no snapshot");
    const chunks = snapshot.chunks.map((chunk) => chunk.subarray(0, -1));
    snapshots.newest = async () => ({ ...snapshot, chunks });
    const cold = instance();
    await cold.start();
    expect(said.at(-1)).toBe("cannot read a snapshot: a chunk of the snapshot ends in the middle of a line");
    expect(heldBy(cold)).toEqual(heldBy(first));
  });

  it("rejects a snapshot of another schema, or of another log", async () => {
    const { instance, first, snapshots, said } = await busyWorld();
    const newer = instance(chassisFold.schema + 1);
    await newer.start();
    expect(said.at(-1)).toContain(
      `its chassis has schema ${chassisFold.schema}, this version has ${chassisFold.schema + 1}`,
    );
    expect(heldBy(newer)).toEqual(heldBy(first));
    const snapshot = await snapshots.newest();
    snapshots.newest = async () =>
      snapshot && { ...snapshot, head: { ...snapshot.head, digest: "0".repeat(64) } };
    const wary = instance();
    await wary.start();
    expect(said.at(-1)).toMatch(/this log has no event \d+ with the same digest/);
    expect(heldBy(wary)).toEqual(heldBy(first));
  });

  it("rejects a snapshot with an aggregate that is newer than the head, when the log has lost that newer event", async () => {
    const { log, snapshots, first } = await aheadWorld();
    const head = await snapshots.newestHead();
    expect(head).toMatchObject({ seq: 1, newest: { seq: 2, streamSubject: "bioxen.evt.chassis.c1" } });
    const same = world(chassisFold.schema, log, snapshots);
    const warm = same.instance();
    await warm.start();
    expect(same.said.at(-1)).toBe("state restored from a snapshot");
    expect(warm.chassis.get("c1").version).toBe(1);
    expect(warm.feed.capture(0)?.head.seq).toBe(2);

    const [kept] = await log.read("bioxen.evt.chassis.c0", 0);
    const cut = world(chassisFold.schema, new MemoryEventLog(), snapshots);
    await cut.log.append("bioxen.evt.chassis.c0", (kept as StoredEvent).envelope, 0);
    const later = cut.instance();
    await later.start();
    expect(cut.said.at(-1)).toBe("ignoring the snapshot: this log has no event 2 with the same digest");
    expect(later.chassis.get("c1").version).toBe(0);
    expect(await later.chassis.execute("c1", because("again"), register)).toMatchObject({
      ok: true,
      changed: true,
    });
    expect(first.chassis.get("c1").version).toBe(1);
  });
});

describe("the writer of snapshots", () => {
  it("writes one after each interval of events, unless another instance has written it", async () => {
    const { said, log, instance, writerOf, clock } = await busyWorld();
    const written = () => said.filter((line) => line === "snapshot written").length;
    expect(await log.lastSeq()).toBeGreaterThanOrEqual(10);
    const before = written();
    const second = instance();
    await second.start();
    const writer = writerOf(second.feed, 10);
    await writer.begin();
    await settle();
    expect(written()).toBe(before);
    for (let i = 0; i < 5; i += 1) {
      await second.chassis.execute("c9", because(`x${i}`), i === 0 ? register : uncordon);
      await second.chassis.execute("c9", because(`y${i}`), cordon);
    }
    await settle();
    await clock.advance(10);
    // Both instances count ten events, and one of them writes.
    expect(written()).toBe(before + 1);
    await writer.end();
  });

  it("continues after the store was unreachable", async () => {
    const { said, instance, writerOf, clock, snapshots } = world();
    const only = instance();
    await only.start();
    const writer = writerOf(only.feed, 2);
    await writer.begin();
    snapshots.setAway(true);
    for (let i = 0; i < 3; i += 1) await only.chassis.execute(`c${i}`, because(`a${i}`), register);
    await clock.advance(10);
    expect(said.at(-1)).toBe("cannot write a snapshot: the snapshot store is unreachable");
    expect(writer.newest).toBeUndefined();
    snapshots.setAway(false);
    for (let i = 3; i < 6; i += 1) await only.chassis.execute(`c${i}`, because(`a${i}`), register);
    await clock.advance(10);
    expect((await snapshots.newestHead())?.seq).toBeGreaterThan(0);
    expect(writer.newest).toEqual(await snapshots.newestHead());
    const next = writerOf(only.feed, 1_000);
    await next.begin();
    expect(next.newest).toEqual(writer.newest);
  });
});
