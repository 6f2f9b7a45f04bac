import type { Chassis, Quota } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { planPlacements } from "./plan.ts";
import type { WaitingVm } from "./snapshot.ts";

const quota = (label: string, ribosomes: number, held = 0): Quota => ({
  exists: true,
  label,
  resources: { ribosomes },
  version: 1,
  firstSeq: 1,
  setSeq: 1,
  counted: true,
  enforced: true,
  charges: {
    "x/c": {
      vmId: "x",
      incarnation: 1,
      chassisId: "c",
      amounts: { ribosomes: held },
      ledgerSeq: 1,
      chargedSeq: 2,
      chargedAtMs: 0,
    },
  },
});

const vm = (vmId: string, ribosomes: number, labels: Record<string, string> = { team: "a" }): WaitingVm => ({
  vmId,
  incarnation: 1,
  vmType: "basic",
  request: { ribosomes },
  placement: {},
  labels,
  priority: 1,
  waitingSinceMs: 0,
});

const rooms = ["c", "d"].map((chassisId) => ({
  chassisId,
  chassis: { chassisType: "ecoli", capacity: {} } as Chassis,
  offered: { ribosomes: 100 },
  room: { free: { ribosomes: 100 }, placesLeft: 10 },
}));

const plan = (waiting: WaitingVm[], ...quotas: Quota[]) => planPlacements(waiting, rooms, { quotas });
const placed = (...args: Parameters<typeof plan>) => plan(...args).placements.map((one) => one.vm.vmId);

it("a plan respects quotas over all chassis, in its own order, and names the quota that refuses a VM", () => {
  const waiting = [vm("a", 60), vm("b", 60), vm("z", 60, {}), vm("n", 40)];
  expect(placed(waiting)).toEqual(["a", "b", "n"]);
  expect(placed(waiting, quota("team", 100))).toEqual(["a", "n", "z"]);
  expect(placed(waiting, quota("team=a", 100, 60))).toEqual(["z", "n"]);
  expect(placed(waiting, quota("team=b", 0))).toEqual(placed(waiting));
  expect(plan([vm("a", 60)], quota("team", 100, 50)).deferrals).toEqual([
    {
      vmId: "a",
      reasons: [
        {
          chassisId: null,
          code: "QUOTA_EXCEEDED",
          message: "quota team: ribosomes 60 asked, 50 of 100 free",
          resource: "ribosomes",
          requested: 60,
          free: 50,
        },
      ],
    },
  ]);
});

it("a VM that moves needs only what it does not hold yet", () => {
  const moves = { ...vm("a", 60), holds: { ribosomes: 60 } };
  expect(placed([moves, vm("b", 50)], quota("team", 100, 60))).toEqual(["a"]);
  expect(placed([{ ...moves, holds: { ribosomes: 20 } }], quota("team", 100, 60))).toEqual(["a"]);
  expect(placed([{ ...moves, holds: { ribosomes: 19 } }], quota("team", 100, 60))).toEqual([]);
  expect(placed([moves, vm("b", 40)], quota("team", 10, 60)), "it may move above a lowered limit").toEqual([
    "a",
  ]);
});

it("a limit below what is held leaves nothing, and does not concern VMs that request none of the resource", () => {
  expect(placed([vm("a", 1)], quota("team", 10, 50))).toEqual([]);
  expect(placed([{ ...vm("a", 0), request: { dnaKilobases: 0 } }], quota("team", 10, 50))).toEqual(["a"]);
});

it("a VM needs no more room for what it was charged and has not used", () => {
  expect(placed([vm("x", 60), vm("b", 40)], quota("team", 100, 60))).toEqual(["x", "b"]);
  expect(
    placed([{ ...vm("x", 60), incarnation: 2 }], quota("team", 100, 60)),
    "a charge of a former incarnation does not count",
  ).toEqual([]);
});
