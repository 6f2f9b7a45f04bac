import { describe, expect, it } from "vitest";
import { findingsOf, type ReportInput } from "./report.ts";

const WELL: ReportInput = {
  chassis: [{ chassisId: "c", heartbeatAgeMs: 100, eventLoopLagMs: 3, reservedPermille: { ribosomes: 400 } }],
  waiting: [],
  impaired: [],
  services: [{ service: "lifecycle", ready: true, lagEvents: 0 }],
  fairness: 1,
  telemetryLostPermille: 0,
};
const messages = (fields: Partial<ReportInput>) =>
  findingsOf({ ...WELL, ...fields }).map(({ message }) => message);

describe("a report", () => {
  it("finds nothing where nothing is wrong", () => {
    expect(findingsOf(WELL)).toEqual([]);
  });

  it("names the bottleneck, the numbers and who suffers", () => {
    const refusal = { chassisId: "c", code: "CAPACITY_EXCEEDED", message: "", resource: "dnaKilobases" };
    const waiting = ["a", "b"].map((vmId, i) => ({ vmId, waitedMs: 1_000 * (i + 1), refusals: [refusal] }));
    expect(messages({ waiting })).toEqual([
      "2 VMs wait for dnaKilobases, the longest of all for 2.0 s: a, b",
    ]);
    const chassis = [
      {
        chassisId: "c",
        heartbeatAgeMs: 9_000,
        eventLoopLagMs: 700,
        reservedPermille: { atpPerSecond: 10, ribosomes: 960 },
      },
    ];
    expect(messages({ chassis })).toEqual([
      "nothing was heard of c for 9.0 s: it takes no VMs",
      "the agents of c were held up for up to 700 ms",
      "ribosomes are what limits c: 96 % of the offer is given away",
    ]);
    const impaired = Array.from({ length: 7 }, (_, i) => ({
      vmId: `v${i}`,
      code: "starved",
      message: "has little",
      health: 50 - i,
    }));
    expect(messages({ impaired })).toEqual([
      "7 VMs are starved: v6, v5, v4, v3, v2 and 2 more; the worst, v6, has little",
    ]);
  });

  it("what stands still comes before what is tight", () => {
    const severities = findingsOf({
      ...WELL,
      fairness: 0.5,
      telemetryLostPermille: 100,
      services: [
        { service: "allocator", ready: false, lagEvents: null },
        { service: "monitor", ready: true, lagEvents: 5_000 },
      ],
    }).map(({ about, severity }) => `${severity} ${about}`);
    expect(severities).toEqual([
      "critical allocator",
      "warning monitor",
      "info fairness",
      "warning telemetry",
    ]);
  });
});
