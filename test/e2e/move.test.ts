/**
 * `vm migrate` moves a running VM to another chassis, and can cancel a move. Affinity and anti-affinity place VMs
 * together or apart.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await World.shared({ chassis: "ecoli:2" });
});
afterAll(() => world.close());

/** Creates and starts a VM, and returns it once it runs. */
async function startVm(vmId: string): Promise<Json> {
  await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a" });
  await world.done("cmd.vm.start", { vmId });
  return world.reach(vmId, "running");
}

const other = (chassisId: string) => (chassisId === "ecoli-1" ? "ecoli-2" : "ecoli-1");

/** Waits until each VM has one committed allocation, on its own chassis, and the ledgers hold no other entry. */
async function atRest(): Promise<void> {
  await eventually("each VM has one allocation, and the ledgers hold no other entry", async () => {
    const { vms } = await world.look("qry.vm.list", {});
    const { ledgers } = await world.look("qry.ledger.list", {});
    const held = ledgers?.flatMap((l: Json) =>
      l.entries.map((e: Json) => `${e.vmId} ${l.chassisId} ${e.phase}`),
    );
    const wanted = vms
      ?.filter((v: Json) => v.chassisId !== null)
      .map((v: Json) => `${v.vmId} ${v.chassisId} committed`);
    return held !== undefined && JSON.stringify(held.sort()) === JSON.stringify(wanted?.sort())
      ? true
      : undefined;
  });
}

describe("vm migrate", () => {
  it("moves a running VM to the requested chassis, where it continues from its state", async () => {
    const { chassisId } = await startVm("mover");
    const before = await world.sample("mover", (s) => s.simMinutes > 1);
    const moved = await world.bioxenJson("vm", "migrate", "mover", "--to", other(chassisId));
    expect(moved).toMatchObject({
      changed: true,
      vm: { state: "running", chassisId: other(chassisId), migration: null },
    });
    const { events } = await world.done("qry.vm.history", { vmId: "mover" });
    const handedOver = events.find((e: Json) => e.type === "bioxen.vm.moved.v1").data.checkpoint.simMinutes;
    expect(handedOver).toBeGreaterThanOrEqual(before.simMinutes);
    const seen = await world.sample("mover", (s) => s.chassisId === other(chassisId));
    expect(seen.simMinutes, "it continues from the checkpoint").toBeGreaterThanOrEqual(handedOver);
    await world.sample("mover", (s) => s.atMs > seen.atMs && s.simMinutes > seen.simMinutes);
    await atRest();
  });

  it("keeps a paused VM paused, and finds a chassis if none is requested", async () => {
    const { chassisId } = await startVm("sleeper");
    await world.done("cmd.vm.pause", { vmId: "sleeper" });
    const { vm } = await world.bioxenJson("vm", "migrate", "sleeper");
    expect(vm).toMatchObject({ state: "paused", chassisId: other(chassisId) });
    await atRest();
  });

  it("rejects an unknown or cordoned target, lets a VM wait for room, and cancels the move", async () => {
    const { chassisId } = await startVm("stayer");
    const refused = async (to: string) =>
      (await world.ask("cmd.vm.migrate", { vmId: "stayer", chassisId: to })).error.code;
    expect(await refused("nowhere")).toBe("CHASSIS_NOT_FOUND");
    await world.done("cmd.chassis.cordon", { chassisId: other(chassisId) });
    expect(await refused(other(chassisId))).toBe("UNAVAILABLE");
    const waits = await world.bioxenJson("vm", "migrate", "stayer");
    const { summary } = await world.done("qry.placement.explain", { vmId: "stayer" });
    expect(summary).toContain("is due to move to another chassis (by command): it waits for a place");
    expect(waits.vm).toMatchObject({ state: "running", chassisId, migration: { target: null } });
    expect(waits.vm.migration.refusals.map((r: Json) => r.message)).toContain("is cordoned");
    const { vm } = await world.bioxenJson("vm", "migrate", "stayer", "--cancel");
    expect(vm).toMatchObject({ state: "running", chassisId, migration: null });
    await world.done("cmd.chassis.uncordon", { chassisId: other(chassisId) });
    await atRest();
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });
});

describe("a VM with affinity or anti-affinity", () => {
  const create = (vmId: string, ...flags: string[]) =>
    world.bioxenJson("vm", "create", vmId, "--type", "syn3a", ...flags);

  it("is placed with or apart from the named VMs, and waits while every chassis is excluded", async () => {
    const web = ["--label", "app=web", "--anti-affinity", "app=web"];
    const first = (await create("web-1", ...web, "--start")).vm;
    const second = (await create("web-2", ...web, "--start")).vm;
    expect(second).toMatchObject({ state: "running", chassisId: other(first.chassisId) });
    const near = (await create("cache", "--affinity", "web-2", "--start")).vm;
    expect(near).toMatchObject({ state: "running", chassisId: second.chassisId });
    await create("web-3", ...web);
    await world.done("cmd.vm.start", { vmId: "web-3" });
    const waiting = await eventually("web-3 has the reasons why it waits", async () => {
      const { vm } = await world.look("qry.vm.get", { vmId: "web-3" });
      return vm?.refusals.length > 0 ? vm : undefined;
    });
    expect(waiting).toMatchObject({ state: "pending", chassisId: null });
    expect(waiting.refusals.map((r: Json) => r.chassisId).sort()).toEqual(["ecoli-1", "ecoli-2"]);
    await world.done("cmd.vm.destroy", { vmId: "web-1" });
    expect(await world.reach("web-3", "running")).toMatchObject({ chassisId: first.chassisId });
    await atRest();
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });
});
