/**
 * A chassis that refused to start a VM for lack of room is no candidate for this VM, and stays one for every other VM.
 */
import type { Chassis } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { planPlacements } from "./plan.ts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";

const MESSAGE = "the storage is full";
const HELD_OFF = { chassisId: "a", message: MESSAGE, untilMs: 60_000 };

function room(chassisId: string): ChassisRoom {
  const chassis = { registered: true, chassisType: "ecoli", capacity: {}, cordoned: false, maxVms: 9 };
  const free = { ribosomes: 100 };
  return { chassisId, chassis: chassis as unknown as Chassis, offered: free, room: { free, placesLeft: 9 } };
}

function waiting(vmId: string, heldOff?: WaitingVm["heldOff"]): WaitingVm {
  const needs = { vmType: "basic", request: { ribosomes: 10 }, placement: {}, labels: {} } as const;
  return { vmId, incarnation: 1, priority: 1, waitingSinceMs: 0, ...needs, heldOff };
}

it("another chassis takes the VM", () => {
  const { placements } = planPlacements([waiting("x", HELD_OFF)], [room("a"), room("b")]);
  expect(placements).toMatchObject([{ chassisId: "b" }]);
});

it("without another chassis it waits, with the reason; others are placed", () => {
  const plan = planPlacements([waiting("x", HELD_OFF), waiting("y")], [room("a")]);
  expect(plan.placements).toMatchObject([{ vm: { vmId: "y" }, chassisId: "a" }]);
  expect(plan.deferrals).toMatchObject([
    { vmId: "x", reasons: [{ chassisId: "a", code: "CAPACITY_EXCEEDED" }] },
  ]);
  const { message } = plan.deferrals[0]?.reasons[0] ?? {};
  expect(message).toBe(MESSAGE);
});

it("no chassis is held for a VM that it refused, however long the VM waits", () => {
  const plan = planPlacements([waiting("x", HELD_OFF), waiting("y")], [room("a")], { nowMs: 3_600_000 });
  expect(plan.placements).toMatchObject([{ vm: { vmId: "y" } }]);
});
