import { describe, expect, it } from "vitest";
import { parseUpdates, Statistics, secondsOf } from "../src/driver/statistics.ts";
import type { XapiClient } from "../src/xapi/client.ts";
import { XapiError } from "../src/xapi/errors.ts";
import { NULL_REF } from "../src/xapi/ref.ts";
import { inventoryWith, recordOf } from "./pool-records.ts";

const legend = ["AVERAGE:vm:u1:cpu0", "AVERAGE:vm:u1:cpu1", "AVERAGE:vm:u1:memory", "AVERAGE:host:h:loadavg"];

describe("statistics of a host", () => {
  it("uses the newest row and accepts numbers as text", () => {
    const rows = [
      { t: 100, values: ["0.1", "0.3", "1024", "1"] },
      { t: 105, values: ["0.2", "0.4", "2048", "1"] },
    ];
    const body = JSON.stringify({ meta: { legend, end: 105 }, data: rows });
    const expected = { atSeconds: 105, memoryBytes: 2_048, freeKiB: null };
    expect(parseUpdates(body).get("u1")).toMatchObject(expected);
    expect(parseUpdates(body).get("u1")?.cpu).toBeCloseTo(0.3);
    expect([...parseUpdates(body).keys()]).toEqual(["u1"]);
  });

  it("reads NaN as not measured, with or without quotes, although a bare NaN is not valid JSON", () => {
    for (const nan of ["NaN", '"NaN"', "-Infinity"]) {
      const body = `{"meta":{"legend":${JSON.stringify(legend)},"end":5},"data":[{"t":5,"values":[${nan}, 0.5,${nan},1]}]}`;
      expect(parseUpdates(body).get("u1")).toEqual({
        atSeconds: 5,
        cpu: 0.5,
        memoryBytes: null,
        freeKiB: null,
      });
    }
  });

  it("reads instants in XAPI's format", () => {
    expect(secondsOf("20260131T12:00:00Z")).toBe(Date.UTC(2026, 0, 31, 12) / 1000);
  });
});

it("a machine that stops while it is measured is no trouble, and the others are measured", async () => {
  const records = Object.fromEntries(
    ["x1", "x2"].map((vmId) => [
      vmId,
      recordOf(vmId, 20, {
        guest_metrics: `guest-${vmId}`,
        metrics: `metrics-${vmId}`,
        resident_on: NULL_REF,
      }),
    ]),
  );
  const { inventory } = await inventoryWith(records);
  const call = async (method: string, [ref]: readonly string[]) => {
    if (ref === "guest-x1") throw new XapiError("HANDLE_INVALID", ["VM_guest_metrics", ref], method);
    if (method === "VM_metrics.get_record") return { start_time: "20260131T12:00:00Z", VCPUs_number: 1 };
    return { networks: { "0/ip": "10.0.0.2" } };
  };
  const statistics = new Statistics({ call } as unknown as XapiClient, inventory);
  await statistics.poll();
  const addresses = inventory.allOwn().map((vm) => [vm.tags.vmId, statistics.sample(vm).machine.address]);
  expect(addresses).toEqual([
    ["x1", null],
    ["x2", "10.0.0.2"],
  ]);
});
