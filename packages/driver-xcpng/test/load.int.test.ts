/**
 * Starts 200 machines on a pool that takes 50 ms per call. The limit of calls in flight holds, and no slot is ever
 * idle.
 */

import type { FakeXapi } from "@bioxen/fake-xapi";
import { expect, it } from "vitest";
import { clientOf } from "./connect.ts";
import { machineSpec, withDriver } from "./fleet.ts";

const MACHINES = 200;
const CALL_MS = 50;
const CAP = 8;
const LIMITS = { maxInFlight: CAP, unitsPerSecond: 100_000 };
/** Accepted duration, as a multiple of the time that the calls alone take at this limit. */
const MOST_OF_IDEAL = 1.3;

/** Number of plain reads that measure the present cost of a call at the limit. */
const PROBE_CALLS = 240;

/** Duration of one call at the limit, ms: CALL_MS / CAP on an idle machine, more on a busy one. */
async function costOfCall(fake: FakeXapi): Promise<number> {
  const client = clientOf(fake, { limits: LIMITS, callTimeoutMs: 60_000 });
  await client.session();
  const began = performance.now();
  await Promise.all(Array.from({ length: PROBE_CALLS }, () => client.call("pool.get_all_records", [])));
  const tookMs = performance.now() - began;
  await client.close();
  return tookMs / PROBE_CALLS;
}

it("200 machines start within 1.3 times the duration of their calls at the limit", {
  timeout: 300_000,
}, async () => {
  await withDriver(
    async ({ fake, driver }) => {
      const { statistics } = fake;
      const costBefore = await costOfCall(fake);
      const callsBefore = statistics.total;
      const began = performance.now();
      const allocation = { vcpus: 1, memoryMiB: 128 };
      await Promise.all(
        Array.from({ length: MACHINES }, (_, i) => driver.start(machineSpec(`x${i}`, i + 1, { allocation }))),
      );
      const tookMs = performance.now() - began;
      const waits = statistics.byMethod.get("event.from") ?? 0;
      const calls = statistics.total - callsBefore - waits;
      // The slower of both measurements, because the load of other processes varies.
      const cost = Math.max(costBefore, await costOfCall(fake));
      const idealMs = calls * cost;
      console.log(
        `${MACHINES} machines, ${calls} calls (${(calls / MACHINES).toFixed(1)} each): ${tookMs.toFixed(0)} ms, ideal ${idealMs.toFixed(0)} ms, ${(tookMs / idealMs).toFixed(2)} times; ${(calls * CALL_MS) / CAP} ms on an idle machine`,
      );
      expect(statistics.mostInFlight).toBe(CAP);
      expect(driver.list().filter(({ state }) => state === "running")).toHaveLength(MACHINES);
      expect(tookMs).toBeLessThan(idealMs * MOST_OF_IDEAL);
    },
    { callMs: CALL_MS, hosts: 4, storageGiB: 10_000 },
    { limits: LIMITS, callTimeoutMs: 60_000, statisticsIntervalMs: 3_600_000 },
  );
});
