/**
 * Skipped messages: a running process and one that starts later leave out the same messages, and the aggregates behind
 * them go on.
 */
import {
  type ChassisEvent,
  type ChassisState,
  chassisFold,
  encodeEvent,
  eventSubject,
  LOG_SKIPS_ID,
  type LogEvent,
  type LogState,
  logFold,
  SkippedMessages,
} from "@bioxen/contracts";
import { Aggregates, accept, type Causation, EventFeed, SkippingLog } from "@bioxen/kernel";
import {
  cordoned,
  eventually,
  FakeClock,
  idsInOrder,
  MemoryEventLog,
  registeredChassis,
  settle,
} from "@bioxen/testkit";
import { describe, expect, it } from "vitest";

const SUBJECT = eventSubject("chassis", "c1");
const POISON = new TextEncoder().encode("{}");
const because = (causeId: string): Causation => ({ causeId, correlationId: "test", deduplicate: true });

/** A process that folds chassis and skips, and can append to both. */
async function processOn(stored: MemoryEventLog, name: string) {
  const skips = new SkippedMessages();
  const log = new SkippingLog(stored, skips);
  const clock = new FakeClock();
  const options = { log, clock, ids: idsInOrder(name), source: "/bioxen/test" };
  const chassis = new Aggregates<ChassisState>({ ...options, kind: "chassis", fold: chassisFold });
  const records = new Aggregates<LogState>({ ...options, kind: "log", fold: logFold });
  const feed = new EventFeed(log, [chassis, records], clock, skips);
  const heard: string[] = [];
  feed.onEvent(({ seq, envelope }) => heard.push(`${seq} ${envelope.subject}`));
  await feed.start();
  const append = (event: ChassisEvent, causeId: string, id = "c1") =>
    chassis.execute(id, because(causeId), () => accept(event));
  const record = (event: LogEvent, causeId: string) =>
    records.execute(LOG_SKIPS_ID, because(causeId), () => accept(event));
  const recordSkip = (seq: number, subject = SUBJECT) => {
    const data = { seq, subject, digest: "d", problem: "p", newer: true, reason: "r", by: "b" };
    return record({ type: "bioxen.log.skipped.v1", data }, `skip ${seq}`);
  };
  const recordUnskip = (seq: number, subject = SUBJECT) =>
    record(
      { type: "bioxen.log.unskipped.v1", data: { seq, subject, reason: "r", by: "b" } },
      `unskip ${seq}`,
    );
  const caughtUp = async () => {
    await feed.applied(await stored.lastSeq());
    await settle();
  };
  return { chassis, feed, heard, append, recordSkip, recordUnskip, caughtUp, clock };
}

const register = registeredChassis();
const cordon: ChassisEvent = { type: "bioxen.chassis.cordoned.v1", data: {} };

describe("a skip", () => {
  it("lets the aggregate go on in a running process, and wakes its listeners", async () => {
    const log = new MemoryEventLog();
    const running = await processOn(log, "a");
    await running.append(register, "1");
    log.putBytes(SUBJECT, POISON);
    await running.caughtUp();
    await expect(running.append(cordon, "2")).rejects.toMatchObject({ code: "CORRUPT_EVENT" });
    running.heard.length = 0;
    await running.recordSkip(2);
    await running.caughtUp();
    expect(running.feed.unreadable()).toEqual([]);
    expect(running.heard).toEqual(["3 log/skips", "1 chassis/c1"]);
    expect(await running.append(cordon, "3")).toMatchObject({
      ok: true,
      current: { version: 2, lastSeq: 4 },
    });
    expect(running.chassis.get("c1").state).toMatchObject({ cordoned: true });
  });

  it("gives a process that starts later the same states", async () => {
    const log = new MemoryEventLog();
    const first = await processOn(log, "a");
    await first.append(register, "1");
    log.putBytes(SUBJECT, POISON);
    await first.caughtUp();
    await first.recordSkip(2);
    await first.caughtUp();
    await first.append(cordon, "2");
    const later = await processOn(log, "b");
    expect(later.feed.unreadable()).toEqual([]);
    expect(later.chassis.get("c1")).toEqual(first.chassis.get("c1"));
    expect(later.feed.capture(0)?.head).toMatchObject({ seq: 4, skipped: [2] });
  });

  it("folds the later messages of the aggregate that waited for the skipped one", async () => {
    const log = new MemoryEventLog();
    const running = await processOn(log, "a");
    await log.append(SUBJECT, { ...cordoned("c1", 1), ...{ type: register.type, data: register.data } }, 0);
    log.putBytes(SUBJECT, POISON);
    await log.append(SUBJECT, cordoned("c1", 2, "x"), 2);
    log.putBytes(SUBJECT, POISON);
    await running.caughtUp();
    expect(running.feed.unreadable()).toMatchObject([{ seq: 2 }]);
    await running.recordSkip(2);
    await running.caughtUp();
    expect(running.chassis.get("c1")).toMatchObject({ version: 2, lastSeq: 3 });
    expect(running.feed.unreadable()).toMatchObject([{ seq: 4 }]);
    await running.recordSkip(4);
    await running.caughtUp();
    expect(running.feed.unreadable()).toEqual([]);
    expect(await running.append(cordon, "3")).toMatchObject({ current: { version: 3 } });
  });

  it("is read again when the log was unreachable", async () => {
    const log = new MemoryEventLog();
    const running = await processOn(log, "a");
    await running.append(register, "1");
    log.putBytes(SUBJECT, POISON);
    await running.caughtUp();
    await running.recordSkip(2);
    log.setAway(true);
    await settle();
    log.setAway(false);
    await running.clock.advance(1_000);
    await eventually("c1 is usable again", () => running.feed.unreadable().length === 0 || undefined);
    expect(await running.append(cordon, "3")).toMatchObject({ ok: true });
  });

  it("can be taken back: the message stops its aggregate again, in every process", async () => {
    const log = new MemoryEventLog();
    const running = await processOn(log, "a");
    await running.append(register, "1");
    log.putBytes(SUBJECT, POISON);
    await running.caughtUp();
    await running.recordSkip(2);
    await running.caughtUp();
    await running.recordUnskip(2);
    await running.caughtUp();
    const later = await processOn(log, "b");
    for (const { feed, append } of [running, later]) {
      expect(feed.unreadable()).toMatchObject([{ seq: 2 }]);
      await expect(append(cordon, "3")).rejects.toMatchObject({ code: "CORRUPT_EVENT" });
    }
  });
});

describe("an unreadable message", () => {
  it("and an event that does not fit its aggregate reach no listener", async () => {
    const log = new MemoryEventLog();
    const running = await processOn(log, "a");
    await running.append(register, "1");
    running.heard.length = 0;
    log.putBytes(SUBJECT, encodeEvent(cordoned("c1", 9)));
    log.putBytes(SUBJECT, POISON);
    await running.append(register, "2", "c2");
    await running.caughtUp();
    expect(running.heard).toEqual(["4 chassis/c2"]);
  });

  it("among the skips is reported, and prevents no skip", async () => {
    const log = new MemoryEventLog();
    const running = await processOn(log, "a");
    await running.append(register, "1");
    log.putBytes(SUBJECT, POISON);
    log.putBytes(eventSubject("log", LOG_SKIPS_ID), POISON);
    await running.caughtUp();
    expect(running.feed.unreadable().map(({ seq }) => seq)).toEqual([2, 3]);
    await running.recordSkip(2);
    await running.caughtUp();
    expect(running.feed.unreadable().map(({ seq }) => seq)).toEqual([3]);
    const later = await processOn(log, "b");
    expect(later.feed.unreadable().map(({ seq }) => seq)).toEqual([3]);
    await later.recordSkip(3, eventSubject("log", LOG_SKIPS_ID));
    await later.caughtUp();
    expect(later.feed.unreadable()).toEqual([]);
    await running.caughtUp();
    expect(running.feed.unreadable()).toEqual([]);
    expect((await processOn(log, "c")).feed.unreadable()).toEqual([]);
  });

  it("of no aggregate is reported until it is skipped, and again when the skip is taken back", async () => {
    const log = new MemoryEventLog();
    const subject = "bioxen.evt.nothing.c1";
    log.putBytes(subject, POISON);
    const running = await processOn(log, "a");
    expect(running.feed.unreadable()).toMatchObject([{ seq: 1 }]);
    expect(running.feed.capture(0)).toBeUndefined();
    await running.recordSkip(1, subject);
    await running.caughtUp();
    expect(running.feed.unreadable()).toEqual([]);
    await running.recordUnskip(1, subject);
    await running.caughtUp();
    expect(running.feed.unreadable()).toMatchObject([{ seq: 1 }]);
  });
});
