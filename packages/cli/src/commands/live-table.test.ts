import type { VmSample, VmView } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { width } from "../screen.ts";
import { liveTable, repaint, withinRows } from "./live-table.ts";

const LONG_ID = "a-cell-with-an-id-of-the-greatest-length-that-an-id-can-have-001";

const vm = { vmId: LONG_ID, state: "running", chassisId: "ecoli-1" } as unknown as VmView;
const sample = {
  vmId: LONG_ID,
  doublingTimeMinutes: 105,
  ribosomes: { engaged: 402.4, total: 410, cap: 503 },
  atp: { perSecond: 9_000, capPerSecond: 13_247 },
  divisions: 3,
  simMinutes: 330,
} as unknown as VmSample;

describe("the live table", () => {
  it("fits the terminal: it omits columns, and keeps cell, state, doubling time and simulated time", () => {
    for (const columns of [60, 80, 120]) {
      const lines = liveTable([vm], [sample], columns).split("\n");
      expect(lines).toHaveLength(2);
      for (const line of lines) expect(width(line)).toBeLessThanOrEqual(columns);
      for (const part of ["running", "105.0 min", "5 h 30 min", "…"]) expect(lines[1]).toContain(part);
    }
  });

  it("is repainted over the rows that it takes, also after the terminal became narrower", () => {
    expect(repaint("", 80)).toBe("");
    expect(repaint("one\ntwo", 80)).toBe("\u001b[2A\r\u001b[J");
    expect(repaint(`${"x".repeat(70)}\ntwo`, 60)).toBe("\u001b[3A\r\u001b[J");
  });

  it("never has more rows than the terminal", () => {
    const text = Array.from({ length: 50 }, (_, i) => `line ${i}`).join("\n");
    const lines = withinRows(text, 24).split("\n");
    expect(lines).toHaveLength(23);
    expect(lines.at(-1)).toBe("… and 28 more");
    expect(withinRows("one\ntwo", 24)).toBe("one\ntwo");
  });
});
