/**
 * Durable commands and workers that die: between the event and the acknowledgement, repeatedly, and for a long time.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../src/index.ts";
import { JobWorld, ScriptedLeases } from "./job-world.ts";

let world: JobWorld;
beforeAll(async () => {
  world = await JobWorld.open();
});
beforeEach(() => {
  world.tried = [];
});
afterAll(() => world.close());

/** The id of a new VM, and the ids of two jobs for it. */
function jobsOf(): readonly [vmId: string, first: string, second: string] {
  const vmId = world.fresh("vm");
  return [vmId, `${vmId}-first`, `${vmId}-second`];
}

describe("a worker that dies", () => {
  it("between the event and the acknowledgement leaves its job to the next worker, with one effect", async () => {
    const [vmId, first, second] = jobsOf();
    await world.stopWorkers();
    const leases = new ScriptedLeases();
    await world.startWorker(leases);
    let reached = false;
    // Never resolves, as in a killed process.
    world.after.set(vmId, () => {
      reached = true;
      return new Promise(() => undefined);
    });
    await world.start(vmId, first);
    await world.start(vmId, second);
    await eventually("the event is appended", () => reached || undefined);
    world.abandonWorkers(leases);
    world.after.clear();
    expect(await world.jobs.outcome(first)).toBeUndefined();
    await world.startWorker();
    expect(await world.outcomeOf(first)).toMatchObject({ ok: true });
    expect(await world.outcomeOf(second)).toMatchObject({ ok: true });
    await world.isEmpty();
    expect(await world.effectsOn(vmId)).toBe(2);
    expect(world.tried).toEqual([`${vmId} ${first}`, `${vmId} ${first}`, `${vmId} ${second}`]);
  });

  it("and whose outcome only the log still knows leaves its job to the next worker, with one effect", async () => {
    const [vmId, first] = jobsOf();
    await world.stopWorkers();
    const leases = new ScriptedLeases();
    await world.startWorker(leases);
    let reached = false;
    world.after.set(vmId, () => {
      reached = true;
      return new Promise(() => undefined);
    });
    await world.start(vmId, first);
    await eventually("the event is appended", () => reached || undefined);
    world.abandonWorkers(leases);
    world.after.clear();
    world.aheadMs = 600_000;
    await world.client.request("$JS.API.STREAM.PURGE.KV_bioxen-first-outcomes", "", { timeout: 2_000 });
    await world.startWorker();
    expect(await world.outcomeOf(first)).toMatchObject({ ok: true });
    expect(await world.effectsOn(vmId)).toBe(1);
    world.aheadMs = 0;
  });

  it("on each attempt of one job makes it a dead letter, and the next jobs are carried out", async () => {
    const [vmId, first, second] = jobsOf();
    await world.stopWorkers();
    await world.start(vmId, first);
    await world.start(vmId, second);
    world.after.set(vmId, () => new Promise(() => undefined));
    for (let deaths = 0; deaths < 5; deaths += 1) {
      const leases = new ScriptedLeases();
      await world.startWorker(leases);
      await eventually(
        "the worker has the job",
        () => world.tried.filter((one) => one === `${vmId} ${first}`).length > deaths || undefined,
      );
      world.abandonWorkers(leases);
    }
    world.after.clear();
    await world.startWorker();
    expect(await world.outcomeOf(first)).toMatchObject({ ok: false, error: { code: "INTERNAL" } });
    expect(await world.outcomeOf(second)).toMatchObject({ ok: true });
    expect(await world.jobs.deadLetter(first)).toBeDefined();
  }, 30_000);
});
