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
/** Of who only asks. */
const NOBODY: Bus = { call: () => Promise.reject(new Error("nobody is to be called")) };

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

function asked(vms: Readonly<Record<string, VmState>>, policy?: "bin-pack" | "spread") {
  const reply = rebalancingOf(vms, NOBODY).plan({
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

it("asks for its moves where they are wanted, and says whose were taken", async () => {
  const vms = { x: vm("a", 60), y: vm("b", 10), z: vm("b", 10) };
  const calls: unknown[] = [];
  const rebalancing = rebalancingOf(vms, {
    call: async (subject, payload) => {
      calls.push([subject, payload]);
      // Of y somebody else was faster.
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

it("that cannot be asked for now is to be tried again, one that is refused is left out", async () => {
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
