/**
 * The index finds the same chassis as a check of every chassis, and its verdicts agree with the feasibility rule.
 */
import { type Chassis, mismatchOf, roomFor } from "@bioxen/contracts";
import fc from "fast-check";
import { expect, it } from "vitest";
import { planPlacements } from "./plan.ts";
import { BIN_PACK, type PlacementPolicy, SPREAD } from "./policy.ts";
import { RoomIndex } from "./room-index.ts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";

const SIZES = [
  { dnaKilobases: 100, ribosomes: 1_000 },
  { dnaKilobases: 170, ribosomes: 1_900 },
  { dnaKilobases: 40, ribosomes: 9_000 },
  { memoryMiB: 64, vcpus: 8 },
] as const;

const room = fc.record({
  size: fc.nat(3),
  used: fc.oneof(fc.constant([0, 0]), fc.array(fc.nat(1_000), { minLength: 2, maxLength: 2 })),
});
const vm = fc.record({
  size: fc.nat(3),
  shares: fc.array(fc.nat(500), { minLength: 2, maxLength: 2 }),
  priority: fc.integer({ min: 1, max: 5 }),
  types: fc.constantFrom(undefined, ["ecoli"], ["yeast"]),
});
const cluster = fc.record({
  rooms: fc.array(room, { minLength: 65, maxLength: 160 }),
  vms: fc.array(vm, { minLength: 1, maxLength: 60 }),
});

function built({ rooms, vms }: typeof cluster extends fc.Arbitrary<infer T> ? T : never) {
  const chassis = rooms.map(({ size, used }, i): ChassisRoom => {
    const offered: Record<string, number> = { ...SIZES[size] };
    const free = Object.entries(offered).map(([name, amount], r) => [
      name,
      amount - Math.floor((amount * (used[r] ?? 0)) / 1_000),
    ]);
    return {
      chassisId: `c-${String(i).padStart(3, "0")}`,
      chassis: {
        chassisType: size === 3 ? "xcpng" : i % 2 === 0 ? "ecoli" : "yeast",
        capacity: {},
      } as Chassis,
      offered,
      room: { free: Object.fromEntries(free), placesLeft: i % 7 },
      closed: i % 11 === 0 ? { code: "UNAVAILABLE", message: "is cordoned" } : undefined,
    };
  });
  const waiting = vms.map(
    ({ size, shares, priority, types }, i): WaitingVm => ({
      vmId: `vm-${i}`,
      incarnation: 1,
      vmType: size === 3 ? "xcpng" : "basic",
      request: Object.fromEntries(
        Object.entries(SIZES[size] ?? {}).map(([name, amount], r) => [
          name,
          Math.ceil((amount * (shares[r] ?? 0)) / 1_000),
        ]),
      ),
      placement: types === undefined ? {} : { chassisTypes: types },
      labels: {},
      priority,
      waitingSinceMs: i % 5,
    }),
  );
  return { chassis, waiting };
}

it.each([BIN_PACK, SPREAD])("$name: the plan is the same with and without the index", (policy) => {
  const { bound: _, ...unbounded } = policy;
  const planWith = (p: PlacementPolicy, made: ReturnType<typeof built>) => {
    const plan = planPlacements(made.waiting, made.chassis, { policy: p, nowMs: 100_000 });
    const placed = plan.placements.map(({ vm: { vmId }, chassisId, score }) => [vmId, chassisId, score]);
    return { placed, deferrals: plan.deferrals, scores: plan.scores };
  };
  fc.assert(
    fc.property(cluster, (drawn) => {
      const made = built(drawn);
      expect(planWith(policy, made)).toEqual(planWith(unbounded, made));
    }),
    { numRuns: 60 },
  );
});

it("a verdict is a score exactly when the rule of the allocator finds no misfit", () => {
  fc.assert(
    fc.property(cluster, (drawn) => {
      const { chassis, waiting } = built(drawn);
      const index = new RoomIndex(chassis, waiting);
      for (const one of waiting) {
        const query = index.queryOf(one, BIN_PACK);
        for (const [at, { chassisId, chassis: host, closed, room: left }] of index.rooms.entries()) {
          const misfit = mismatchOf(one, chassisId, host) ?? closed ?? roomFor(one.request, left);
          expect(index.verdictAt(at, query) >= 0).toBe(misfit === undefined);
        }
      }
    }),
    { numRuns: 30 },
  );
});
