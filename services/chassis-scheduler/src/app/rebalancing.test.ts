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

type Bus = ConstructorParameters<typeof Rebalancing>[1]["bus"];
/** For queries: a plan calls no other service. */
const NO_CALLS: Bus = { call: () => Promise.reject(new Error("no call was expected")) };

function rebalancingOf(vms: Readonly<Record<string, VmState>>, bus: Bus): Rebalancing {
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
  return new Rebalancing(cluster, { clock: { nowMs: () => NOW_MS }, bus }, "bin-pack");
}

function planned(vms: Readonly<Record<string, VmState>>, policy?: "bin-pack" | "spread") {
  const reply = rebalancingOf(vms, NO_CALLS).plan({
    maxMoves: 16,
    ...(policy === undefined ? {} : { policy }),
  });
  if (!reply.ok) throw new Error(reply.rejection.message);
  return reply.result;
}

it("uses the policy of the scheduler, or the requested one", () => {
  const vms = { x: vm("a", 60), y: vm("b", 20) };
  expect(planned(vms)).toMatchObject({
    policy: "bin-pack",
    moves: [{ vmId: "y", fromChassisId: "b", toChassisId: "a" }],
    before: { used: 2, spread: 400 },
    after: { used: 1, spread: 800 },
    coolingDown: 0,
  });
  expect(planned({ x: vm("a", 30), y: vm("a", 30) }, "spread")).toMatchObject({
    policy: "spread",
    moves: [{ vmId: "x", fromChassisId: "a", toChassisId: "b" }],
    after: { used: 2, spread: 0 },
  });
});

it.each<[string, Partial<Vm>]>([
  ["has just been placed", { placedAtMs: NOW_MS - 1 }],
  ["is already moving", { migration: { target: null } as NonNullable<Vm["migration"]> }],
  ["is starting", { state: "starting" }],
  ["is not a cell", { vmType: "xcpng" }],
  ["is preempted", { preemption: { active: true } as NonNullable<Vm["preemption"]> }],
])("a VM that %s is not moved", (_what, more) => {
  expect(planned({ x: vm("a", 60, { state: "stopping" }), y: vm("b", 20, more) }).moves).toEqual([]);
});

it("requests the moves, and returns the VMs whose move was accepted", async () => {
  const vms = { x: vm("a", 60), y: vm("b", 10), z: vm("b", 10) };
  const calls: unknown[] = [];
  const rebalancing = rebalancingOf(vms, {
    call: async (subject, payload) => {
      calls.push([subject, payload]);
      // Lifecycle finds y changed meanwhile.
      return { ok: true, changed: (payload as { vmId: string }).vmId !== "y", seq: 1 };
    },
  });
  const causation = { causeId: "m1", correlationId: "m1", deduplicate: true };
  const reply = await rebalancing.rebalance({ maxMoves: 16 }, causation);
  expect(reply).toMatchObject({ ok: true, result: { changed: true, asked: ["z"] } });
  const move = { fromChassisId: "b", toChassisId: "a", code: "REBALANCE", reason: expect.any(String) };
  expect(calls).toHaveLength(2);
  expect(calls).toEqual(
    expect.arrayContaining(["y", "z"].map((vmId) => ["bioxen.cmd.vm.move", { vmId, ...move }])),
  );
});

it("throws on a retryable failure, and leaves out a rejected move", async () => {
  const vms = { x: vm("a", 60), y: vm("b", 20) };
  const answer = (code: string, retryable: boolean) =>
    rebalancingOf(vms, { call: async () => ({ ok: false, error: { code, message: "x", retryable } }) });
  const causation = { causeId: "m1", correlationId: "m1", deduplicate: true };
  await expect(answer("UNAVAILABLE", true).rebalance({ maxMoves: 1 }, causation)).rejects.toThrow(
    "UNAVAILABLE",
  );
  const refused = await answer("UNSUPPORTED", false).rebalance({ maxMoves: 1 }, causation);
  expect(refused).toMatchObject({ ok: true, result: { changed: false, asked: [] } });
});
