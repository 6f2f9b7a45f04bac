import type { Chassis, Vm, VmState } from "@bioxen/contracts";
import { COOL_DOWN_MS } from "@bioxen/placement";
import { expect, it } from "vitest";
import type { Cluster } from "./cluster.ts";
import { Rebalancing } from "./rebalancing.ts";

const NOW_MS = 10 * COOL_DOWN_MS;
const vm = (chassisId: string, ribosomes: number, more: Partial<Vm> = {}): VmState =>
  ({
    exists: true,
    incarnation: 1,
    vmType: "basic",
    state: "running",
    placement: {},
    labels: {},
    request: { ribosomes },
    priority: 1,
    preemption: null,
    migration: null,
    pendingSinceMs: null,
    updatedAtMs: 0,
    placedAtMs: 0,
    chassisId,
    ...more,
  }) as VmState;

function asked(vms: Readonly<Record<string, VmState>>, policy?: "bin-pack" | "spread") {
  const rooms = ["a", "b"].map((chassisId) => {
    const here = Object.values(vms).flatMap((one) =>
      one.exists && one.chassisId === chassisId ? [one] : [],
    );
    const used = here.reduce((sum, one) => sum + (one.request["ribosomes"] ?? 0), 0);
    return {
      chassisId,
      chassis: { registered: true, chassisType: "ecoli", capacity: {}, cordoned: false } as Chassis,
      offered: { ribosomes: 100 },
      room: { free: { ribosomes: 100 - used }, placesLeft: 9 },
    };
  });
  const cluster = { rooms: () => rooms, vms: new Map(Object.entries(vms)) } as unknown as Pick<
    Cluster,
    "vms" | "rooms"
  >;
  const reply = new Rebalancing(cluster, { nowMs: () => NOW_MS }, "bin-pack").plan({
    maxMoves: 16,
    ...(policy === undefined ? {} : { policy }),
  });
  if (!reply.ok) throw new Error(reply.rejection.message);
  return reply.result;
}

it("is answered by the scheduler's policy, or the one that is asked for", () => {
  const vms = { x: vm("a", 60), y: vm("b", 20) };
  expect(asked(vms)).toMatchObject({
    policy: "bin-pack",
    moves: [{ vmId: "y", fromChassisId: "b", toChassisId: "a" }],
    before: { used: 2, spread: 400 },
    after: { used: 1, spread: 800 },
    coolingDown: 0,
  });
  expect(asked({ x: vm("a", 30), y: vm("a", 30) }, "spread")).toMatchObject({
    policy: "spread",
    moves: [{ vmId: "x", fromChassisId: "a", toChassisId: "b" }],
    after: { used: 2, spread: 0 },
  });
});

it.each<[string, Partial<Vm>]>([
  ["has just come", { placedAtMs: NOW_MS - 1 }],
  ["is on its way", { migration: { target: null } as NonNullable<Vm["migration"]> }],
  ["is starting", { state: "starting" }],
  ["is no cell", { vmType: "xcpng" }],
  ["goes without what it gave up", { preemption: { active: true } as NonNullable<Vm["preemption"]> }],
])("who %s stays", (_what, more) => {
  expect(asked({ x: vm("a", 60, { state: "stopping" }), y: vm("b", 20, more) }).moves).toEqual([]);
});
