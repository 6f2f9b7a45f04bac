/**
 * A connection recovers independently of the wall clock.
 */
import { connectBus } from "@bioxen/nats";
import { TestServer } from "@bioxen/testkit";
import { eventually } from "@bioxen/testkit/eventually";
import { afterEach, expect, it, vi } from "vitest";

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
