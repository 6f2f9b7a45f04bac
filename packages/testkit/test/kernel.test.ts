/**
 * Aggregates, feed and reconciler of the kernel on ports in memory.
 */
import { type ChassisEvent, type ChassisState, chassisFold } from "@bioxen/contracts";
import {
  Aggregates,
  APPLY_DEADLINE_MS,
  accept,
  type Causation,
  EventFeed,
  ReadModel,
  Reconciler,
  UNCHANGED,
} from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import {
  envelopeOf,
  FakeClock,
  idsInOrder,
  MemoryEventLog,
  registeredChassis,
  settle,
  storedOf,
} from "../src/index.ts";

const REGISTERED = registeredChassis();

function instanceOn(log: MemoryEventLog, prefix: string, clock = new FakeClock()) {
  return new Aggregates<ChassisState>({
    kind: "chassis",
    fold: chassisFold,
    log,
    clock,
    ids: idsInOrder(prefix),
    source: "/bioxen/test",
  });
}

const because = (causeId: string, deduplicate = true): Causation => ({
  causeId,
  correlationId: causeId,
  deduplicate,
});
const register = (state: ChassisState) => (state.registered ? UNCHANGED : accept(REGISTERED));
const flip = (state: ChassisState) =>
  accept<ChassisEvent>(
    state.registered && state.cordoned
      ? { type: "bioxen.chassis.uncordoned.v1", data: {} }
      : { type: "bioxen.chassis.cordoned.v1", data: {} },
  );

describe("aggregates", () => {
  it("read the missed events and decide again when an instance is stale", async () => {
    const log = new MemoryEventLog();
    const [a, b] = [instanceOn(log, "a"), instanceOn(log, "b")];
    expect(await a.execute("c1", because("one"), register)).toMatchObject({ ok: true, changed: true });
    expect(await b.execute("c1", because("two"), register)).toMatchObject({ ok: true, changed: false });
    const results = await Promise.all([
      ...Array.from({ length: 10 }, (_, i) => a.execute("c1", because(`a${i}`), flip)),
      ...Array.from({ length: 10 }, (_, i) => b.execute("c1", because(`b${i}`), flip)),
    ]);
    expect(results.every((result) => result.ok && result.changed)).toBe(true);
    const versions = (await log.read("bioxen.evt.chassis.c1", 0)).map((e) => e.envelope.aggregateversion);
    expect(versions).toEqual(Array.from({ length: 21 }, (_, i) => i + 1));
  });

  it("answer a repeated command with its first outcome, even on an instance that only knows the log", async () => {
    const log = new MemoryEventLog();
    const a = instanceOn(log, "a");
    await a.execute("c1", because("register"), register);
    const first = await a.execute("c1", because("flip"), flip);
    const again = await a.execute("c1", because("flip"), flip);
    expect(again).toEqual(first);
    const fresh = instanceOn(log, "b");
    for (const event of await log.read("bioxen.evt.chassis.c1", 0)) fresh.apply(event);
    const afterCrash = await fresh.execute("c1", because("flip"), flip);
    expect(afterCrash).toMatchObject({ ok: true, changed: true, current: { version: 2 } });
    expect(await log.lastSeq()).toBe(2);
  });

  it("know a repeated command after the clock was set forward", async () => {
    const log = new MemoryEventLog();
    const clock = new FakeClock();
    const a = instanceOn(log, "a", clock);
    await a.execute("c1", because("register"), register);
    await clock.advance(600_000);
    await a.execute("c2", because("another"), register);
    expect(await a.execute("c1", because("register"), register)).toMatchObject({ ok: true, changed: true });
  });

  it("know a repeated command whose event was written while the clock was set back, on a later instance", async () => {
    const log = new MemoryEventLog();
    await instanceOn(log, "a", new FakeClock(0)).execute("c1", because("register"), register);
    const later = new FakeClock(600_000);
    await instanceOn(log, "b", later).execute("c2", because("another"), register);
    const fresh = instanceOn(log, "c", later);
    for (const id of ["c1", "c2"]) {
      for (const event of await log.read(`bioxen.evt.chassis.${id}`, 0)) fresh.apply(event, true);
    }
    expect(await fresh.execute("c1", because("register"), register)).toMatchObject({
      ok: true,
      changed: true,
    });
    expect(await fresh.execute("c2", because("another"), register)).toMatchObject({
      ok: true,
      changed: true,
    });
  });

  it("reject no command because of events that this instance has not read yet", async () => {
    const log = new MemoryEventLog();
    const [a, b] = [instanceOn(log, "a"), instanceOn(log, "b")];
    await a.execute("c1", because("1"), register);
    const needsIt = (state: ChassisState) =>
      state.registered
        ? flip(state)
        : ({ ok: false, rejection: { code: "X", message: "", retryable: false } } as const);
    expect(await b.react("c1", because("2", false), needsIt)).toMatchObject({ ok: false });
    expect(await b.execute("c1", because("3"), needsIt)).toMatchObject({ ok: true, current: { version: 2 } });
    expect(await a.refresh("c1")).toMatchObject({ version: 2 });
  });

  it("let a process that lost its lease during an append decide nothing more", async () => {
    const log = new MemoryEventLog();
    const [a, b] = [instanceOn(log, "a"), instanceOn(log, "b")];
    await a.execute("c1", because("1"), register);
    let decisions = 0;
    const reacted = await b.react(
      "c1",
      because("2", false),
      (state) => {
        decisions += 1;
        return flip(state);
      },
      () => decisions === 0,
    );
    expect(reacted).toMatchObject({ ok: true, changed: false, current: { version: 1 } });
    expect(decisions).toBe(1);
    expect(await log.lastSeq()).toBe(1);
  });

  it("append one event when its acknowledgement is lost and the command is repeated", async () => {
    const log = new MemoryEventLog();
    const a = instanceOn(log, "a");
    log.loseAcks(1);
    await expect(a.execute("c1", because("register"), register)).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
    expect(await a.execute("c1", because("register"), register)).toMatchObject({ ok: true });
    expect(await log.lastSeq()).toBe(1);
  });

  it("let a process append several events because of one cause", async () => {
    const a = instanceOn(new MemoryEventLog(), "a");
    await a.execute("c1", because("event-1", false), register);
    expect(await a.execute("c1", because("event-1", false), flip)).toMatchObject({ current: { version: 2 } });
  });

  it.each([
    ["a gap in versions", { version: 3 }, "has version 3"],
    ["a repeated version", { version: 1 }, "has version 1"],
    ["a digest of another event", { version: 2, previous: "0".repeat(64) }, "does not carry the digest"],
    ["no digest after an event that has one", { version: 3, after: 2 }, "lacks the digest"],
  ] satisfies [string, { version: number; previous?: string; after?: number }, string][])(
    "set an aggregate aside for an event with %s",
    async (_name, misfit: { version: number; previous?: string; after?: number }, why) => {
      const { version, previous, after = 1 } = misfit;
      const log = new MemoryEventLog();
      const a = instanceOn(log, "a");
      await a.execute("c1", because("1"), register);
      if (after === 2) await a.execute("c1", because("2"), flip);
      const envelope = envelopeOf("chassis", "c1", REGISTERED, { version });
      const event = storedOf(7, previous === undefined ? envelope : { ...envelope, previoushash: previous });
      const before = a.get("c1");
      a.apply(event);
      expect(a.asideOf("c1")).toMatchObject({
        first: { seq: 7, why: expect.stringContaining(why) },
        lastSeq: 7,
      });
      expect(a.get("c1")).toBe(before);
      await expect(a.execute("c1", because("3"), flip)).rejects.toMatchObject({
        code: "CORRUPT_EVENT",
        retryable: false,
        details: { seq: 7 },
      });
      expect(await a.execute("c2", because("4"), register)).toMatchObject({ ok: true });
    },
  );

  it("refuse commands on an aggregate whose newest message only the log has, and cannot be read", async () => {
    const log = new MemoryEventLog();
    const a = instanceOn(log, "a");
    await a.execute("c1", because("1"), register);
    log.putBytes("bioxen.evt.chassis.c1", new TextEncoder().encode("{}"));
    const refused = { code: "CORRUPT_EVENT", details: { seq: 2 } };
    await expect(a.execute("c1", because("2"), flip)).rejects.toMatchObject(refused);
    await expect(a.refresh("c1")).rejects.toMatchObject(refused);
    expect(await log.lastSeq()).toBe(2);
  });
});

describe("the feed", () => {
  it("folds past events without a notification, notifies of later ones, and knows its sequence", async () => {
    const log = new MemoryEventLog();
    const writer = instanceOn(log, "w");
    await writer.execute("c1", because("1"), register);
    const model = new ReadModel("chassis", chassisFold);
    const clock = new FakeClock();
    const feed = new EventFeed(log, [model], clock);
    const heard: number[] = [];
    feed.onEvent((event) => heard.push(event.seq));
    await feed.start();
    expect(feed.live).toBe(true);
    expect(model.get("c1").registered).toBe(true);
    expect(heard).toEqual([]);
    const soon = feed.applied(2);
    await writer.execute("c1", because("2"), flip);
    await soon;
    expect(heard).toEqual([2]);
    expect(feed.appliedSeq).toBe(2);
    await clock.advance(APPLY_DEADLINE_MS);
  });

  it("answers UNAVAILABLE to a caller whose event does not come within the deadline", async () => {
    const clock = new FakeClock();
    const feed = new EventFeed(new MemoryEventLog(), [], clock);
    await feed.start();
    const never = feed.applied(1);
    const rejected = expect(never).rejects.toMatchObject({ code: "UNAVAILABLE", retryable: true });
    await clock.advance(APPLY_DEADLINE_MS - 1);
    expect(await Promise.race([never, Promise.resolve("waits")])).toBe("waits");
    await clock.advance(1);
    await rejected;
  });

  it("sets only the aggregate of an unreadable message aside, and goes on with all others", async () => {
    const log = new MemoryEventLog();
    const writer = instanceOn(log, "w");
    await writer.execute("c1", because("1"), register);
    await writer.execute("c2", because("2"), register);
    const model = new ReadModel("chassis", chassisFold);
    const feed = new EventFeed(log, [model], new FakeClock());
    await feed.start();
    log.putBytes("bioxen.evt.chassis.c2", new TextEncoder().encode("nonsense"));
    log.putBytes("bioxen.evt.nothing.c3", new TextEncoder().encode("{}"));
    await writer.execute("c1", because("3"), flip);
    await feed.applied(5);
    expect(feed.live).toBe(true);
    expect(feed.unreadable()).toMatchObject([
      { seq: 3, streamSubject: "bioxen.evt.chassis.c2", why: "it is not JSON" },
      { seq: 4, streamSubject: "bioxen.evt.nothing.c3" },
    ]);
    expect(model.get("c1")).toMatchObject({ cordoned: true });
    expect(model.get("c2")).toMatchObject({ cordoned: false });
    expect(feed.capture(0)).toBeUndefined();
  });
});

describe("the reconciler", () => {
  function reconcilerWith(step: (key: string) => Promise<{ dueAtMs: number } | undefined>) {
    const clock = new FakeClock();
    const errors: string[] = [];
    const reconciler = new Reconciler({ clock, timers: clock, step, onError: (key) => errors.push(key) });
    return { clock, errors, reconciler };
  }

  it("runs one step of a key at a time, and one more for wakes during the step", async () => {
    let running = 0;
    let most = 0;
    let steps = 0;
    const { reconciler } = reconcilerWith(async () => {
      running += 1;
      most = Math.max(most, running);
      steps += 1;
      await settle();
      running -= 1;
      return undefined;
    });
    for (let i = 0; i < 5; i += 1) reconciler.wake("k");
    await settle();
    reconciler.wake("k");
    await reconciler.stop();
    expect(most).toBe(1);
    expect(steps).toBe(2);
  });

  it("retries a failed key with growing waits, without delaying other keys", async () => {
    const at: number[] = [];
    let other = 0;
    const { clock, errors, reconciler } = reconcilerWith(async (key) => {
      if (key === "good") {
        other += 1;
        return undefined;
      }
      at.push(clock.nowMs());
      throw new Error("no");
    });
    reconciler.wake("bad");
    reconciler.wake("good");
    await clock.advance(17_000);
    const waits = at.slice(1).map((ms, i) => ms - (at[i] ?? 0));
    expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    expect(other).toBe(1);
    expect(errors.length).toBe(at.length);
    await reconciler.stop();
  });

  it("gathers a burst of wakes into one step, and keeps its back-off", async () => {
    const at: number[] = [];
    const clock = new FakeClock(0);
    const step = async () => {
      at.push(clock.nowMs());
      if (at.length === 1) reconciler.wake("k");
      if (at.length === 3) throw new Error("no");
      return undefined;
    };
    const reconciler = new Reconciler({ clock, timers: clock, step, onError: () => undefined, gatherMs: 2 });
    reconciler.wake("k");
    await clock.advance(1);
    reconciler.wake("k");
    await clock.advance(9);
    expect(at, "a burst, and the wake during its step").toEqual([2, 4]);
    reconciler.wake("k");
    await clock.advance(10);
    reconciler.wake("k");
    await clock.advance(200);
    expect(at, "a failure, and a wake during its back-off of 100 ms").toEqual([2, 4, 12, 112]);
    await reconciler.stop();
  });

  it("runs the next step at the instant that a step returns", async () => {
    const at: number[] = [];
    const { clock, reconciler } = reconcilerWith(async () => {
      at.push(clock.nowMs());
      return at.length === 1 ? { dueAtMs: clock.nowMs() + 5_000 } : undefined;
    });
    reconciler.wake("k");
    await clock.advance(4_999);
    expect(at).toHaveLength(1);
    await clock.advance(1);
    expect(at).toHaveLength(2);
    await reconciler.stop();
  });
});
