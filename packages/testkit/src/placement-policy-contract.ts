/**
 * The tests that every placement policy must pass. They check the policy's scores for generated VMs and chassis, and
 * whole plans that are made with the policy.
 */
import { type Chassis, NEVER_LOST } from "@bioxen/contracts";
import { fits, sum } from "@bioxen/kernel";
import {
  type ChassisRoom,
  type Fit,
  FULL_SCORE,
  fullnessWith,
  type PlacementPolicy,
  planPlacements,
  type WaitingVm,
} from "@bioxen/placement";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const OFFERED = 1_000;
const RESOURCES = ["atpPerSecond", "ribosomes"];

function roomOf(chassisId: string, free: number): ChassisRoom {
  const chassis: Chassis = {
    registered: true,
    chassisType: "ecoli",
    capacity: {},
    overheadPermille: 0,
    maxVms: 9,
    labels: {},
    agentId: "a",
    cordoned: false,
    ...NEVER_LOST,
    registeredAtMs: 0,
    version: 1,
  };
  const offered = { atpPerSecond: OFFERED, ribosomes: OFFERED };
  const room = { free: { atpPerSecond: OFFERED, ribosomes: free }, placesLeft: 9 };
  return { chassisId, chassis, offered, room };
}

function vmOf(vmId: string, ribosomes: number, priority = 1): WaitingVm {
  const request = { ribosomes, atpPerSecond: 1 };
  const labels = {};
  return {
    vmId,
    incarnation: 1,
    vmType: "basic",
    request,
    placement: {},
    labels,
    priority,
    waitingSinceMs: 0,
  };
}

function fitOf(vm: WaitingVm, chassis: ChassisRoom): Fit {
  const named = (from: Readonly<Record<string, number>>) => (r: number) => from[RESOURCES[r] ?? ""] ?? 0;
  const [asked, free, offered] = [named(vm.request), named(chassis.room.free), named(chassis.offered)];
  return { resources: RESOURCES, asked, free, offered, vm, chassis };
}

const generatedFit = fc
  .record({ free: fc.integer({ min: 1, max: OFFERED }), asked: fc.integer({ min: 0, max: OFFERED }) })
  .filter(({ free, asked }) => asked <= free)
  .map(({ free, asked }) => fitOf(vmOf("vm-1", asked), roomOf("c-1", free)));
const cluster = fc.record({
  rooms: fc
    .array(fc.nat(OFFERED), { maxLength: 6 })
    .map((all) => all.map((free, i) => roomOf(`c-${i}`, free))),
  vms: fc
    .array(fc.integer({ min: 1, max: 600 }), { maxLength: 12 })
    .map((all) => all.map((ribosomes, i) => vmOf(`vm-${i}`, ribosomes, 1 + (i % 5)))),
});

export function placementPolicyContract(policy: PlacementPolicy): void {
  describe(`placement policy ${policy.name} ${policy.version}`, () => {
    it("scores every fit with an integer from 0 to 1000, and equal fits equally", () => {
      fc.assert(
        fc.property(generatedFit, (fit) => {
          const score = policy.score(fit);
          expect(Number.isInteger(score) && score >= 0 && score <= FULL_SCORE).toBe(true);
          expect(policy.score(fit)).toBe(score);
        }),
      );
    });

    it("never scores above its own bound, so that a plan may skip chassis by the bound", () => {
      fc.assert(
        fc.property(generatedFit, (fit) => {
          const full = fullnessWith(fit);
          const bound = policy.bound?.(full, full) ?? FULL_SCORE;
          expect(policy.score(fit)).toBeLessThanOrEqual(bound);
        }),
      );
    });

    it("makes plans that overfill no chassis, and decide each VM once", () => {
      fc.assert(
        fc.property(cluster, ({ rooms, vms }) => {
          const { placements, deferrals } = planPlacements(vms, rooms, { policy });
          const decided = [...placements.map((one) => one.vm.vmId), ...deferrals.map((one) => one.vmId)];
          expect(decided.sort()).toEqual(vms.map((one) => one.vmId).sort());
          for (const { chassisId, room } of rooms) {
            const here = placements.filter((one) => one.chassisId === chassisId);
            expect(fits(sum(here.map((one) => one.vm.request)), room.free)).toBe(true);
          }
        }),
      );
    });

    it("makes the same plan for every order of chassis and VMs", () => {
      fc.assert(
        fc.property(cluster, ({ rooms, vms }) => {
          const plan = planPlacements(vms, rooms, { policy });
          expect(planPlacements([...vms].reverse(), [...rooms].reverse(), { policy })).toEqual(plan);
        }),
      );
    });
  });
}
