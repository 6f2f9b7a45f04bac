import { describe, expect, it } from "vitest";
import { findingsOf, type ReportInput } from "./report.ts";

const HEALTHY: ReportInput = {
  chassis: [{ chassisId: "c", heartbeatAgeMs: 100, eventLoopLagMs: 3, reservedPermille: { ribosomes: 400 } }],
  waiting: [],
  impaired: [],
  services: [{ service: "lifecycle", ready: true, lagEvents: 0 }],
  fairness: 1,
  telemetryLostPermille: 0,
};
const messages = (fields: Partial<ReportInput>) =>
  findingsOf({ ...HEALTHY, ...fields }).map(({ message }) => message);

describe("a report", () => {
  it("is empty for a healthy fleet", () => {
    expect(findingsOf(HEALTHY)).toEqual([]);
  });

  it("names the bottleneck, the numbers and the affected VMs", () => {
    const refusal = { chassisId: "c", code: "CAPACITY_EXCEEDED", message: "", resource: "dnaKilobases" };
    const waiting = ["a", "b"].map((vmId, i) => ({ vmId, waitedMs: 1_000 * (i + 1), refusals: [refusal] }));
    expect(messages({ waiting })).toEqual(["2 VMs wait for dnaKilobases, the longest for 2.0 s: a, b"]);
    const unknown = { chassisId: "c", code: "UNSUPPORTED", message: "the VM asks for chassis nowhere" };
    expect(messages({ waiting: [{ vmId: "a", waitedMs: 1_000, refusals: [unknown] }] })).toEqual([
      "1 VM waits for a place, because the VM asks for chassis nowhere, the longest for 1.0 s: a",
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
      "c has sent no heartbeat for 9.0 s: it takes no VMs",
      "the agents of c were blocked for up to 700 ms",
      "c is limited by ribosomes: 96 % of the offer is reserved",
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

  it("names a process that waits for another, and a chassis that two agents are to run", () => {
    const waiting = "agent a is run by the process 7 on h";
    const refused = [{ chassisId: "c", reason: "c is run by agent b" }];
    const services = [
      { service: "chassis-agent", ready: false, lagEvents: 0, waiting, agent: { refused } },
      { service: "chassis-agent", ready: true, lagEvents: 0, agent: { refused } },
    ];
    expect(findingsOf({ ...HEALTHY, services }).map(({ about, message }) => `${about}: ${message}`)).toEqual([
      "c: c is run by agent b",
      `chassis-agent: ${waiting}`,
    ]);
  });

  it("lists outages before scarce resources", () => {
    const severities = findingsOf({
      ...HEALTHY,
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
