/**
 * A long log read through a thread: what only a thread can do. It dies, loses its connection, is left in the
 * middle, and is faster than who it reads for. That it keeps the contract of the log is in event-log.int.test.ts.
 */
import type { Worker } from "node:worker_threads";
import { EVENT_STREAM, eventSubject } from "@bioxen/contracts";
import type { StoredEvent } from "@bioxen/kernel";
import { type Bus, connectBus, openEventLog, READ_WINDOW, startLogReader } from "@bioxen/nats";
import { AckPolicy, DeliverPolicy, jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cordoned, eventually, TestServer } from "../src/index.ts";

/** Several windows, so that what is applied decides what is read next. */
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

  it("is read whole, in order, and followed on; thread and consumer are gone then", async () => {
    const read = await reading(bus);
    await eventually("caught up", () => read.caughtUp || undefined);
    expect(read.seqs).toEqual(sequence(EVENTS));
    expect(read.troubles).toEqual([]);
    await put(bus, EVENTS + 1, 1);
    await eventually("the next one came", () => read.seqs[EVENTS]);
    await eventually("the thread ended", () => read.workers[0]?.threadId === -1 || undefined);
    await read.stop();
    expect(await consumers()).toBe(0);
    expect(read.stops).toEqual([]);
  });

  it("is read on without the thread when that dies, with no gap and nothing twice", async () => {
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

  it("is left in the middle: the thread ends, nothing more is told, no consumer stays", async () => {
    let stopping: Promise<void> | undefined;
    const read = await reading(bus, (seq) => {
      if (seq === READ_WINDOW) stopping = read.stop();
    });
    await eventually("it was told to stop", () => stopping && true);
    await stopping;
    expect(read.seqs).toEqual(sequence(READ_WINDOW));
    expect(read.workers[0]?.threadId).toBe(-1);
    expect(await consumers()).toBe(0);
    expect({ caughtUp: read.caughtUp, stops: read.stops }).toEqual({ caughtUp: false, stops: [] });
  });

  it("a fold that throws ends it at that event, and its cause is told", async () => {
    const read = await reading(bus, (seq) => {
      if (seq === READ_WINDOW) throw new Error("no such fold");
    });
    const cause = await eventually("it ended", () => read.stops[0]);
    expect(cause).toMatchObject({ message: "no such fold" });
    expect(read.seqs).toEqual(sequence(READ_WINDOW));
    await eventually("no consumer stays", async () => ((await consumers()) === 0 ? true : undefined));
  });

  it("the thread reads no further ahead than the window, and goes on by as much as was applied", async () => {
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
      eventually(`${events} were read, and no more are asked for`, async () => {
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

  it("goes on from where it was when the server is killed and comes back", async () => {
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
  const log = await openEventLog(bus, 1, {
    threadFromEvents: 1,
    onTrouble: (message) => void read.troubles.push(message),
    startReader: (data) => {
      const worker = startLogReader(data);
      read.workers.push(worker);
      return worker;
    },
  });
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

/** Appends without waiting for each: the stream keeps the order of one connection. */
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
