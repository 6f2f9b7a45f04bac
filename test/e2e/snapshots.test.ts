/**
 * Snapshots by command: a VM keeps earlier states, returns to one of them, and another VM continues from one.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { simTime } from "../../packages/cli/src/quantities.ts";
import { eventually, type Json, World } from "./world.ts";

const PROGRAM = "state.n = state.n or 0 function on_minute(_, minutes) state.n = state.n + minutes end";

let world: World;
beforeAll(async () => {
  world = await World.shared({ chassis: "ecoli:1" });
});
afterAll(() => world.close());

const stateOf = async (vmId: string): Promise<Json> =>
  (await world.done("cmd.vm.exec", { vmId, source: "return {cell.sim_minutes(), state.n, state.mark}" }))
    .result;

async function blobs(): Promise<string[]> {
  const query = JSON.stringify({ subjects_filter: "bioxen.blob.>" });
  const { state } = (await world.nats.request("$JS.API.STREAM.INFO.BIOXEN_GUEST_STATE", query)).json<Json>();
  return Object.keys(state.subjects ?? {});
}

async function refusal(subject: string, payload: object): Promise<Json> {
  return (await world.ask(subject, payload)).error;
}

describe("a VM with snapshots", () => {
  it("is restored to a snapshot while it is paused, and continues from there", async () => {
    await world.done("cmd.vm.create", { vmId: "past", biologicalType: "syn3a", seed: 7, program: PROGRAM });
    await world.done("cmd.vm.start", { vmId: "past" });
    await world.reach("past", "running");
    await world.sample("past", (s) => s.simMinutes > 120);
    const { snapshot } = await world.bioxenJson("vm", "snapshot", "past", "--id", "early");
    expect(snapshot).toMatchObject({ snapshotId: "early", bytes: expect.any(Number) });
    expect(await world.bioxenJson("vm", "snapshot", "past", "--id", "early")).toMatchObject({
      changed: false,
      snapshot,
    });
    await world.done("cmd.vm.exec", { vmId: "past", source: "state.mark = 'later'" });
    const { snapshot: later } = await world.done("cmd.vm.snapshot", { vmId: "past" });
    expect(later.snapshotId).toMatch(/^snap-/);
    await world.sample("past", (s) => s.simMinutes > snapshot.simMinutes + 240);
    await world.done("cmd.vm.pause", { vmId: "past" });
    const restored = await world.bioxen("vm", "restore", "past", "early");
    expect(restored).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(simTime(snapshot.simMinutes)),
    });
    const back = await world.sample("past", (s) => s.simMinutes === snapshot.simMinutes);
    expect(back.state).toBe("paused");
    await world.done("cmd.vm.resume", { vmId: "past" });
    const [simMinutes, n, mark] = await eventually("the guest of past answers", async () => {
      const reply = await world.look("cmd.vm.exec", {
        vmId: "past",
        source: "return {cell.sim_minutes(), state.n, state.mark or 'none'}",
      });
      return reply.ok === true ? reply.result : undefined;
    });
    expect(mark).toBe("none");
    expect(simMinutes).toBeGreaterThanOrEqual(snapshot.simMinutes);
    expect(simMinutes - n).toBeLessThan(120);
  });

  it("is restored while it is stopped, and its next start continues from the snapshot", async () => {
    const { vm } = await world.done("qry.vm.get", { vmId: "past" });
    const [, later] = vm.snapshots;
    await world.done("cmd.vm.stop", { vmId: "past" });
    await world.reach("past", "stopped");
    await world.done("cmd.vm.restore", { vmId: "past", snapshotId: later.snapshotId });
    await world.done("cmd.vm.start", { vmId: "past" });
    await world.reach("past", "running");
    const [simMinutes, , mark] = await stateOf("past");
    expect(simMinutes).toBeGreaterThanOrEqual(later.simMinutes);
    expect(mark).toBe("later");
  });

  it("is forked into a VM with the same state, a new seed and its own copy of the stored state", async () => {
    const fork = await world.done("cmd.vm.fork", { vmId: "past", fromSnapshotId: "early", newVmId: "fork" });
    expect(fork.vm).toMatchObject({
      vmId: "fork",
      state: "created",
      parent: "past",
      biologicalType: "syn3a",
    });
    expect(fork.vm.seed).not.toBe(7);
    const now = await world.bioxenJson("vm", "fork", "past", "fork-now", "--start");
    expect(now.vm).toMatchObject({ state: "running", parent: "past" });
    await world.done("cmd.vm.destroy", { vmId: "past" });
    await world.reach("past", "destroyed");
    await eventually("no state of the destroyed parent is stored", async () =>
      (await blobs()).some((subject) => subject.startsWith("bioxen.blob.past.")) ? undefined : true,
    );
    await world.done("cmd.vm.start", { vmId: "fork" });
    await world.reach("fork", "running");
    const [simMinutes, n, mark] = await stateOf("fork");
    expect(simMinutes).toBeGreaterThanOrEqual(fork.vm.checkpoint.simMinutes);
    expect(n).toBeGreaterThan(0);
    expect(mark).toBeUndefined();
    expect((await stateOf("fork-now"))[2]).toBe("later");
  });

  it("rejects an unknown snapshot, a used VM id and a state that cannot be stored, each with a specific code", async () => {
    expect(await refusal("cmd.vm.restore", { vmId: "fork", snapshotId: "none" })).toMatchObject({
      code: "SNAPSHOT_NOT_FOUND",
    });
    expect(await refusal("cmd.vm.fork", { vmId: "fork", newVmId: "fork-now" })).toMatchObject({
      code: "VM_ALREADY_EXISTS",
    });
    expect(await refusal("cmd.vm.snapshot", { vmId: "no-such-vm" })).toMatchObject({ code: "VM_NOT_FOUND" });
    await world.done("cmd.vm.exec", { vmId: "fork", source: "state.f = print" });
    expect(await refusal("cmd.vm.snapshot", { vmId: "fork" })).toMatchObject({
      code: "GUEST_ERROR",
      message: expect.stringContaining("state.f"),
    });
    await world.done("cmd.vm.stop", { vmId: "fork" });
    await world.reach("fork", "stopped");
    expect(await refusal("cmd.vm.snapshot", { vmId: "fork" })).toMatchObject({
      code: "INVALID_TRANSITION",
      details: { state: "stopped", command: "snapshot", allowed: expect.arrayContaining(["restore"]) },
    });
  });

  it("takes one snapshot and makes one fork for repeated commands with the same message id", async () => {
    const snapshots = [0, 1, 2].map(() => world.ask("cmd.vm.snapshot", { vmId: "fork-now" }, "once"));
    const ids = (await Promise.all(snapshots)).map((reply) => reply.snapshot.snapshotId);
    expect(new Set(ids).size).toBe(1);
    const forks = [0, 1].map(() => world.ask("cmd.vm.fork", { vmId: "fork-now", newVmId: "twin" }, "twin"));
    for (const reply of await Promise.all(forks)) expect(reply).toMatchObject({ ok: true, changed: true });
    await world.done("cmd.vm.delete-snapshot", { vmId: "fork-now", snapshotId: ids[0] });
    expect((await world.done("qry.vm.get", { vmId: "fork-now" })).vm.snapshots).toEqual([]);
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });
});
