/**
 * The lease contract on both stores; the one in memory runs on a fake clock.
 */
import { connectBus, KvLeaseStore, LEASE_BUCKET } from "@bioxen/nats";
import { eventually, FakeClock, leasesContract, MemoryLeaseStore, TestServer } from "../src/index.ts";

/** Step of the fake clock, ms. It is shorter than every wait of a lease, so no moment with two holders is skipped. */
const STEP_MS = 50;

leasesContract("in memory", async () => {
  const clock = new FakeClock();
  const store = new MemoryLeaseStore();
  return {
    store,
    clock,
    timers: clock,
    monotonicMs: () => clock.nowMs(),
    until: async (what, look, withinMs) => {
      const deadlineMs = clock.nowMs() + withinMs;
      for (;;) {
        const seen = look();
        if (seen !== undefined) return seen;
        if (clock.nowMs() > deadlineMs) throw new Error(`not within ${withinMs} ms: ${what}`);
        await clock.advance(STEP_MS);
      }
    },
    forget: () => store.forget(),
    close: async () => undefined,
  };
});

leasesContract("in a KV bucket", async () => {
  const server = await TestServer.start();
  const bus = await connectBus({ servers: server.url, name: "leases" });
  return {
    store: new KvLeaseStore(bus),
    clock: { nowMs: () => Date.now() },
    timers: {
      after: (delayMs, callback) => {
        const timer = setTimeout(callback, delayMs);
        return { cancel: () => clearTimeout(timer) };
      },
      every: (intervalMs, callback) => {
        const timer = setInterval(callback, intervalMs);
        return { cancel: () => clearInterval(timer) };
      },
    },
    monotonicMs: () => performance.now(),
    until: eventually,
    forget: () => bus.connection.request(`$JS.API.STREAM.DELETE.KV_${LEASE_BUCKET}`),
    close: async () => {
      await bus.close();
      await server.stop();
    },
  };
});
