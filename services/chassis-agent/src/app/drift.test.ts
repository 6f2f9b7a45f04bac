/**
 * What others did is told in order, once, and before anything is done about it.
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
  const told: Report[] = [];
  const drift = new Drift("accept", { nowMs: () => clock.now } as Clock, async (report) => {
    if (!taken()) throw new Error("not taken");
    told.push(report);
  });
  const words = () => told.map(({ outside }) => `${outside?.seen} ${outside?.seenAtMs}`);
  return { clock, drift, told, words };
}

describe("what others did", () => {
  it("is told in order with growing times, also when the clock is set back, and once", async () => {
    const { clock, drift, told, words } = rig();
    drift.note(seen("paused"));
    drift.note(seen("resumed"));
    clock.now = 10;
    drift.note({ ...seen("moved"), fromHost: "h1", toHost: "h2" });
    await drift.tell("a");
    await drift.tell("a");
    await drift.tell("b");
    expect(words()).toEqual(["paused 5000", "resumed 5001", "moved 5002"]);
    expect(told.at(-1)).toEqual({
      vmId: "a",
      fence: 9,
      observed: "outside-change",
      outside: { seen: "moved", seenAtMs: 5_002, drift: "accept", fromHost: "h1", toHost: "h2" },
    });
  });

  it("is told again until it is taken; of very many changes the latest count", async () => {
    let isTaken = false;
    const { drift, words } = rig(() => isTaken);
    for (let i = 0; i < 20; i += 1) drift.note(seen(i % 2 === 0 ? "paused" : "resumed"));
    await expect(drift.tell("a")).rejects.toThrow("not taken");
    isTaken = true;
    await drift.tell("a");
    expect(words()).toHaveLength(16);
    expect(words().at(-1)).toBe("resumed 5019");
  });
});
