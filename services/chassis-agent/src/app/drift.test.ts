/**
 * Changes outside BioXen are reported in order, and each once.
 */
import type { Clock } from "@bioxen/kernel";
import type { GuestEvent, OutsideChange } from "@bioxen/vm-driver";
import { describe, expect, it } from "vitest";
import { Drift } from "./drift.ts";
import type { Report } from "./reports.ts";

const seen = (change: OutsideChange, vmId = "a"): Extract<GuestEvent, { kind: "observed" }> => ({
  kind: "observed",
  vmId,
  fence: 9,
  seen: change,
});

function rig(taken: () => boolean = () => true) {
  const clock = { now: 5_000 };
  const sent: Report[] = [];
  const drift = new Drift("accept", { nowMs: () => clock.now } as Clock, async (report) => {
    if (!taken()) throw new Error("not taken");
    sent.push(report);
  });
  const words = () => sent.map(({ outside }) => `${outside?.seen} ${outside?.seenAtMs}`);
  return { clock, drift, sent, words };
}

describe("changes outside BioXen", () => {
  it("are reported once each, in order and with increasing times, even if the clock is set back", async () => {
    const { clock, drift, sent, words } = rig();
    drift.note(seen("paused"));
    drift.note(seen("resumed"));
    clock.now = 10;
    drift.note({ ...seen("moved"), fromHost: "h1", toHost: "h2" });
    await drift.report("a");
    await drift.report("a");
    await drift.report("b");
    expect(words()).toEqual(["paused 5000", "resumed 5001", "moved 5002"]);
    expect(sent.at(-1)).toEqual({
      vmId: "a",
      fence: 9,
      observed: "outside-change",
      outside: { seen: "moved", seenAtMs: 5_002, drift: "accept", fromHost: "h1", toHost: "h2" },
    });
  });

  it("are repeated until they are taken; only the latest 16 of a VM are kept", async () => {
    let isTaken = false;
    const { drift, words } = rig(() => isTaken);
    for (let i = 0; i < 20; i += 1) drift.note(seen(i % 2 === 0 ? "paused" : "resumed"));
    await expect(drift.report("a")).rejects.toThrow("not taken");
    isTaken = true;
    await drift.report("a");
    expect(words()).toHaveLength(16);
    expect(words().at(-1)).toBe("resumed 5019");
  });
});
