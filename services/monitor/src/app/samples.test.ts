import { ALL_CHASSIS_TELEMETRY, ALL_SERVICE_TELEMETRY, type ChassisSample } from "@bioxen/contracts";
import type { HearMessage, ServicePorts } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { Samples } from "./samples.ts";

const NOW_MS = 1_700_000_000_000;

/** Returns the instant of the newest sample after samples of these instants have arrived in order. */
function newestAfter(...instants: number[]): number | undefined {
  let deliver: (payload: unknown, subject: string) => void = () => undefined;
  const bus = {
    subscribe(subject: string, onMessage: typeof deliver) {
      if (subject === ALL_CHASSIS_TELEMETRY) deliver = onMessage;
      return { stop: () => undefined };
    },
  };
  const clock = { nowMs: () => NOW_MS };
  const samples = new Samples({ bus, clock, logger: { warn: () => undefined } } as unknown as ServicePorts);
  samples.begin();
  for (const [i, atMs] of instants.entries()) {
    const sample: ChassisSample = {
      chassisId: "c",
      agentId: "a",
      atMs,
      sampleNumber: i + 1,
      guests: 0,
      strays: 0,
      eventLoopLagMs: 0,
      appliedSeq: 1,
    };
    deliver(sample, "bioxen.tel.chassis.c");
  }
  return samples.chassis.get("c")?.atMs;
}

describe("samples", () => {
  it("the sample with the later instant counts when samples overtake each other", () => {
    expect(newestAfter(NOW_MS, NOW_MS + 1_000)).toBe(NOW_MS + 1_000);
    expect(newestAfter(NOW_MS + 1_000, NOW_MS)).toBe(NOW_MS + 1_000);
  });

  it("of VMs, chassis and instances that are not known do not accumulate", () => {
    const deliver = new Map<string, (payload: unknown, subject: string) => void>();
    const bus = {
      subscribe(subject: string, onMessage: (payload: unknown, subject: string) => void) {
        deliver.set(subject, onMessage);
        return { stop: () => undefined };
      },
    };
    const clock = { nowMs: () => NOW_MS };
    const samples = new Samples({ bus, clock, logger: { warn: () => undefined } } as unknown as ServicePorts);
    samples.begin({ isKnown: (kind, id) => `${kind} ${id}` === "chassis c" });
    const chassis = {
      agentId: "a",
      atMs: 1,
      sampleNumber: 1,
      guests: 0,
      strays: 0,
      eventLoopLagMs: 0,
      appliedSeq: 1,
    };
    for (const chassisId of ["c", "invented"])
      deliver.get(ALL_CHASSIS_TELEMETRY)?.({ ...chassis, chassisId }, `bioxen.tel.chassis.${chassisId}`);
    expect([...samples.chassis.ids()]).toEqual(["c"]);
    const instance = {
      service: "monitor",
      atMs: 1,
      sampleNumber: 1,
      appliedSeq: 1,
      lagEvents: 0,
      ready: true,
      eventLoopLagMs: 0,
      cpuPermille: 0,
      residentBytes: 1,
    };
    for (let i = 0; i < 1_500; i += 1) {
      deliver.get(ALL_SERVICE_TELEMETRY)?.({ ...instance, instance: `i${i}` }, "bioxen.tel.service.monitor");
    }
    expect(samples.services.size).toBe(1_000);
    samples.dropSilentServices(NOW_MS + 60_000);
    expect(samples.services.size).toBe(0);
  });

  it("count only from the agent that runs the chassis, and on their own subject", () => {
    let deliver: HearMessage = () => undefined;
    const bus = {
      subscribe(subject: string, onMessage: HearMessage) {
        if (subject === ALL_CHASSIS_TELEMETRY) deliver = onMessage;
        return { stop: () => undefined };
      },
    };
    const clock = { nowMs: () => NOW_MS };
    const samples = new Samples({ bus, clock, logger: { warn: () => undefined } } as unknown as ServicePorts);
    samples.begin({ isFrom: (agentId) => agentId === "local" });
    const rest = { atMs: 1, sampleNumber: 1, guests: 0, strays: 0, eventLoopLagMs: 0, appliedSeq: 1 };
    const hear = (chassisId: string, agentId: string, sender: string | undefined, subject = chassisId) =>
      deliver({ ...rest, chassisId, agentId }, `bioxen.tel.chassis.${subject}`, sender);
    hear("other-sender", "local", "far");
    hear("other-agent", "far", "far");
    hear("other-subject", "local", "local", "x");
    expect([...samples.chassis.ids()]).toEqual([]);
    hear("own", "local", "local");
    hear("open", "local", undefined);
    expect([...samples.chassis.ids()]).toEqual(["own", "open"]);
  });

  it("a sample from a clock that was set back by minutes counts as new", () => {
    expect(newestAfter(NOW_MS + 600_000, NOW_MS)).toBe(NOW_MS);
  });
});
