/**
 * The event log contract on three logs: in memory, on a real server, and on a real server read through a thread; and
 * the faults that only a real server has, such as a kill and a restart.
 */
import { eventSubject } from "@bioxen/contracts";
import { connectBus, type EventLogOptions, openEventLog } from "@bioxen/nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  cordoned,
  eventLogContract,
  eventually,
  type LogUnderTest,
  MemoryEventLog,
  TestServer,
} from "../src/index.ts";

/** The smallest `max_payload` that BioXen is meant for, bytes: that of some managed servers. */
const SMALL_PAYLOAD_BYTES = 65_536;

eventLogContract("in memory", async () => {
  const maxPayloadBytes = SMALL_PAYLOAD_BYTES;
  const log = new MemoryEventLog(maxPayloadBytes);
  return {
    log,
    maxPayloadBytes,
    putBytes: (subject, bytes) => log.putBytes(subject, bytes),
    close: async () => undefined,
  };
});

async function onServer(options?: EventLogOptions, settings = ""): Promise<LogUnderTest> {
  const server = await TestServer.start(settings);
  const bus = await connectBus({ servers: server.url, name: "contract" });
  const log = await openEventLog(bus, {}, options);
  return {
    log,
    maxPayloadBytes: bus.maxPayloadBytes,
    putBytes: (subject, bytes) => bus.connection.request(subject, bytes, { timeout: 2_000 }),
    close: async () => {
      await bus.close();
      await server.stop();
    },
  };
}

eventLogContract("on JetStream", () => onServer());

eventLogContract("on JetStream with small messages, read through a thread", () =>
  onServer({ threadFromEvents: 1 }, `max_payload: ${SMALL_PAYLOAD_BYTES}`),
);

describe("a server that is killed", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start();
  });
  afterAll(() => server.stop());

  it("loses no acknowledged event, and its followers continue without a gap or a repeat", async () => {
    const bus = await connectBus({ servers: server.url, name: "survivor" });
    const log = await openEventLog(bus);
    const seen: number[] = [];
    const stops: unknown[] = [];
    const following = await log.follow({
      fromSeq: 1,
      onEvent: (event) => void seen.push(event.seq),
      onCaughtUp: () => undefined,
      onStop: (cause) => void stops.push(cause),
    });
    const subject = eventSubject("chassis", "survivor");
    let last = 0;
    for (let version = 1; version <= 30; version += 1) {
      if (version === 10 || version === 20) {
        await server.kill();
        // The append starts while the server is down, and ends once it is up again.
        const pending = log.append(subject, cordoned("survivor", version), last);
        await server.startAgain();
        const appended = await pending;
        expect(appended.kind).toBe("appended");
        if (appended.kind === "appended") last = appended.seq;
        continue;
      }
      const appended = await log.append(subject, cordoned("survivor", version), last);
      if (appended.kind === "appended") last = appended.seq;
    }
    expect(last).toBe(30);
    await eventually("the follower has all events", () => (seen.length >= 30 ? true : undefined));
    expect(seen).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(stops).toEqual([]);
    expect(await log.read(subject, 0)).toHaveLength(30);
    await following.stop();
    await bus.close();
  });
});
