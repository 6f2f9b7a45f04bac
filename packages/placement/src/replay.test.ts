/**
 * A replay is reproducible, shows no difference without different options, and never gets better with fewer chassis.
 */
import { readFileSync } from "node:fs";
import { type Chassis, decodeEvent } from "@bioxen/contracts";
import type { StoredEvent } from "@bioxen/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planPlacements, type ReplayOptions, type ReplayReport, replayDemand } from "./index.ts";

/** Builds a log. `at` is the time since its beginning, ms. */
class Log {
  readonly events: StoredEvent[] = [];

  add(at: number, subject: string, type: string, data: object): this {
    const seq = this.events.length + 1;
    const [kind] = subject.split("/");
    const envelope = {
      id: `e${seq}`,
      type: `bioxen.${kind}.${type}`,
      subject,
      time: new Date(1_000_000 + at).toISOString(),
      aggregateversion: seq,
      data,
    };
    this.events.push({ seq, streamSubject: "", digest: "", envelope } as unknown as StoredEvent);
    return this;
  }

  chassis(at: number, id: string, ribosomes = 100, maxVms = 100): this {
    return this.add(at, `chassis/${id}`, "registered.v1", {
      chassisType: "ecoli",
      capacity: { ribosomes },
      overheadPermille: 0,
      maxVms,
      labels: {},
      agentId: "a",
    });
  }

  vm(id: string, ribosomes: number, placement: object = {}, priority = 1): this {
    const data = { incarnation: 1, vmType: "basic", request: { ribosomes }, placement, priority };
    return this.add(0, `vm/${id}`, "created.v1", data);
  }

  start(at: number, id: string): this {
    return this.add(at, `vm/${id}`, "start-requested.v1", { automatic: false });
  }

  placed(at: number, id: string, chassisId: string): this {
    return this.add(at, `vm/${id}`, "placed.v1", { chassisId, fence: 1, allocation: {} });
  }

  stop(at: number, id: string): this {
    this.add(at, `vm/${id}`, "stop-requested.v1", { destroy: false });
    return this.add(at, `vm/${id}`, "stopped.v1", { reason: "x" });
  }

  replay(options: ReplayOptions = {}): ReplayReport {
    return replayDemand(this.events, options);
  }
}

/** The chassis in the alternative of every VM that got another chassis than in the baseline. */
const moves = (report: ReplayReport) =>
  Object.fromEntries(report.differences.map((d) => [d.vmId, d.alternative?.chassisId ?? null]));

describe("a replay", () => {
  it("places where the log did, waits as long, and measures the use", () => {
    const log = new Log().chassis(0, "a").chassis(0, "b").vm("x", 60).vm("y", 60).vm("z", 60);
    for (const id of ["x", "y", "z"]) log.start(1_000, id);
    log.placed(1_003, "x", "a").placed(1_003, "y", "b");
    log.stop(5_000, "x").placed(5_002, "z", "a").stop(11_000, "y");
    const { recorded, baseline, reproduction } = log.replay();
    expect(reproduction).toEqual({ demands: 3, sameChassis: 3, permille: 1_000, waitDifferenceMs: -2 });
    expect(baseline).toMatchObject({ demands: 3, placed: 3, unplaced: 0, longestWaitMs: 4_002 });
    expect(recorded).toMatchObject({ totalWaitMs: 3 + 3 + 4_002, evictions: 0 });
    expect(baseline.chassis).toMatchObject([
      {
        chassisId: "a",
        presentMs: 11_000,
        meanPermille: { ribosomes: 545 },
        peakPermille: { ribosomes: 600 },
      },
      { chassisId: "b", presentMs: 11_000, meanPermille: { ribosomes: 545 }, peakVms: 1 },
    ]);
  });

  it("reports how close it comes to what really happened", () => {
    const log = new Log().chassis(0, "a").chassis(0, "b").vm("x", 60).vm("y", 10);
    log.start(1_000, "x").start(1_000, "y").placed(1_010, "x", "b").placed(1_010, "y", "b");
    expect(log.replay().reproduction).toMatchObject({ demands: 2, sameChassis: 0, permille: 0 });
  });

  it("spreads VMs that were packed, and keeps the policy that a VM names", () => {
    const log = new Log().chassis(0, "a").chassis(0, "b").vm("x", 10).vm("y", 10);
    log.vm("z", 10, { policy: "bin-pack" }).start(10, "x").start(20, "y").start(30, "z");
    expect(moves(log.replay({ policy: "spread" }))).toEqual({ y: "b" });
    expect(moves(log.replay({ recordedPolicy: "spread", policy: "bin-pack" }))).toEqual({ y: "a" });
  });

  it("adds chassis, so that a VM that waited waits no longer", () => {
    const log = new Log()
      .chassis(0, "a", 10)
      .vm("x", 10)
      .vm("y", 10)
      .start(10, "x")
      .start(10, "y")
      .stop(900, "x");
    const report = log.replay({ withChassis: [{ chassisType: "ecoli", count: 1 }] });
    expect(moves(report)).toEqual({ y: "what-if-ecoli-1" });
    expect(report.alternative.totalWaitMs).toBeLessThan(report.baseline.totalWaitMs);
  });

  it("begins at a given event, keeps earlier placements, and moves VMs of chassis that the options remove", () => {
    const log = new Log().chassis(0, "a").chassis(0, "b").vm("x", 10).vm("y", 10);
    log.start(10, "x").placed(12, "x", "b").start(1_000, "y").placed(1_002, "y", "b");
    const report = log.replay({ fromSeq: 7, withoutChassis: ["b"] });
    expect(report.baseline).toMatchObject({ demands: 1, placed: 1 });
    expect(report.baseline.chassis.map((c) => [c.chassisId, c.peakVms])).toEqual([
      ["a", 0],
      ["b", 2],
    ]);
    expect(report.alternative).toMatchObject({ demands: 2, placed: 2, evictions: 1 });
    expect(moves(report)).toEqual({ x: "a", y: "a" });
  });

  it("evicts the VMs of a chassis that is removed, and places none on a cordoned chassis", () => {
    const log = new Log().chassis(0, "a").chassis(0, "b").vm("x", 10).vm("y", 10);
    log.add(5, "chassis/a", "cordoned.v1", {}).start(10, "x").placed(12, "x", "b");
    log.add(20, "chassis/a", "uncordoned.v1", {}).add(50, "chassis/b", "removed.v1", {}).start(60, "y");
    const { baseline } = log.replay();
    expect(baseline).toMatchObject({ demands: 3, placed: 3, evictions: 1 });
    expect(baseline.chassis.map((c) => [c.chassisId, c.peakVms])).toEqual([
      ["a", 2],
      ["b", 1],
    ]);
  });

  it("resizes a VM where room is free, and counts the resizes without room", () => {
    const log = new Log().chassis(0, "a", 100).chassis(0, "b", 20).vm("x", 10).start(10, "x");
    log.add(50, "vm/x", "resized.v1", { request: { ribosomes: 50 }, allocation: { ribosomes: 50 } });
    expect(log.replay().baseline.refusedResizes).toBe(1);
    expect(log.replay({ withoutChassis: ["b"] }).alternative).toMatchObject({
      refusedResizes: 0,
      chassis: [{ peakPermille: { ribosomes: 500 } }],
    });
  });

  it("places a displaced VM again, and ends the wait of a VM that withdraws", () => {
    const log = new Log().chassis(0, "a", 10).vm("x", 10).vm("y", 10, {}, 5).start(10, "x").start(500, "y");
    log.add(700, "vm/x", "displaced.v2", { fence: 1, chassisId: "a", code: "RESERVATION_ENDED", reason: "" });
    log.stop(900, "x").stop(2_000, "y");
    const { baseline } = log.replay();
    expect(baseline).toMatchObject({ demands: 3, placed: 2, unplaced: 1 });
    expect(baseline.totalWaitMs).toBe(2 + 202 + 200);
    const late = new Log().chassis(0, "a", 10).vm("x", 10).vm("y", 10).start(10, "x").start(20, "y");
    late.add(50, "vm/y", "stop-requested.v1", { destroy: false }).stop(60, "x");
    late.add(100, "vm/y", "stopped.v1", { reason: "it had no guest" });
    expect(late.replay().baseline).toMatchObject({ placed: 1, totalWaitMs: 2 + 30 });
  });

  it("shows preemptions in the recorded cluster only, because they are decisions of the recorded scheduler", () => {
    const log = new Log()
      .chassis(0, "a", 10)
      .vm("x", 10)
      .vm("y", 5, {}, 5)
      .start(10, "x")
      .placed(11, "x", "a");
    const forY = { by: "y", byPriority: 5, reason: "" };
    log.start(100, "y");
    log.add(110, "vm/x", "preempted.v1", { mode: "starve", fence: 1, ...forY, allocation: { ribosomes: 5 } });
    log.placed(120, "y", "a").stop(300, "y");
    log.add(310, "vm/x", "reinstated.v1", { fence: 1, allocation: { ribosomes: 10 }, state: "running" });
    log
      .add(400, "vm/x", "displaced.v2", { fence: 1, chassisId: "a", code: "PREEMPTED", ...forY })
      .stop(500, "x");
    const { recorded, baseline } = log.replay();
    expect(recorded).toMatchObject({
      demands: 3,
      placed: 2,
      unplaced: 1,
      chassis: [{ peakPermille: { ribosomes: 1_000 } }],
    });
    expect(baseline).toMatchObject({ demands: 2, placed: 1, unplaced: 1 });
  });
});

/** Equal VMs that start and stop, on equal chassis. */
const uniform = fc
  .record({
    chassis: fc.integer({ min: 1, max: 4 }),
    slots: fc.integer({ min: 1, max: 3 }),
    lives: fc.array(fc.tuple(fc.nat(60), fc.nat(60), fc.boolean()), { maxLength: 24 }),
  })
  .map(({ chassis, slots, lives }) => {
    const log = new Log();
    for (let i = 0; i < chassis; i += 1) log.chassis(0, `c${i}`, slots * 10);
    for (const i of lives.keys()) log.vm(`vm-${i}`, 10);
    const acts = lives.flatMap(([from, length, ends], i) => {
      const start = { at: 10 + from, does: () => log.start(10 + from, `vm-${i}`) };
      const stop = { at: 11 + from + length, does: () => log.stop(11 + from + length, `vm-${i}`) };
      return ends ? [start, stop] : [start];
    });
    for (const { does } of acts.sort((a, b) => a.at - b.at)) does();
    return { log, chassis };
  });

describe("a replay of any log", () => {
  it("gives the same report byte for byte, and no difference without options", () => {
    fc.assert(
      fc.property(uniform, ({ log }) => {
        const options = { policy: "spread", withoutChassis: ["c0"] } as const;
        expect(JSON.stringify(log.replay(options))).toBe(JSON.stringify(log.replay(options)));
        const { differences, baseline, alternative } = log.replay();
        expect(differences).toEqual([]);
        expect(alternative).toEqual(baseline);
      }),
    );
  });

  it("shows no difference without a chassis that was empty all the time", () => {
    fc.assert(
      fc.property(uniform, ({ log }) => {
        const empty = log.replay().baseline.chassis.filter((chassis) => chassis.peakVms === 0);
        for (const { chassisId } of empty) {
          expect(log.replay({ withoutChassis: [chassisId] }).differences).toEqual([]);
        }
      }),
    );
  });

  it("places a burst of any size as one plan does", () => {
    const vm = fc.record({ n: fc.integer({ min: 1, max: 4 }), p: fc.integer({ min: 1, max: 5 }) });
    fc.assert(
      fc.property(fc.array(vm, { maxLength: 40 }), fc.array(fc.nat(9), { maxLength: 4 }), (vms, sizes) => {
        const log = new Log();
        for (const [i, size] of sizes.entries()) log.chassis(0, `c${i}`, size);
        for (const [i, { n, p }] of vms.entries()) log.vm(`vm-${i}`, n, {}, p);
        for (const i of vms.keys()) log.start(1_000, `vm-${i}`);
        const waiting = vms.map(({ n, p }, i) => ({
          vmId: `vm-${i}`,
          incarnation: 1,
          vmType: "basic" as const,
          request: { ribosomes: n },
          placement: {},
          labels: {},
          priority: p,
          waitingSinceMs: 1_000,
        }));
        const rooms = sizes.map((ribosomes, i) => ({
          chassisId: `c${i}`,
          chassis: { chassisType: "ecoli", capacity: {} } as Chassis,
          offered: { ribosomes },
          room: { free: { ribosomes }, placesLeft: 100 },
        }));
        for (const { vm: one, chassisId } of planPlacements(waiting, rooms).placements) {
          log.placed(1_002, one.vmId, chassisId);
        }
        expect(log.replay().reproduction).toEqual({
          demands: vms.length,
          sameChassis: vms.length,
          permille: 1_000,
          waitDifferenceMs: 0,
        });
      }),
    );
  });

  it("never lets equal VMs wait less on fewer equal chassis, under either policy", () => {
    fc.assert(
      fc.property(uniform, fc.constantFrom("bin-pack", "spread"), ({ log, chassis }, policy) => {
        let before = -1;
        for (let gone = 0; gone <= chassis; gone += 1) {
          const withoutChassis = Array.from({ length: gone }, (_, i) => `c${i}`);
          const { totalWaitMs } = log.replay({ policy, withoutChassis }).alternative;
          expect(totalWaitMs).toBeGreaterThanOrEqual(before);
          before = totalWaitMs;
        }
      }),
    );
  });
});

describe("a replay of a log from a real stack", () => {
  const file = new URL("../../../test/data/log-v1.jsonl", import.meta.url);
  const events = readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { seq: number; subject: string; payload: string })
    .map(({ seq, subject, payload }) => decodeEvent(new TextEncoder().encode(payload), seq, subject));

  it("reproduces every placement", () => {
    const { reproduction, recorded, baseline } = replayDemand(events);
    expect(reproduction).toMatchObject({ demands: 18, sameChassis: 18 });
    expect(Math.abs(reproduction.waitDifferenceMs)).toBeLessThan(recorded.totalWaitMs / 20);
    expect(baseline.chassis.map((c) => c.peakVms)).toEqual(recorded.chassis.map((c) => c.peakVms));
  });

  it("finds no place for large cells without the yeast chassis, and lets none wait with a second one", () => {
    const large = replayDemand(events, { withoutChassis: ["yeast-1"] });
    const unplaced = large.differences.filter((d) => d.alternative?.chassisId === null);
    expect(unplaced.map((d) => d.vmId)).toEqual(["big-1", "big-2", "big-3", "big-4", "big-5"]);
    const more = replayDemand(events, { withChassis: [{ chassisType: "yeast", count: 1 }] });
    expect(more.alternative).toMatchObject({ placed: 18, unplaced: 0, longestWaitMs: 2 });
  });
});
