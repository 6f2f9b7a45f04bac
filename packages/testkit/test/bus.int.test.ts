/**
 * A connection recovers independently of the wall clock, and takes only replies for replies.
 */
import { type Bus, connectBus } from "@bioxen/nats";
import { TestServer } from "@bioxen/testkit";
import { eventually } from "@bioxen/testkit/eventually";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";

const HOUR_MS = 3_600_000;

afterEach(() => {
  vi.restoreAllMocks();
});

it("reconnects at once although the clock was set back by an hour since it connected", async () => {
  const server = await TestServer.start();
  const trueNow = Date.now;
  const clock = vi.spyOn(Date, "now").mockImplementation(() => trueNow() + HOUR_MS);
  const bus = await connectBus({ servers: server.url, name: "test" });
  try {
    clock.mockRestore();
    await server.kill();
    await eventually("the bus notices the loss", () => (bus.connected ? undefined : true));
    await server.startAgain();
    expect(await eventually("the bus is connected again", () => bus.connected || undefined, 5_000)).toBe(
      true,
    );
  } finally {
    await bus.close();
    await server.stop();
  }
});

describe("with a stream that stores the requests", () => {
  let server: TestServer;
  let bus: Bus;
  beforeAll(async () => {
    server = await TestServer.start();
    bus = await connectBus({ servers: server.url, name: "test" });
    const { streams } = await jetstreamManager(bus.connection);
    await streams.add({ name: "EVERYTHING", subjects: ["bioxen.cmd.>", "bioxen.qry.>"] });
  });
  afterAll(async () => {
    await bus.close();
    await server.stop();
  });
  const call = (subject: string, timeoutMs: number) =>
    bus.call(subject, {}, { timeoutMs, messageId: subject });

  it("returns the reply of the service, which comes after the acknowledgement of the stream", async () => {
    bus.connection.subscribe("bioxen.cmd.vm.slow", {
      callback: (_error, message) => void setTimeout(() => message.respond('{"ok":true,"n":1}'), 100),
    });
    expect(await call("bioxen.cmd.vm.slow", 5_000)).toEqual({ ok: true, n: 1 });
  });

  it("names the stream when no service replies", async () => {
    await expect(call("bioxen.qry.vm.get", 300)).rejects.toMatchObject({
      code: "TIMEOUT",
      retryable: true,
      message: expect.stringContaining("only stream EVERYTHING acknowledged the request"),
      details: { streams: ["EVERYTHING"] },
    });
  });

  it("throws INTERNAL when only a malformed message arrives", async () => {
    bus.connection.subscribe("bioxen.cmd.vm.odd", {
      callback: (_error, message) => void message.respond("{}"),
    });
    await expect(call("bioxen.cmd.vm.odd", 300)).rejects.toMatchObject({
      code: "INTERNAL",
      retryable: false,
    });
  });

  it("says at once that no service answers on a subject outside of that stream", async () => {
    const startedAtMs = performance.now();
    await expect(call("bioxen.agent.a.exec", 5_000)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(performance.now() - startedAtMs).toBeLessThan(2_500);
  });
});
