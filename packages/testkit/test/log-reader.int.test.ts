/**
 * A long log that a thread reads: the thread dies, loses its connection, is abandoned, and is faster than its reader.
 * `event-log.int.test.ts` checks that such a log fulfils the contract of event logs.
 */
import type { Worker } from "node:worker_threads";
import { EVENT_STREAM, eventSubject } from "@bioxen/contracts";
import type { StoredEvent } from "@bioxen/kernel";
import { type Bus, connectBus, openEventLog, READ_WINDOW, startLogReader } from "@bioxen/nats";
import { AckPolicy, DeliverPolicy, jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cordoned, eventually, TestServer } from "../src/index.ts";

/** Several windows of events, so that the applied events decide how far the thread reads. */
const EVENTS = 3 * READ_WINDOW;
const SUBJECT = eventSubject("chassis", "long");

describe("a long log", () => {
  let server: TestServer;
  let bus: Bus;
  beforeAll(async () => {
    server = await TestServer.start();
    bus = await connectBus({ servers: server.url, name: "long" });
    await openEventLog(bus);
    await put(bus, 1, EVENTS);
  });
  afterAll(async () => {
    await bus.close();
    await server.stop();
  });

  const consumers = async () => {
    const jsm = await jetstreamManager(bus.connection);
    return (await jsm.streams.info(EVENT_STREAM)).state.consumer_count;
  };

  it("is read in full and in order, then followed; thread and consumer end", async () => {
    const read = await reading(bus);
    await eventually("caught up", () => read.caughtUp || undefined);
    expect(read.seqs).toEqual(sequence(EVENTS));
    expect(read.troubles).toEqual([]);
    await put(bus, EVENTS + 1, 1);
    await eventually("the next event arrived", () => read.seqs[EVENTS]);
    await eventually("the thread ended", () => read.workers[0]?.threadId === -1 || undefined);
    await read.stop();
    expect(await consumers()).toBe(0);
    expect(read.stops).toEqual([]);
  });

  it("is read on without the thread after it dies, with no gap and no repeat", async () => {
    const read = await reading(bus, (seq, worker) => {
      if (seq === READ_WINDOW) void worker.terminate();
    });
    await eventually("caught up", () => read.caughtUp || undefined);
    expect(read.seqs.slice(0, EVENTS)).toEqual(sequence(EVENTS));
    expect(read.troubles).toEqual([expect.stringMatching(/from event \d+ on: the reading thread ended/)]);
    expect(read.interruptions).toBe(1);
    await read.stop();
    expect(await consumers()).toBe(0);
  });

  it("can be abandoned in the middle: the thread ends, no event follows, and no consumer stays", async () => {
    let stopping: Promise<void> | undefined;
    const read = await reading(bus, (seq) => {
      if (seq === READ_WINDOW) stopping = read.stop();
    });
    await eventually("the reading is being stopped", () => stopping && true);
    await stopping;
    expect(read.seqs).toEqual(sequence(READ_WINDOW));
    expect(read.workers[0]?.threadId).toBe(-1);
    expect(await consumers()).toBe(0);
    expect({ caughtUp: read.caughtUp, stops: read.stops }).toEqual({ caughtUp: false, stops: [] });
  });

  it("ends at the event whose fold throws, and reports the cause", async () => {
    const read = await reading(bus, (seq) => {
      if (seq === READ_WINDOW) throw new Error("no such fold");
    });
    const cause = await eventually("the reading ended", () => read.stops[0]);
    expect(cause).toMatchObject({ message: "no such fold" });
    expect(read.seqs).toEqual(sequence(READ_WINDOW));
    await eventually("no consumer stays", async () => ((await consumers()) === 0 ? true : undefined));
  });

  it("is read ahead by at most one window, which moves by the applied events", async () => {
    const jsm = await jetstreamManager(bus.connection);
    const consumer = "window";
    await jsm.consumers.add(EVENT_STREAM, {
      name: consumer,
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.All,
      mem_storage: true,
    });
    const worker = startLogReader({ bus: bus.options, stream: EVENT_STREAM, consumer, untilSeq: EVENTS });
    let handedOver = 0;
    worker.on("message", ({ batch }) => {
      handedOver += batch.seqs.length;
    });
    const idleAfter = (events: number) =>
      eventually(`${events} events were read, and no more are requested`, async () => {
        const { delivered, num_waiting } = await jsm.consumers.info(EVENT_STREAM, consumer);
        return delivered.stream_seq === events && num_waiting === 0 && handedOver === events
          ? true
          : undefined;
      });
    await idleAfter(READ_WINDOW);
    worker.postMessage({ kind: "applied", events: READ_WINDOW / 2 });
    await idleAfter(READ_WINDOW + READ_WINDOW / 2);
    await worker.terminate();
    await jsm.consumers.delete(EVENT_STREAM, consumer);
  });

  it("is read on from its last event after the server was killed and restarted", async () => {
    let killed: Promise<void> | undefined;
    const read = await reading(bus, (seq) => {
      if (seq === READ_WINDOW) killed = server.kill().then(() => server.startAgain());
    });
    await eventually("the server was killed", () => killed && true);
    await killed;
    await eventually("caught up", () => read.caughtUp || undefined);
    expect(read.seqs.slice(0, EVENTS)).toEqual(sequence(EVENTS));
    expect(read.stops).toEqual([]);
    await read.stop();
  });
});

interface Reading {
  readonly seqs: number[];
  readonly troubles: string[];
  readonly stops: unknown[];
  readonly workers: Worker[];
  interruptions: number;
  caughtUp: boolean;
  stop(): Promise<void>;
}

async function reading(bus: Bus, at?: (seq: number, worker: Worker) => void): Promise<Reading> {
  const read: Reading = {
    seqs: [],
    troubles: [],
    stops: [],
    workers: [],
    interruptions: 0,
    caughtUp: false,
    stop: async () => undefined,
  };
  const log = await openEventLog(
    bus,
    {},
    {
      threadFromEvents: 1,
      onTrouble: (message) => void read.troubles.push(message),
      startReader: (data) => {
        const worker = startLogReader(data);
        read.workers.push(worker);
        return worker;
      },
    },
  );
  const following = await log.follow({
    fromSeq: 1,
    onEvent: ({ seq }: StoredEvent) => {
      read.seqs.push(seq);
      const [worker] = read.workers;
      if (worker !== undefined) at?.(seq, worker);
    },
    onCaughtUp: () => {
      read.caughtUp = true;
    },
    onStop: (cause) => void read.stops.push(cause),
    onInterrupted: () => {
      read.interruptions += 1;
    },
  });
  read.stop = () => following.stop();
  return read;
}

function sequence(length: number): number[] {
  return Array.from({ length }, (_, i) => i + 1);
}

/** Publishes without waiting for each acknowledgement: the stream keeps the order of one connection. */
async function put(bus: Bus, firstVersion: number, count: number): Promise<void> {
  const encoder = new TextEncoder();
  for (let version = firstVersion; version < firstVersion + count; version += 1) {
    bus.connection.publish(SUBJECT, encoder.encode(JSON.stringify(cordoned("long", version))));
  }
  const jsm = await jetstreamManager(bus.connection);
  await eventually("all are stored", async () => {
    const { last_seq } = (await jsm.streams.info(EVENT_STREAM)).state;
    return last_seq === firstVersion + count - 1 ? true : undefined;
  });
}
