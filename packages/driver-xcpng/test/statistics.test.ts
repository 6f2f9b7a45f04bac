import { describe, expect, it } from "vitest";
import { parseUpdates, secondsOf } from "../src/driver/statistics.ts";

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
