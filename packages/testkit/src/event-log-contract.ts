/**
 * The tests that every event log must pass. The log in memory and the log on JetStream both run them.
 */
import { contentLimitOf, digestOf, encodeEvent, eventSubject } from "@bioxen/contracts";
import type { EventLog, StoredEvent, UnreadableMessage } from "@bioxen/kernel";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cordoned, createdVm, envelopeOf } from "./events.ts";
import { eventually } from "./eventually.ts";

export interface LogUnderTest {
  readonly log: EventLog;
  /** The `max_payload` of the log's server, bytes. */
  readonly maxPayloadBytes: number;
  /** Stores bytes as they are, even if they cannot be decoded as an event. */
  readonly putBytes: (streamSubject: string, bytes: Uint8Array) => Promise<unknown> | unknown;
  readonly close: () => Promise<void>;
}

const subjectOf = (id: string) => eventSubject("chassis", id);

/** Returns an event that creates a VM. The length of `program` determines the size of the event. */
function withProgram(id: string, program: string) {
  return envelopeOf("vm", id, createdVm({ program }));
}

async function appendAll(log: EventLog, id: string, count: number): Promise<number[]> {
  const seqs: number[] = [];
  for (let version = 1; version <= count; version += 1) {
    const appended = await log.append(subjectOf(id), cordoned(id, version), seqs.at(-1) ?? 0);
    if (appended.kind !== "appended") throw new Error("unexpected conflict: the test is the only writer");
    seqs.push(appended.seq);
  }
  return seqs;
}

interface Followed {
  readonly events: StoredEvent[];
  caughtUp: boolean;
  stopCause: unknown;
  readonly stop: () => Promise<void>;
}

async function followFrom(
  log: EventLog,
  fromSeq: number,
  filter?: string,
  onUnreadable?: (message: UnreadableMessage) => void,
): Promise<Followed> {
  const followed: Omit<Followed, "stop"> = { events: [], caughtUp: false, stopCause: undefined };
  const following = await log.follow({
    fromSeq,
    ...(filter === undefined ? {} : { filter }),
    ...(onUnreadable === undefined ? {} : { onUnreadable }),
    onEvent: (event) => followed.events.push(event),
    onCaughtUp: () => {
      followed.caughtUp = true;
    },
    onStop: (cause) => {
      followed.stopCause = cause;
    },
  });
  return Object.assign(followed, { stop: () => following.stop() });
}

export function eventLogContract(name: string, open: () => Promise<LogUnderTest>): void {
  describe(`event log ${name}`, () => {
    let under: LogUnderTest;
    let log: EventLog;
    beforeAll(async () => {
      under = await open();
      log = under.log;
    });
    afterAll(() => under.close());

    it("catches a follower up at once when the log is empty", async () => {
      expect(await log.lastSeq()).toBe(0);
      const followed = await followFrom(log, 1);
      await eventually("caught up", () => followed.caughtUp || undefined);
      expect(followed.events).toEqual([]);
      await followed.stop();
    });

    it("appends in order, and reads back what was appended", async () => {
      const seqs = await appendAll(log, "order", 5);
      const events = await log.read(subjectOf("order"), 0);
      expect(events.map((event) => event.seq)).toEqual(seqs);
      expect(events.map((event) => event.envelope)).toEqual([1, 2, 3, 4, 5].map((v) => cordoned("order", v)));
      const later = await log.read(subjectOf("order"), seqs[2] ?? 0);
      expect(later.map((event) => event.seq)).toEqual(seqs.slice(3));
      expect(await log.read(subjectOf("order"), seqs[4] ?? 0)).toEqual([]);
      for (const [after, until] of [
        [0, 3],
        [1, 3],
        [3, 4],
        [2, 2],
        [3, 1],
        [0, 1],
      ] as const) {
        const between = await log.read(
          subjectOf("order"),
          after === 0 ? 0 : (seqs[after - 1] ?? 0),
          seqs[until - 1],
        );
        expect(between.map((event) => event.seq)).toEqual(seqs.slice(after, until));
      }
      expect(await log.read(subjectOf("order"), 0, (seqs[0] ?? 0) - 1)).toEqual([]);
      expect(await log.read(subjectOf("absent"), 0)).toEqual([]);
      expect(await log.lastSeq()).toBe(seqs.at(-1));
    });

    it("reads the first events of a subject up to a limit, and goes on after them", async () => {
      const seqs = await appendAll(log, "limited", 40);
      const read = async (after: number, until: number | undefined, limit: number) =>
        (await log.read(subjectOf("limited"), after, until, limit)).map((event) => event.seq);
      expect(await read(0, undefined, 3)).toEqual(seqs.slice(0, 3));
      expect(await read(0, undefined, 30)).toEqual(seqs.slice(0, 30));
      expect(await read(seqs[29] ?? 0, undefined, 30)).toEqual(seqs.slice(30));
      expect(await read(seqs[9] ?? 0, seqs[34], 20)).toEqual(seqs.slice(10, 30));
      expect(await read(seqs[9] ?? 0, seqs[11], 20)).toEqual(seqs.slice(10, 12));
      expect(await read(0, undefined, 0)).toEqual([]);
    });

    it("answers conflict when the expected sequence is stale or ahead", async () => {
      const [first = 0] = await appendAll(log, "stale", 1);
      const conflict = { kind: "conflict" };
      expect(await log.append(subjectOf("stale"), cordoned("stale", 2, "too-early"), 0)).toEqual(conflict);
      expect(await log.append(subjectOf("stale"), cordoned("stale", 2, "ahead"), first + 100)).toEqual(
        conflict,
      );
      expect((await log.append(subjectOf("stale"), cordoned("stale", 2), first)).kind).toBe("appended");
    });

    it("stores an event that is appended twice only once, and answers both appends alike", async () => {
      const first = await log.append(subjectOf("again"), cordoned("again", 1), 0);
      expect(await log.append(subjectOf("again"), cordoned("again", 1), 0)).toEqual(first);
      expect(await log.read(subjectOf("again"), 0)).toHaveLength(1);
    });

    it("accepts exactly one of ten concurrent appends", async () => {
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          log.append(subjectOf("race"), cordoned("race", 1, `racer-${i}`), 0),
        ),
      );
      expect(results.filter((result) => result.kind === "appended")).toHaveLength(1);
      expect(await log.read(subjectOf("race"), 0)).toHaveLength(1);
    });

    it("stores an event up to the limit, and refuses a larger one for good without storing it", async () => {
      const limit = contentLimitOf(under.maxPayloadBytes);
      const sized = (id: string, bytes: number) => {
        const bare = encodeEvent(withProgram(id, "")).byteLength;
        return withProgram(id, "x".repeat(bytes - bare));
      };
      const append = (id: string, bytes: number) => log.append(eventSubject("vm", id), sized(id, bytes), 0);
      expect(await append("fits", limit)).toMatchObject({ kind: "appended" });
      const before = await log.lastSeq();
      await expect(append("over", limit + 1)).rejects.toMatchObject({
        code: "TOO_LARGE",
        retryable: false,
        details: { limit, bytes: limit + 1 },
      });
      expect(await log.lastSeq()).toBe(before);
      expect(await log.read(eventSubject("vm", "over"), 0)).toEqual([]);
      expect((await log.read(eventSubject("vm", "fits"), 0))[0]?.envelope).toEqual(sized("fits", limit));
    });

    it("gives two followers the same events in the same order, each from its start sequence", async () => {
      const all = await followFrom(log, 1);
      const before = await log.lastSeq();
      const late = await followFrom(log, before + 1);
      expect(late.caughtUp || (await eventually("late is caught up", () => late.caughtUp || undefined))).toBe(
        true,
      );
      const seqs = await appendAll(log, "followed", 20);
      const last = seqs.at(-1) ?? 0;
      await eventually("both followers have the last event", () =>
        all.events.at(-1)?.seq === last && late.events.at(-1)?.seq === last ? true : undefined,
      );
      expect(all.caughtUp).toBe(true);
      expect(all.events.map((event) => event.seq)).toEqual(Array.from({ length: last }, (_, i) => i + 1));
      expect(late.events).toEqual(all.events.slice(before));
      await all.stop();
      await late.stop();
      await appendAll(log, "unseen", 1);
      expect(all.events.at(-1)?.seq).toBe(last);
    });

    it("gives a follower of one subject only that subject, and catches it up at the end of the log", async () => {
      const wanted = await appendAll(log, "one-of-many", 3);
      await appendAll(log, "another", 3);
      const one = await followFrom(log, 1, subjectOf("one-of-many"));
      const none = await followFrom(log, 1, subjectOf("absent"));
      const all = await followFrom(log, wanted[0] ?? 0, eventSubject("chassis", "*"));
      for (const followed of [one, none, all]) {
        await eventually("caught up", () => followed.caughtUp || undefined);
      }
      expect(one.events.map((event) => event.seq)).toEqual(wanted);
      expect(none.events).toEqual([]);
      expect(all.events).toHaveLength(6);
      const appended = await log.append(subjectOf("one-of-many"), cordoned("one-of-many", 4), wanted[2] ?? 0);
      await eventually("the next event arrived", () => one.events[3]);
      expect(appended).toMatchObject({ kind: "appended", seq: one.events[3]?.seq });
      for (const followed of [one, none, all]) await followed.stop();
    });

    it("gives a follower that starts beyond the end nothing from before its start", async () => {
      const end = await log.lastSeq();
      const followed = await followFrom(log, end + 3);
      await eventually("caught up", () => followed.caughtUp || undefined);
      const seqs = await appendAll(log, "beyond", 4);
      await eventually("the event arrived", () => followed.events[1]);
      expect(followed.events.map((event) => event.seq)).toEqual(seqs.slice(2));
      await followed.stop();
    });

    it("stops a follower that takes no unreadable message at its sequence", async () => {
      await under.putBytes(subjectOf("broken"), new TextEncoder().encode("{not an event"));
      const brokenSeq = await log.lastSeq();
      await appendAll(log, "after-broken", 1);
      const followed = await followFrom(log, 1);
      const cause = await eventually("the follower stopped", () => followed.stopCause);
      expect(cause).toMatchObject({ code: "CORRUPT_EVENT", details: { seq: brokenSeq } });
      expect(followed.events.at(-1)?.seq).toBe(brokenSeq - 1);
    });

    it("delivers an unreadable message to a follower that takes it, and goes on with the next", async () => {
      await appendAll(log, "poisoned", 1);
      await under.putBytes(subjectOf("poisoned"), new Uint8Array([0xff, 0xfe]));
      const brokenSeq = await log.lastSeq();
      await appendAll(log, "after-poison", 1);
      const unreadable: UnreadableMessage[] = [];
      const followed = await followFrom(log, 1, undefined, (message) => unreadable.push(message));
      await eventually(
        "the next event arrived",
        () => followed.events.at(-1)?.seq === brokenSeq + 1 || undefined,
      );
      expect(unreadable.at(-1)).toEqual({
        seq: brokenSeq,
        streamSubject: subjectOf("poisoned"),
        digest: digestOf(new Uint8Array([0xff, 0xfe])),
        why: "it is not JSON",
        isNewer: false,
      });
      expect(followed.stopCause).toBeUndefined();
      await followed.stop();
    });

    it("reads unreadable messages, and any message by its sequence", async () => {
      const subject = subjectOf("unreadable");
      const [first = 0] = await appendAll(log, "unreadable", 1);
      await under.putBytes(subject, new Uint8Array());
      const brokenSeq = await log.lastSeq();
      const messages = await log.readMessages(subject, 0);
      expect(messages.map(({ seq }) => seq)).toEqual([first, brokenSeq]);
      expect(messages[1]).toMatchObject({ why: "it is not JSON", streamSubject: subject });
      expect((await log.readMessages(subject, first)).map(({ seq }) => seq)).toEqual([brokenSeq]);
      expect(await log.readMessages(subject, 0, first)).toEqual([messages[0]]);
      await expect(log.read(subject, 0)).rejects.toMatchObject({
        code: "CORRUPT_EVENT",
        retryable: false,
        details: { seq: brokenSeq, subject, newer: false },
      });
      expect(await log.messageAt(first)).toEqual(messages[0]);
      expect(await log.messageAt(brokenSeq)).toEqual(messages[1]);
      expect(await log.messageAt(brokenSeq + 1)).toBeUndefined();
    });
  });
}
