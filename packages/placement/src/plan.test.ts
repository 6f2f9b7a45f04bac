import type { Chassis } from "@bioxen/contracts";
import { fits, sum } from "@bioxen/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { batchesOf, planPlacements } from "./plan.ts";
import { SPREAD } from "./policy.ts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";

function roomOf(chassisId: string, ribosomes: number, more: Partial<ChassisRoom> = {}): ChassisRoom {
  const chassis = { registered: true, chassisType: "ecoli", capacity: {}, cordoned: false } as Chassis;
  const offered = { ribosomes: 100 };
  return { chassisId, chassis, offered, room: { free: { ribosomes }, placesLeft: 10 }, ...more };
}

function waiting(vmId: string, ribosomes: number, more: Partial<WaitingVm> = {}): WaitingVm {
  const base = {
    vmId,
    incarnation: 1,
    vmType: "basic",
    placement: {},
    labels: {},
    priority: 1,
    waitingSinceMs: 0,
  } as const;
  return { ...base, request: { ribosomes }, ...more };
}

const where = (vms: WaitingVm[], rooms: ChassisRoom[]) =>
  Object.fromEntries(planPlacements(vms, rooms).placements.map(({ vm, chassisId }) => [vm.vmId, chassisId]));

describe("a plan", () => {
  it("fills the fullest chassis that has room, and leaves large gaps whole", () => {
    const rooms = [roomOf("a", 100), roomOf("b", 30), roomOf("c", 60)];
    expect(where([waiting("x", 25)], rooms)).toEqual({ x: "b" });
    expect(where([waiting("x", 40)], rooms)).toEqual({ x: "c" });
    expect(where([waiting("x", 25), waiting("y", 25)], rooms)).toEqual({ x: "b", y: "c" });
  });

  it("spreads VMs that ask for it, the emptiest chassis first, and packs the others", () => {
    const rooms = [roomOf("a", 60), roomOf("b", 30), roomOf("c", 80)];
    const spread = { placement: { policy: "spread" } };
    expect(where([waiting("x", 25, spread)], rooms)).toEqual({ x: "c" });
    const all = [waiting("x", 25, spread), waiting("y", 25, spread), waiting("z", 25)];
    expect(where(all, rooms)).toEqual({ x: "c", y: "a", z: "b" });
    const placed = planPlacements([waiting("x", 25)], rooms, { policy: SPREAD }).placements;
    expect(placed).toMatchObject([{ chassisId: "c", score: 550 }]);
    const packing = waiting("x", 25, { placement: { policy: "bin-pack" } });
    expect(planPlacements([packing], rooms, { policy: SPREAD }).placements[0]?.chassisId).toBe("b");
  });

  it("places VMs in order of priority, then waiting time, then id", () => {
    const rooms = [roomOf("a", 10)];
    const late = waiting("a-late", 10, { waitingSinceMs: 5 });
    const early = waiting("z-early", 10, { waitingSinceMs: 1 });
    const urgent = waiting("urgent", 10, { priority: 5, waitingSinceMs: 9 });
    expect(where([late, early], rooms)).toEqual({ "z-early": "a" });
    expect(where([late, early, urgent], rooms)).toEqual({ urgent: "a" });
    expect(where([waiting("b", 10), waiting("a", 10)], rooms)).toEqual({ a: "a" });
  });

  it("defers a VM that fits nowhere with a reason per chassis, and places the others", () => {
    const closed = roomOf("b", 100, { closed: { code: "UNAVAILABLE", message: "is cordoned" } });
    const plan = planPlacements(
      [waiting("big", 50, { priority: 5 }), waiting("small", 5)],
      [roomOf("a", 10), closed],
    );
    expect(plan.placements.map(({ vm }) => vm.vmId)).toEqual(["small"]);
    expect(plan.deferrals).toEqual([
      {
        vmId: "big",
        reasons: [
          expect.objectContaining({ chassisId: "a", code: "CAPACITY_EXCEEDED", requested: 50, free: 10 }),
          expect.objectContaining({ chassisId: "b", code: "UNAVAILABLE" }),
        ],
      },
    ]);
    expect(planPlacements([waiting("x", 1)], []).deferrals[0]?.reasons[0]?.message).toBe(
      "no chassis is registered",
    );
  });

  it("respects the chassis, the chassis types and the VM type of a VM", () => {
    const yeast = roomOf("y", 100, {
      chassis: { registered: true, chassisType: "yeast", capacity: {} } as Chassis,
    });
    const rooms = [roomOf("a", 100), yeast];
    expect(where([waiting("x", 1, { placement: { chassisTypes: ["yeast"] } })], rooms)).toEqual({ x: "y" });
    expect(where([waiting("x", 1, { placement: { chassisId: "a" } })], rooms)).toEqual({ x: "a" });
    expect(where([waiting("x", 1, { vmType: "xcpng" })], rooms)).toEqual({});
  });

  it("is proposed as a whole, in batches for one chassis each", () => {
    const all = Array.from({ length: 7 }, (_, i) => waiting(`vm-${i}`, 1));
    const { placements } = planPlacements(all, [roomOf("a", 3), roomOf("b", 4)]);
    const batches = batchesOf(placements, 2);
    expect(batches.every((batch) => batch.placements.length <= 2)).toBe(true);
    for (const { chassisId, placements: own } of batches) {
      expect(own.every((placement) => placement.chassisId === chassisId)).toBe(true);
    }
    expect(batches.flatMap((batch) => batch.placements.map(({ vm }) => vm.vmId)).sort()).toEqual(
      all.map((vm) => vm.vmId),
    );
  });

  it("plans no more than is free, decides every VM once, and does not depend on the order of input", () => {
    const vm = fc.record({ n: fc.nat(50), p: fc.integer({ min: 1, max: 5 }), t: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(vm, { maxLength: 30 }), fc.array(fc.nat(100), { maxLength: 5 }), (vms, frees) => {
        const all = vms.map(({ n, p, t }, i) => waiting(`vm-${i}`, n, { priority: p, waitingSinceMs: t }));
        const rooms = frees.map((free, i) => roomOf(`c-${i}`, free));
        const plan = planPlacements(all, rooms);
        expect(plan.placements.length + plan.deferrals.length).toBe(all.length);
        for (const { chassisId, room } of rooms) {
          const given = plan.placements.filter((one) => one.chassisId === chassisId);
          expect(fits(sum(given.map((one) => one.vm.request)), room.free)).toBe(true);
        }
        expect(planPlacements([...all].reverse(), [...rooms].reverse())).toEqual(plan);
      }),
    );
  });
});
