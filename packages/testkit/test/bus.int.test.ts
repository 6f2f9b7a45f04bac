/**
 * A connection heals whatever the wall clock does.
 */
import { connectBus } from "@bioxen/nats";
import { TestServer } from "@bioxen/testkit";
import { eventually } from "@bioxen/testkit/eventually";
import { afterEach, expect, it, vi } from "vitest";

const HOUR_MS = 3_600_000;

afterEach(() => {
  vi.restoreAllMocks();
});

it("a bus that connected before the clock was set back by an hour finds its server again at once", async () => {
  const server = await TestServer.start();
  const trueNow = Date.now;
  const clock = vi.spyOn(Date, "now").mockImplementation(() => trueNow() + HOUR_MS);
  const bus = await connectBus({ servers: server.url, name: "test" });
  try {
    clock.mockRestore();
    await server.kill();
    await eventually("the loss is noticed", () => (bus.connected ? undefined : true));
    await server.startAgain();
    expect(await eventually("it is connected", () => bus.connected || undefined, 5_000)).toBe(true);
  } finally {
    await bus.close();
    await server.stop();
  }
});
