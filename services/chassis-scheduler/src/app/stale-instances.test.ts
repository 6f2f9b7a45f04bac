/**
 * Commands at an instance whose folds are behind the log: the log counts.
 */
import { ENDPOINTS, type EndpointName, type ServedEndpoint } from "@bioxen/contracts";
import type { Causation, ServicePorts } from "@bioxen/kernel";
import { FakeClock, idsInOrder, MemoryEventLog } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { createChassisScheduler } from "./service.ts";

/** Two instances on one log without a feed: each reads an aggregate only when a command refreshes it. */
function instances() {
  const log = new MemoryEventLog();
  const clock = new FakeClock();
  let commands = 0;
  return ["one", "other"].map((name) => {
    const ports = { log, clock, timers: clock, ids: idsInOrder(name) } as unknown as ServicePorts;
    const { endpoints } = createChassisScheduler(ports, { monotonicMs: () => clock.nowMs() });
    const served = new Map<string, ServedEndpoint>(endpoints.map((one) => [one.endpoint.subject, one]));
    return (endpoint: EndpointName, request: object = {}) => {
      commands += 1;
      const causeId = `command-${commands}`;
      const causation: Causation = { causeId, correlationId: causeId, deduplicate: true };
      const { subject, request: schema } = ENDPOINTS[endpoint];
      return served.get(subject)?.handle(schema.parse({ chassisId: "c", ...request }) as never, causation);
    };
  }) as [Ask, Ask];
}
type Ask = (endpoint: EndpointName, request?: object) => Promise<unknown> | unknown;

it("uncordon succeeds at an instance that has not read the cancellation of the drain yet", async () => {
  const [one, other] = instances();
  await one("chassisRegister", { chassisType: "ecoli", agentId: "a" });
  await one("chassisDrain");
  expect(await other("chassisUncordon")).toMatchObject({ ok: false, rejection: { code: "CONFLICT" } });
  expect(await one("chassisCancelDrain")).toMatchObject({ ok: true, result: { changed: true } });
  expect(await other("chassisUncordon")).toMatchObject({ ok: true, result: { changed: true } });
});
