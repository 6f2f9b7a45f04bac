/**
 * Guests of a killed agent continue from their checkpoints; if a checkpoint is lost, an event gives the reason.
 */
import { hash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killNow } from "./kill.ts";
import { eventually, type Json, World } from "./world.ts";

const STREAM = "BIOXEN_GUEST_STATE";
const PROGRAM =
  "state.minutes = state.minutes or 0 function on_minute(_, n) state.minutes = state.minutes + n end";

let world: World;
beforeAll(async () => {
  process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"] = "1000";
  // One simulated hour per second: a syn3a, which doubles in 105 min, divides after less than 2 s.
  // Without keys: the test deletes and damages stored guest states.
  world = await World.open({ keys: false, chassis: "ecoli:1", timeScale: 60 });
});
afterAll(async () => {
  delete process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"];
  await world.close();
});

/** Calls the JetStream API on the stream of guest states. */
async function jetstream(call: string, payload: object): Promise<Json> {
  return (await world.nats.request(`$JS.API.STREAM.${call}.${STREAM}`, JSON.stringify(payload))).json();
}

/** The subjects of all stored guest states, sorted. */
async function blobs(): Promise<string[]> {
  const { state } = await jetstream("INFO", { subjects_filter: "bioxen.blob.>" });
  return Object.keys(state.subjects ?? {}).toSorted();
}

async function view(vmId: string): Promise<Json> {
  return (await world.done("qry.vm.get", { vmId })).vm;
}

async function run(vmId: string, more: object = {}): Promise<void> {
  await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a", seed: 7, ...more });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
}

async function killAgent(): Promise<void> {
  const agent = world.stack.services().find((service) => service.name === "chassis-agent");
  killNow(agent?.pid);
  await eventually("the agent serves again", async () => {
    const now = world.stack.services().find((service) => service.name === "chassis-agent");
    return now?.restarts === (agent?.restarts ?? 0) + 1 && now.state === "ready" ? true : undefined;
  });
}

const eventsOf = async (vmId: string, type: string): Promise<Json[]> =>
  (await world.done("qry.vm.history", { vmId })).events.filter(
    (e: Json) => e.type === `bioxen.vm.${type}.v1`,
  );

/** Resolves once the checkpoint of a paused VM is its newest, after which the agent takes no other. */
async function lastMinuteIsStored(vmId: string): Promise<void> {
  await eventually(`the checkpoint of ${vmId} contains its last minute`, async () => {
    const { checkpoint } = await view(vmId);
    return checkpoint !== null && checkpoint.simMinutes === (await world.sample(vmId)).simMinutes
      ? true
      : undefined;
  });
}

/** Waits until the stored guest states are exactly those that VMs refer to. */
async function noStateLeaks(): Promise<void> {
  await eventually("the stored states are those that VMs refer to", async () => {
    const { vms } = await world.done("qry.vm.list", {});
    const referred = vms
      .filter((vm: Json) => vm.checkpoint !== null)
      .map((vm: Json) => `bioxen.blob.${vm.vmId}.${vm.checkpoint.checkpointId}`);
    return JSON.stringify(await blobs()) === JSON.stringify(referred.toSorted()) ? true : undefined;
  });
}

describe("after a kill of the agent", () => {
  it("guests restart from their checkpoints with their simulated time, divisions and Lua state", async () => {
    await run("keep-1", { program: PROGRAM });
    const before = await eventually("a checkpoint contains the second division", async () => {
      const vm = await view("keep-1");
      return (vm.checkpoint?.simMinutes ?? 0) > 210 ? vm.checkpoint : undefined;
    });
    await killAgent();
    // The guest restarts on its chassis, or on another one if the agent was away so long that the chassis was lost.
    await eventually("the guest of keep-1 restarts", async () => {
      const restarted = await eventsOf("keep-1", "guest-restarted");
      const started = await eventsOf("keep-1", "started");
      for (const { data } of restarted) expect(data.reason).toMatch(/continues from minute \d+/);
      return restarted.length > 0 || started.length > 1 ? true : undefined;
    });
    const sample = await world.sample("keep-1", (s) => s.simMinutes >= before.simMinutes);
    expect(sample.simMinutes).toBeGreaterThanOrEqual(before.simMinutes);
    expect(sample.divisions).toBeGreaterThanOrEqual(2);
    const { result } = await world.done("cmd.vm.exec", {
      vmId: "keep-1",
      source: "return {state.minutes, cell.sim_minutes()}",
    });
    expect(result[0]).toBeGreaterThanOrEqual(before.simMinutes);
    expect(result[1]).toBeGreaterThanOrEqual(result[0]);
  });

  it("a missing or damaged checkpoint is reported, and the guest restarts without it", async () => {
    await world.done("cmd.vm.stop", { vmId: "keep-1" });
    await run("keep-2");
    await run("keep-3");
    // A paused VM writes no newer checkpoint.
    for (const vmId of ["keep-2", "keep-3"]) {
      await world.done("cmd.vm.pause", { vmId });
      await lastMinuteIsStored(vmId);
    }
    const [gone, damaged] = [await view("keep-2"), await view("keep-3")];
    await jetstream("PURGE", { filter: `bioxen.blob.keep-2.${gone.checkpoint.checkpointId}` });
    await world.nats.request(`bioxen.blob.keep-3.${damaged.checkpoint.checkpointId}`, "other bytes");
    await killAgent();
    for (const [vmId, code] of [
      ["keep-2", "MISSING"],
      ["keep-3", "DAMAGED"],
    ] as const) {
      const [lost] = await eventually(`an event reports the lost checkpoint of ${vmId}`, async () => {
        const events = await eventsOf(vmId, "checkpoint-lost");
        return events.length > 0 ? events : undefined;
      });
      expect(lost.data).toMatchObject({
        code,
        reason: expect.stringContaining("the guest restarts without it"),
      });
      await world.reach(vmId, "paused");
      const { simMinutes } = await world.sample(vmId, (s) => s.sampleNumber <= 2);
      expect(simMinutes, "simulated time stands still for a paused VM").toBeLessThan(2);
    }
  });

  it("the stream holds exactly the states that VMs refer to, and none after their destruction", async () => {
    // A state that is being stored while its VM is destroyed is an orphan, which the sweep deletes by age only.
    for (const vmId of ["keep-2", "keep-3"]) await lastMinuteIsStored(vmId);
    await noStateLeaks();
    const { vms } = await world.done("qry.vm.list", {});
    for (const { vmId, checkpoint } of vms) {
      if (checkpoint === null) continue;
      const subject = `bioxen.blob.${vmId}.${checkpoint.checkpointId}`;
      const { message } = await jetstream("MSG.GET", { last_by_subj: subject });
      expect(hash("sha256", Buffer.from(message.data, "base64"), "hex"), vmId).toBe(checkpoint.sha256);
    }
    for (const { vmId } of vms) await world.done("cmd.vm.destroy", { vmId });
    await eventually("no guest state is stored", async () =>
      (await blobs()).length === 0 ? true : undefined,
    );
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });
});
