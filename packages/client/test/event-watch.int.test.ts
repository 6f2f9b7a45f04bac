/**
 * Watches of events on a real server: in order and each event once, across every interruption; a watch that cannot
 * guarantee this ends with a reason.
 */
import { eventSubject, LOG_SKIPS_ID } from "@bioxen/contracts";
import { appendNext, cordoned, eventually } from "@bioxen/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MAX_BUFFERED_EVENTS } from "../src/event-watch.ts";
import { BioxenError, WatchError } from "../src/index.ts";
import { range, seqsOf, take, WatchWorld } from "./watch-world.ts";

let world: WatchWorld;
beforeEach(async () => {
  world = await WatchWorld.open();
});
afterEach(() => world.close());

/** Resolves when no consumer is left on the server. */
async function noConsumerLeft(): Promise<void> {
  await eventually("no consumer is left", async () =>
    (await world.consumers()).length === 0 ? true : undefined,
  );
}

/** Resolves when the server has a consumer: the watch waits for its next event. */
async function consumerExists(): Promise<void> {
  await eventually("a consumer exists", async () =>
    (await world.consumers()).length > 0 ? true : undefined,
  );
}

describe("from a sequence", () => {
  it("delivers the stored events, then each new one", async () => {
    await world.append(5, "a", "b");
    const watch = world.bioxen.watchEvents({ from: 2 });
    expect(seqsOf(await take(watch, 4))).toEqual([2, 3, 4, 5]);
    const coming = take(watch, 2);
    await world.append(2, "a");
    const events = await coming;
    // Three of the first five events are those of "a".
    expect(events[0]).toEqual({ seq: 6, ...cordoned("a", 4) });
    expect(seqsOf(events)).toEqual([6, 7]);
    await watch.return();
  });

  it("delivers only new events without a sequence, and waits for a sequence beyond the end", async () => {
    await world.append(3, "a");
    const now = world.bioxen.watchEvents();
    const later = world.bioxen.watchEvents({ from: 6 });
    const firstNow = take(now, 3);
    const firstLater = take(later, 1);
    await eventually("both watches have a consumer", async () =>
      (await world.consumers()).length === 2 ? true : undefined,
    );
    await world.append(3, "a");
    expect(seqsOf(await firstNow)).toEqual([4, 5, 6]);
    expect(seqsOf(await firstLater)).toEqual([6]);
    await now.return();
    await later.return();
  });

  it("resumes in a new connection from a stored sequence, without a gap or a repeat", async () => {
    await world.append(30, "a", "b", "c");
    const seen: number[] = [];
    while (seen.length < 30) {
      const bioxen = await world.connect();
      for await (const event of bioxen.watchEvents({ from: (seen.at(-1) ?? 0) + 1 })) {
        seen.push(event.seq);
        if (seen.length % 7 === 0 || seen.length === 30) break;
      }
      await bioxen.close();
    }
    expect(seen).toEqual(range(1, 30));
  });

  it("refuses invalid options with every problem at once", () => {
    for (const from of [0, -1, 1.5, Number.NaN]) {
      expect(() => world.bioxen.watchEvents({ from })).toThrow(BioxenError);
    }
    const all = { from: 0, vmId: "No Id", subject: "elsewhere.>" };
    try {
      world.bioxen.watchEvents(all);
      expect.unreachable();
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: "BAD_REQUEST" });
      const { problems } = (thrown as BioxenError).details as { problems: { path: string }[] };
      expect(problems.map((problem) => problem.path)).toEqual(["from", "vmId", "subject", "subject"]);
    }
  });
});

describe("a filter", () => {
  it("delivers only the events of its subject, stored or new", async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `c-${i}`);
    const seqs = await world.append(100, ...ids);
    const mine = seqs.filter((_, i) => i % 20 === 7);
    const watch = world.bioxen.watchEvents({ from: 1, subject: eventSubject("chassis", "c-7") });
    expect(seqsOf(await take(watch, 5))).toEqual(mine);
    const [last] = (await world.append(20, ...ids)).slice(7);
    expect(seqsOf(await take(watch, 1))).toEqual([last]);
    await watch.return();
  });

  it("is the VM for a watch of a handle", async () => {
    await world.append(3, "a");
    const watch = world.bioxen.vm("cell-1").watchEvents({ from: 1 });
    const next = watch.next();
    await consumerExists();
    await world.append(3, "a");
    await watch.return();
    expect(await next).toEqual({ done: true, value: undefined });
  });
});

describe("a server that is killed", () => {
  it("is followed after its restart: every event stored meanwhile, once each", async () => {
    await world.append(10, "a", "b");
    const watch = world.bioxen.watchEvents({ from: 1 });
    const one = world.bioxen.watchEvents({ from: 1, subject: eventSubject("chassis", "b") });
    const seen = await take(watch, 8);
    expect(seqsOf(await take(one, 5))).toEqual([2, 4, 6, 8, 10]);
    for (let round = 0; round < 2; round += 1) {
      await world.server.kill();
      await world.server.startAgain();
      await world.append(10, "a", "b");
      seen.push(...(await take(watch, 10)));
      expect(await take(one, 5)).toHaveLength(5);
    }
    seen.push(...(await take(watch, 2)));
    expect(seqsOf(seen)).toEqual(range(1, 30));
    await Promise.all([watch.return(), one.return()]);
    await noConsumerLeft();
  });
});

describe("a slow reader", () => {
  const COUNT = MAX_BUFFERED_EVENTS * 3 + 10;

  it("has a bounded buffer, pauses reading while it is full, and misses no event", async () => {
    await world.append(COUNT, "a", "b", "c");
    const watch = world.bioxen.watchEvents({ from: 1 });
    const seen = await take(watch, 1);
    await eventually("the buffer is full", () => (watch.buffered === MAX_BUFFERED_EVENTS ? true : undefined));
    await noConsumerLeft();
    let most = 0;
    while (seen.length < COUNT) {
      seen.push(...(await take(watch, 1)));
      most = Math.max(most, watch.buffered);
      // The reader is slower than the server.
      if (seen.length % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(most).toBeLessThanOrEqual(MAX_BUFFERED_EVENTS);
    expect(seqsOf(seen)).toEqual(range(1, COUNT));
    await watch.return();
    await noConsumerLeft();
  });
});

describe("the end of a watch", () => {
  it("leaves no consumer on the server after break, return, abort or close", async () => {
    await world.append(3, "a");
    for await (const event of world.bioxen.watchEvents({ from: 1 })) {
      expect(event.seq).toBe(1);
      expect(await world.consumers()).toHaveLength(1);
      break;
    }
    expect(await world.consumers()).toEqual([]);

    const abort = new AbortController();
    const aborted = world.bioxen.watchEvents({ signal: abort.signal });
    const waiting = aborted.next();
    await consumerExists();
    abort.abort();
    expect((await waiting).done).toBe(true);
    expect((await aborted.next()).done).toBe(true);
    await noConsumerLeft();
    expect((await world.bioxen.watchEvents({ from: 1, signal: abort.signal }).next()).done).toBe(true);

    const other = await world.connect();
    const closed = other.watchEvents({ from: 1 });
    expect(seqsOf(await take(closed, 3))).toEqual([1, 2, 3]);
    const last = closed.next();
    await other.close();
    expect((await last).done).toBe(true);
    expect(await world.consumers()).toEqual([]);
  });

  it("comes at an unreadable event, after all readable ones, and names the last sequence", async () => {
    await world.append(3, "a");
    await world.putBytes("broken", "{not an event");
    await world.append(1, "a");
    const watch = world.bioxen.watchEvents({ from: 2 });
    expect(seqsOf(await take(watch, 2))).toEqual([2, 3]);
    const thrown = await watch.next().catch((cause: unknown) => cause);
    expect(thrown).toBeInstanceOf(WatchError);
    expect(thrown).toMatchObject({ reason: "event-unreadable", lastSeq: 3, retryable: false });
    expect((await watch.next()).done).toBe(true);
    await noConsumerLeft();
  });

  it("does not come at an unreadable event when the reader takes it, nor at a skipped one", async () => {
    await world.append(3, "a");
    await world.putBytes("broken", "{not an event");
    await world.append(1, "a");
    const unreadable: number[] = [];
    const onUnreadable = ({ seq }: { readonly seq: number }) => unreadable.push(seq);
    const tolerant = world.bioxen.watchEvents({ from: 2, onUnreadable });
    expect(seqsOf(await take(tolerant, 3))).toEqual([2, 3, 5]);
    expect(unreadable).toEqual([4]);
    await tolerant.return();
    const subject = eventSubject("chassis", "broken");
    const skip = { seq: 4, subject, digest: "d", problem: "p", newer: false, reason: "r", by: "b" };
    await appendNext(world.log, "log", LOG_SKIPS_ID, { type: "bioxen.log.skipped.v1", data: skip });
    const strict = world.bioxen.watchEvents({ from: 2 });
    expect(seqsOf(await take(strict, 4))).toEqual([2, 3, 5, 6]);
    await strict.return();
    await noConsumerLeft();
  });

  it.each([
    { name: "a shorter log", events: 2 },
    { name: "another log of equal length", events: 5 },
    { name: "another, longer log", events: 9 },
  ])("comes when $name replaces the one that is watched", async ({ events }) => {
    await world.append(5, "a");
    const watch = world.bioxen.watchEvents({ from: 1 });
    expect(await take(watch, 5)).toHaveLength(5);
    const next = watch.next().catch((cause: unknown) => cause);
    await world.replaceLog();
    await world.append(events, "b");
    const thrown = await next;
    expect(thrown).toBeInstanceOf(WatchError);
    expect(thrown).toMatchObject({ reason: "log-replaced", lastSeq: 5, code: "INTERNAL" });
    await noConsumerLeft();
  });

  it("comes when the log is cut short while the reader waits for its first event", async () => {
    await world.append(5, "a");
    const next = world.bioxen
      .watchEvents()
      .next()
      .catch((cause: unknown) => cause);
    await consumerExists();
    await world.replaceLog();
    expect(await next).toMatchObject({ reason: "log-replaced", lastSeq: 5 });
  });
});
