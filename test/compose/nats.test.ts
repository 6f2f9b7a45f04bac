/**
 * The event log on a NATS server in a container: it keeps the contract of every event log, and a restart of the
 * container loses no event.
 */
import { eventSubject } from "@bioxen/contracts";
import { connectBus, openEventLog } from "@bioxen/nats";
import { cordoned, eventLogContract, eventually } from "@bioxen/testkit";
import { GenericContainer, type StartedTestContainer, Wait } from "testcontainers";
import { expect, it } from "vitest";
import { freePort, NATS_IMAGE, whyNoEngine } from "./engine.ts";

const whyNot = await whyNoEngine();
if (whyNot !== undefined) console.log(`NATS in a container is skipped: ${whyNot}`);

interface ContainedServer {
  readonly container: StartedTestContainer;
  readonly url: string;
}

async function startServer(): Promise<ContainedServer> {
  const port = await freePort();
  const container = await new GenericContainer(NATS_IMAGE)
    .withCommand(["-js", "-sd", "/data", "-m", "8222"])
    .withExposedPorts({ container: 4222, host: port })
    .withHealthCheck({
      test: ["CMD", "wget", "-q", "-O", "-", "http://127.0.0.1:8222/healthz?js-enabled-only=true"],
      interval: 500,
      timeout: 2_000,
      retries: 60,
    })
    .withWaitStrategy(Wait.forHealthCheck())
    .start();
  return { container, url: `nats://127.0.0.1:${port}` };
}

if (whyNot === undefined) {
  eventLogContract("on a NATS server in a container", async () => {
    const { container, url } = await startServer();
    const bus = await connectBus({ servers: url, name: "compose-contract" });
    return {
      log: await openEventLog(bus),
      maxPayloadBytes: bus.maxPayloadBytes,
      putBytes: (subject, bytes) => bus.connection.request(subject, bytes, { timeout: 2_000 }),
      close: async () => {
        await bus.close();
        await container.stop();
      },
    };
  });
}

it.skipIf(whyNot !== undefined)(
  "a restart of the container loses no event, and the log accepts further events",
  async () => {
    const { container, url } = await startServer();
    const bus = await connectBus({ servers: url, name: "compose-restart" });
    const log = await openEventLog(bus);
    const subject = eventSubject("chassis", "ecoli-1");
    let last = 0;
    for (let version = 1; version <= 20; version += 1) {
      const appended = await log.append(subject, cordoned("ecoli-1", version), last);
      if (appended.kind !== "appended") throw new Error("conflict, although this test is the only writer");
      last = appended.seq;
    }
    await container.restart();
    const seen: number[] = [];
    const following = await log.follow({
      fromSeq: 1,
      onEvent: ({ seq }) => seen.push(seq),
      onCaughtUp: () => undefined,
      onStop: () => undefined,
    });
    await eventually("the follower reads all 20 events", async () => (seen.length >= 20 ? true : undefined));
    expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect(await log.append(subject, cordoned("ecoli-1", 21), last)).toMatchObject({
      kind: "appended",
      seq: 21,
    });
    await following.stop();
    await bus.close();
    await container.stop();
  },
);
