/**
 * Alerts about what a monitor finds on the server: streams of other owners and missing copies.
 */
import { type ServiceSample, serviceTelemetrySubject } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { AlertWorld, TAKEOVER_MS } from "./alert-world.ts";

it("an alert is raised about the store, of which the samples of a monitor tell", async () => {
  const world = new AlertWorld();
  await world.livingChassis("c");
  const one = await world.start();
  await world.clock.advance(TAKEOVER_MS);
  let sampleNumber = 0;
  const report = async (store: ServiceSample["store"], seconds: number) => {
    for (let i = 0; i < seconds; i += 1) {
      sampleNumber += 1;
      const [atMs, appliedSeq] = [world.clock.nowMs(), 1];
      const process = { ready: true, lagEvents: 0, eventLoopLagMs: 0, cpuPermille: 1, residentBytes: 1 };
      const sample = { service: "monitor", instance: "m", atMs, sampleNumber, appliedSeq, ...process };
      world.publish(serviceTelemetrySubject("monitor"), {
        ...sample,
        ...(store === undefined ? {} : { store }),
      });
      await world.clock.advance(1_000);
    }
  };
  await report({ foreignStreams: 0, missingCopies: 0 }, 2);
  await report({ foreignStreams: 1, missingCopies: 2 }, 3);
  expect(await one.ask("alertList", {})).toMatchObject({
    active: [{ ruleId: "foreign-stream", target: "log", value: 1 }],
  });
  await report({ foreignStreams: 0, missingCopies: 2 }, 30);
  expect(await one.ask("alertList", {})).toMatchObject({
    active: [{ ruleId: "copies-missing", target: "log", value: 2, severity: "critical" }],
  });
  // The server did not answer: what was raised stays.
  await report(undefined, 3);
  expect(await one.ask("alertList", {})).toMatchObject({ activeTotal: 1 });
  await report({ foreignStreams: 0, missingCopies: 0 }, 2);
  expect(await one.ask("alertList", {})).toMatchObject({ activeTotal: 0 });
});
