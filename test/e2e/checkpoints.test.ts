/**
 * What is kept of a guest whose agent dies: it goes on from its checkpoint, or says why it cannot.
 */
import { hash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const STREAM = "BIOXEN_GUEST_STATE";
const PROGRAM =
  "state.minutes = state.minutes or 0 function on_minute(_, n) state.minutes = state.minutes + n end";

let world: World;
beforeAll(async () => {
  process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"] = "1000";
  // syn3a doubles in 105 min: an hour of it a second.
  world = await World.open({ chassis: "ecoli:1", timeScale: 60 });
});
afterAll(async () => {
  delete process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"];
  await world.close();
});

/** JetStream's own API, open to every tool. */
async function jetstream(call: string, payload: object): Promise<Json> {
  return (await world.nats.request(`$JS.API.STREAM.${call}.${STREAM}`, JSON.stringify(payload))).json();
}

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
  process.kill(agent?.pid ?? -1, "SIGKILL");
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
  await eventually(`the last minute of ${vmId} is stored`, async () => {
    const { checkpoint } = await view(vmId);
    return checkpoint !== null && checkpoint.simMinutes === (await world.sample(vmId)).simMinutes
      ? true
      : undefined;
  });
}

/** Once everything under way is done, what is stored is what VMs refer to. */
async function nothingLeaks(): Promise<void> {
  await eventually("the states stored are those that VMs refer to", async () => {
    const { vms } = await world.done("qry.vm.list", {});
    const referred = vms
      .filter((vm: Json) => vm.checkpoint !== null)
      .map((vm: Json) => `bioxen.blob.${vm.vmId}.${vm.checkpoint.checkpointId}`);
    return JSON.stringify(await blobs()) === JSON.stringify(referred.toSorted()) ? true : undefined;
  });
}

describe("an agent that is killed", () => {
  it("starts its guests from their checkpoints: time, divisions and state go on", async () => {
    await run("keep-1", { program: PROGRAM });
    const before = await eventually("it divided, and that is in a checkpoint", async () => {
      const vm = await view("keep-1");
      return (vm.checkpoint?.simMinutes ?? 0) > 210 ? vm.checkpoint : undefined;
    });
    await killAgent();
    // In its place; or elsewhere, when the agent was away for so long that its chassis was lost.
    await eventually("its guest was started again", async () => {
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
    // Paused, so that nothing newer takes its place.
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
      const [lost] = await eventually(`the loss of ${vmId} is told`, async () => {
        const events = await eventsOf(vmId, "checkpoint-lost");
        return events.length > 0 ? events : undefined;
      });
      expect(lost.data).toMatchObject({
        code,
        reason: expect.stringContaining("the guest restarts without it"),
      });
      await world.reach(vmId, "paused");
      const { simMinutes } = await world.sample(vmId, (s) => s.sampleNumber <= 2);
      expect(simMinutes, "no time passes for a VM that is paused").toBeLessThan(2);
    }
  });

  it("nothing is stored that nobody refers to", async () => {
    // A state that is being stored while its VM is destroyed is an orphan, which the sweep deletes by age only.
    for (const vmId of ["keep-2", "keep-3"]) await lastMinuteIsStored(vmId);
    await nothingLeaks();
    const { vms } = await world.done("qry.vm.list", {});
    for (const { vmId, checkpoint } of vms) {
      if (checkpoint === null) continue;
      const subject = `bioxen.blob.${vmId}.${checkpoint.checkpointId}`;
      const { message } = await jetstream("MSG.GET", { last_by_subj: subject });
      expect(hash("sha256", Buffer.from(message.data, "base64"), "hex"), vmId).toBe(checkpoint.sha256);
    }
    for (const { vmId } of vms) await world.done("cmd.vm.destroy", { vmId });
    await eventually("nothing is stored any more", async () =>
      (await blobs()).length === 0 ? true : undefined,
    );
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });
});
