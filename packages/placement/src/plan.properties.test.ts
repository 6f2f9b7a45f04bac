/**
 * Properties that hold for every plan.
 */
import {
  type Chassis,
  misfitOf,
  NEVER_LOST,
  type Neighbour,
  Neighbours,
  requiredTerms,
  termMatches,
} from "@bioxen/contracts";
import { fits, sum } from "@bioxen/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planPlacements } from "./plan.ts";
import { BIN_PACK, SPREAD } from "./policy.ts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";

const APPS = ["web", "db"] as const;
const term = fc.oneof(
  fc.record({ labels: fc.record({ app: fc.constantFrom(...APPS) }) }),
  fc.record({ vmIds: fc.constantFrom(["vm-0"], ["there-0"], ["vm-1", "there-1"]) }),
);
const terms = fc.array(term, { maxLength: 1 });
const placement = fc.record(
  {
    affinity: terms,
    antiAffinity: terms,
    chassisLabels: fc.constant({ zone: "north" }),
    tolerations: fc.constant([{ key: "lab" }]),
    policy: fc.constantFrom("bin-pack", "spread"),
  },
  { requiredKeys: [] },
);
const vm = fc.record({
  ribosomes: fc.integer({ min: 1, max: 60 }),
  dna: fc.nat(40),
  app: fc.constantFrom(...APPS),
  priority: fc.integer({ min: 1, max: 5 }),
  sinceMs: fc.nat(3),
  placement,
});
const host = fc.record({
  free: fc.nat(100),
  places: fc.nat(4),
  cordoned: fc.boolean(),
  tainted: fc.boolean(),
  north: fc.boolean(),
  there: fc.array(fc.record({ app: fc.constantFrom(...APPS), antiAffinity: terms }), { maxLength: 2 }),
});

type Drawn<A> = A extends fc.Arbitrary<infer T> ? T : never;

function roomOf(drawn: Drawn<typeof host>, i: number): ChassisRoom {
  const { free, places, cordoned, tainted, north, there } = drawn;
  const chassis: Chassis = {
    registered: true,
    chassisType: "ecoli",
    capacity: {},
    overheadPermille: 0,
    maxVms: 9,
    labels: north ? { zone: "north" } : {},
    agentId: "a",
    ...(tainted ? { taints: [{ key: "lab", effect: "NoSchedule" as const }] } : {}),
    cordoned,
    ...NEVER_LOST,
    registeredAtMs: 0,
    version: 1,
  };
  return {
    chassisId: `c-${i}`,
    chassis,
    offered: { ribosomes: 100, dnaKilobases: 100 },
    room: { free: { ribosomes: free, dnaKilobases: 100 }, placesLeft: places },
    neighbours: new Neighbours(
      there.map(({ app, antiAffinity }, n) => ({
        vmId: `there-${i * 2 + n}`,
        labels: { app },
        placement: { antiAffinity },
      })),
    ),
    closed: cordoned ? { code: "UNAVAILABLE", message: "is cordoned" } : undefined,
  };
}

function waitingOf(drawn: Drawn<typeof vm>, i: number): WaitingVm {
  return {
    vmId: `vm-${i}`,
    incarnation: 1,
    vmType: "basic",
    request: { ribosomes: drawn.ribosomes, dnaKilobases: drawn.dna },
    placement: drawn.placement,
    labels: { app: drawn.app },
    priority: drawn.priority,
    waitingSinceMs: drawn.sinceMs,
  };
}

const cluster = fc.record({
  rooms: fc.array(host, { maxLength: 6 }).map((all) => all.map(roomOf)),
  vms: fc.array(vm, { maxLength: 14 }).map((all) => all.map(waitingOf)),
});

const plain = (vms: readonly WaitingVm[]) => vms.map((one) => ({ ...one, placement: {} }));
const placedIn = (vms: readonly WaitingVm[], rooms: readonly ChassisRoom[]) =>
  new Map(planPlacements(vms, rooms, { nowMs: 100 }).placements.map((one) => [one.vm.vmId, one.chassisId]));

describe("every plan", () => {
  it("decides every VM once, and gives no chassis more than it has free", () => {
    fc.assert(
      fc.property(cluster, fc.boolean(), ({ rooms, vms }, hasAged) => {
        const { placements, deferrals } = planPlacements(vms, rooms, { nowMs: hasAged ? 1e9 : 100 });
        const decided = [...placements.map((one) => one.vm.vmId), ...deferrals.map((one) => one.vmId)];
        expect(decided.sort()).toEqual(vms.map((one) => one.vmId).sort());
        for (const { chassisId, room } of rooms) {
          const here = placements.filter((one) => one.chassisId === chassisId);
          expect(fits(sum(here.map((one) => one.vm.request)), room.free)).toBe(true);
          expect(here.length).toBeLessThanOrEqual(room.placesLeft);
        }
      }),
    );
  });

  it("places no VM on a cordoned or tainted chassis, or on one without the labels that it asks for", () => {
    fc.assert(
      fc.property(cluster, ({ rooms, vms }) => {
        for (const { vm: placed, chassisId } of planPlacements(vms, rooms).placements) {
          const { chassis } = rooms.find((one) => one.chassisId === chassisId) as ChassisRoom;
          expect(chassis.cordoned).toBe(false);
          if (chassis.taints !== undefined) expect(placed.placement["tolerations"]).toBeDefined();
          if (placed.placement["chassisLabels"] !== undefined) expect(chassis.labels["zone"]).toBe("north");
        }
      }),
    );
  });

  it("respects the anti-affinity and the affinity of every placed VM", () => {
    fc.assert(
      fc.property(cluster, ({ rooms, vms }) => {
        const { placements } = planPlacements(vms, rooms);
        for (const one of placements) {
          const { neighbours } = rooms.find((room) => room.chassisId === one.chassisId) as ChassisRoom;
          const joined = placements.filter((other) => other !== one && other.chassisId === one.chassisId);
          const beside = joined.reduce((all, other) => all.with(other.vm), neighbours as Neighbours);
          const { near, apart } = requiredTerms(one.vm);
          expect(apart.filter((its) => beside.find(its, one.vm) !== undefined)).toEqual([]);
          const against = beside.repelling.filter((other) =>
            requiredTerms(other).apart.some((its) => termMatches(its, one.vm)),
          );
          expect(against.map((other: Neighbour) => other.vmId)).toEqual([]);
          for (const its of near) {
            expect(beside.find(its, one.vm) !== undefined || termMatches(its, one.vm)).toBe(true);
          }
        }
      }),
    );
  });

  it("does not depend on the order of chassis or VMs", () => {
    fc.assert(
      fc.property(cluster, ({ rooms, vms }) => {
        const plan = planPlacements(vms, rooms, { nowMs: 1e9 });
        expect(planPlacements([...vms].reverse(), [...rooms].reverse(), { nowMs: 1e9 })).toEqual(plan);
      }),
    );
  });

  it("places a single VM exactly when some chassis is feasible by the rule", () => {
    fc.assert(
      fc.property(cluster, ({ rooms, vms }) => {
        const [lone] = vms;
        if (lone === undefined) return;
        const hasPlacedMatch = (its: Parameters<Neighbours["find"]>[0]) =>
          rooms.some(({ neighbours }) => neighbours?.find(its, lone) !== undefined);
        const feasible = rooms.filter(
          (room) =>
            room.closed === undefined &&
            misfitOf(lone, { ...room, neighbours: room.neighbours as Neighbours }, hasPlacedMatch) ===
              undefined,
        );
        const [placed] = planPlacements([lone], rooms).placements;
        if (feasible.length === 0) expect(placed).toBeUndefined();
        else expect(feasible.map(({ chassisId }) => chassisId)).toContain(placed?.chassisId);
      }),
    );
  });

  it("places the same equal VMs and perhaps more when an empty chassis is added", () => {
    fc.assert(
      fc.property(cluster, fc.integer({ min: 1, max: 60 }), ({ rooms, vms }, ribosomes) => {
        const equal = plain(vms).map((one) => ({ ...one, request: { ribosomes } }));
        const more = placedIn(equal, [...rooms, EMPTY]);
        for (const vmId of placedIn(equal, rooms).keys()) expect(more.has(vmId)).toBe(true);
      }),
    );
  });

  it("does not change when all amounts are scaled by the same factor", () => {
    const scale = (amounts: Readonly<Record<string, number>>, by: number) =>
      Object.fromEntries(Object.entries(amounts).map(([name, n]) => [name, n * by]));
    fc.assert(
      fc.property(cluster, fc.integer({ min: 2, max: 1_000 }), ({ rooms, vms }, by) => {
        for (const policy of [BIN_PACK, SPREAD]) {
          const scores = (some: readonly WaitingVm[], on: readonly ChassisRoom[]) =>
            planPlacements(some, on, { policy }).placements.map((one) => [
              one.vm.vmId,
              one.chassisId,
              one.score,
            ]);
          const larger = rooms.map((one) => ({
            ...one,
            offered: scale(one.offered, by),
            room: { ...one.room, free: scale(one.room.free, by) },
          }));
          const asking = vms.map((one) => ({ ...one, request: scale(one.request, by) }));
          expect(scores(asking, larger)).toEqual(scores(vms, rooms));
        }
      }),
    );
  });
});

const EMPTY = roomOf({ free: 100, places: 9, cordoned: false, tainted: false, north: false, there: [] }, 99);
