import { ALL_CHASSIS_TELEMETRY, type ChassisSample } from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { Samples } from "./samples.ts";

const NOW_MS = 1_700_000_000_000;

/** The instants kept after samples with these were heard. */
function keptAfter(...instants: number[]): number | undefined {
  let hear: (payload: unknown, subject: string) => void = () => undefined;
  const bus = {
    subscribe(subject: string, onMessage: typeof hear) {
      if (subject === ALL_CHASSIS_TELEMETRY) hear = onMessage;
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
    hear(sample, "");
  }
  return samples.chassis.get("c")?.atMs;
}

describe("samples", () => {
  it("the younger counts when two overtake each other", () => {
    expect(keptAfter(NOW_MS, NOW_MS + 1_000)).toBe(NOW_MS + 1_000);
    expect(keptAfter(NOW_MS + 1_000, NOW_MS)).toBe(NOW_MS + 1_000);
  });

  it("a clock that was set back is believed: waiting for it to catch up would show nothing for as long", () => {
    expect(keptAfter(NOW_MS + 600_000, NOW_MS)).toBe(NOW_MS);
  });
});
