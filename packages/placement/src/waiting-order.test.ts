/**
 * The order of waiting VMs: which VM is first, which may overtake, and that no VM waits forever while others are
 * placed.
 */
import type { Chassis } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { HOLD_AFTER_MS, planPlacements } from "./plan.ts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";
import { AGEING_STEP_MS, effectivePriority } from "./urgency.ts";

function roomOf(chassisId: string, free: number, offered = 100): ChassisRoom {
  const chassis = { chassisType: "ecoli", capacity: {}, maxVms: 10 } as Chassis;
  return {
    chassisId,
    chassis,
    offered: { ribosomes: offered },
    room: { free: { ribosomes: free }, placesLeft: 10 },
  };
}

function waiting(vmId: string, ribosomes: number, waitingSinceMs = 0, priority = 1): WaitingVm {
  const base = { incarnation: 1, vmType: "basic", placement: {}, labels: {} } as const;
  return { vmId, request: { ribosomes }, priority, waitingSinceMs, ...base };
}

const where = (vms: WaitingVm[], rooms: ChassisRoom[], nowMs: number) =>
  Object.fromEntries(
    planPlacements(vms, rooms, { nowMs }).placements.map(({ vm, chassisId }) => [vm.vmId, chassisId]),
  );

it("waiting raises the effective priority step by step up to the highest, and never lowers it", () => {
  const low = waiting("low", 1);
  expect([0, 1, 4, 9].map((steps) => effectivePriority(low, steps * AGEING_STEP_MS))).toEqual([1, 2, 5, 5]);
  expect(effectivePriority(low, -AGEING_STEP_MS)).toBe(1);
});

it("new VMs of high priority overtake a waiting VM, but not for ever", () => {
  const [room, low] = [[roomOf("a", 10)], waiting("low", 10)];
  const urgent = (sinceMs: number) => waiting("urgent", 10, sinceMs, 5);
  expect(where([low, urgent(1)], room, 2)).toEqual({ urgent: "a" });
  const lateMs = 4 * AGEING_STEP_MS;
  expect(where([low, urgent(lateMs)], room, lateMs)).toEqual({ low: "a" });
});

it("within a priority larger VMs are placed first if all fit, else older VMs", () => {
  const rooms = [roomOf("a", 60), roomOf("b", 60)];
  const four = [waiting("w", 20, 1), waiting("x", 20, 2), waiting("y", 40, 3), waiting("z", 40, 4)];
  expect(planPlacements(four, rooms, { nowMs: 5 }).placements.map(({ vm }) => vm.vmId)).toEqual([
    "y",
    "z",
    "w",
    "x",
  ]);
  const tooMany = [...four, waiting("late", 40, 9)];
  expect(where(tooMany, rooms, 10)).toEqual({ w: "a", x: "a", y: "b" });
});

it("smaller VMs overtake a VM that fits nowhere until it has waited long; then a chassis is held for it", () => {
  const rooms = [roomOf("a", 20), roomOf("b", 70), roomOf("c", 10)];
  const [big, small] = [waiting("big", 80), waiting("small", 10, 1)];
  expect(where([big, small], rooms, HOLD_AFTER_MS - 1)).toEqual({ small: "c" });
  const full = [roomOf("a", 0), roomOf("b", 70)];
  const plan = planPlacements([big, small], full, { nowMs: HOLD_AFTER_MS });
  expect(plan.placements).toEqual([]);
  expect(plan.deferrals).toMatchObject([
    { vmId: "big" },
    {
      vmId: "small",
      reasons: [{ chassisId: "a" }, { chassisId: "b", message: expect.stringContaining("held for big") }],
    },
  ]);
  expect(where([big, small], [roomOf("a", 0), roomOf("b", 80)], HOLD_AFTER_MS)).toEqual({ big: "b" });
});

it("no chassis is held for a VM that would not fit even if it were empty", () => {
  const giant = waiting("giant", 101);
  expect(where([giant, waiting("small", 10, 1)], [roomOf("a", 50)], HOLD_AFTER_MS)).toEqual({ small: "a" });
});

it("a large VM gets its turn despite an endless stream of small ones", () => {
  let nowMs = 0;
  const big = waiting("big", 100);
  let held: { vm: WaitingVm; untilMs: number }[] = [];
  for (let i = 0; ; i += 1) {
    nowMs += 1_000;
    held = held.filter(({ untilMs }) => untilMs > nowMs);
    const used = held.reduce((sum, { vm }) => sum + (vm.request["ribosomes"] ?? 0), 0);
    const small = waiting(`small-${i}`, 30, nowMs);
    const placed = planPlacements([big, small], [roomOf("a", 100 - used)], { nowMs }).placements;
    if (placed.some(({ vm }) => vm === big)) break;
    for (const { vm } of placed) held.push({ vm, untilMs: nowMs + 2_500 });
    expect(nowMs).toBeLessThan(HOLD_AFTER_MS + 5_000);
  }
  expect(nowMs).toBeGreaterThan(0);
});

it("a VM that leaves its chassis is not placed there again, and gets that as a reason", () => {
  const rooms = [roomOf("a", 90), roomOf("b", 90)];
  const mover = { ...waiting("mover", 10), excludeChassisIds: ["a"] };
  expect(where([mover], rooms, 0)).toEqual({ mover: "b" });
  expect(planPlacements([mover], [roomOf("a", 90)]).deferrals[0]?.reasons[0]).toMatchObject({
    chassisId: "a",
    message: "is the chassis that the VM is leaving",
  });
});

it("the reasons in a large cluster are bounded: the nearest chassis by name, the others counted by kind", () => {
  const rooms = Array.from({ length: 100 }, (_, i) => roomOf(`c-${String(i).padStart(3, "0")}`, i % 5, 9));
  const yeast = { ...roomOf("z", 9), chassis: { chassisType: "yeast", capacity: {}, maxVms: 1 } as Chassis };
  const vm = { ...waiting("x", 9), placement: { chassisTypes: ["ecoli"] } };
  const { deferrals, scores } = planPlacements([vm], [...rooms, yeast]);
  const reasons = deferrals[0]?.reasons ?? [];
  expect(reasons).toHaveLength(18);
  expect(reasons.slice(-2)).toEqual([
    {
      chassisId: null,
      code: "CAPACITY_EXCEEDED",
      message: "84 more chassis: not enough ribosomes",
      resource: "ribosomes",
      chassisCount: 84,
    },
    {
      chassisId: null,
      code: "UNSUPPORTED",
      message: "1 more chassis: do not match the placement that the VM asks for",
      chassisCount: 1,
    },
  ]);
  expect(scores["x"]).toHaveLength(16);
  const inFull = planPlacements([vm], [...rooms, yeast], { inFull: new Set(["x"]) });
  expect(inFull.scores["x"]).toHaveLength(101);
});
