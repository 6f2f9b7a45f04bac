import type { ServicePorts } from "@bioxen/kernel";
import type { StoreReport } from "@bioxen/nats";
import { FakeClock } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { ProcessVitals } from "./vitals.ts";

it("the store is inspected every 10 s, and unknown after an inspection without an answer", async () => {
  const clock = new FakeClock();
  const report: StoreReport = { streams: [], foreign: [] };
  let inspections = 0;
  let isAnswered = true;
  const inspect = async () => {
    inspections += 1;
    if (!isAnswered) throw new Error("no answer");
    return report;
  };
  const samples: object[] = [];
  // Only what the vital signs read.
  const ports = {
    clock,
    timers: clock,
    log: { lastSeq: async () => 1 },
    bus: { publish: (_subject: string, sample: object) => samples.push(sample) },
  } as unknown as ServicePorts;
  const feed = { appliedSeq: 1, live: true, stopReason: undefined, unreadable: () => [] } as never;
  const vitals = new ProcessVitals(ports, "monitor", "m", feed, () => ({}), inspect);
  vitals.begin();
  await clock.advance(2_000);
  expect(vitals.store).toBe(report);
  expect(samples.at(-1)).toMatchObject({ store: { foreignStreams: 0, missingCopies: 0 } });
  await clock.advance(7_999);
  expect(inspections).toBe(1);
  isAnswered = false;
  await clock.advance(1);
  expect(inspections).toBe(2);
  expect(vitals.store).toBeUndefined();
  await clock.advance(2_000);
  expect(samples.at(-1)).not.toHaveProperty("store");
  isAnswered = true;
  await clock.advance(8_000);
  expect(vitals.store).toBe(report);
  vitals.end();
  await clock.advance(60_000);
  expect(inspections).toBe(3);
});
