/**
 * Durable commands and workers that die: between the event and the acknowledgement, again and again, and for a long time.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../src/index.ts";
import { JobWorld, ToldLeases } from "./job-world.ts";

let world: JobWorld;
beforeAll(async () => {
  world = await JobWorld.open();
});
beforeEach(() => {
  world.tried = [];
});
afterAll(() => world.close());

describe("a worker that dies", () => {
  it("after its command was carried out and before it was acknowledged: the next one finishes it, with one effect", async () => {
    await world.stopWorkers();
    const leases = new ToldLeases();
    await world.startWorker(leases);
    let reached = false;
    // Never comes back, as from a process that was killed.
    world.after.set("killed", () => {
      reached = true;
      return new Promise(() => undefined);
    });
    await world.start("killed", "killed-1");
    await world.start("killed", "killed-2");
    await eventually("the event is appended", () => reached || undefined);
    world.abandonWorkers(leases);
    world.after.clear();
    expect(await world.jobs.outcome("killed-1")).toBeUndefined();
    await world.startWorker();
    expect(await world.outcomeOf("killed-1")).toMatchObject({ ok: true });
    expect(await world.outcomeOf("killed-2")).toMatchObject({ ok: true });
    await world.isEmpty();
    expect(await world.effectsOn("killed")).toBe(2);
    expect(world.tried).toEqual(["killed killed-1", "killed killed-1", "killed killed-2"]);
  });

  it("and comes back after every memory of its command but the log is gone: one effect", async () => {
    await world.stopWorkers();
    const leases = new ToldLeases();
    await world.startWorker(leases);
    let reached = false;
    world.after.set("long", () => {
      reached = true;
      return new Promise(() => undefined);
    });
    await world.start("long", "long-1");
    await eventually("the event is appended", () => reached || undefined);
    world.abandonWorkers(leases);
    world.after.clear();
    world.aheadMs = 600_000;
    await world.client.request("$JS.API.STREAM.PURGE.KV_bioxen-first-outcomes", "", { timeout: 2_000 });
    await world.startWorker();
    expect(await world.outcomeOf("long-1")).toMatchObject({ ok: true });
    expect(await world.effectsOn("long")).toBe(1);
    world.aheadMs = 0;
  });

  it("each time on the same job: the job is a dead letter, and the next ones are carried out", async () => {
    await world.stopWorkers();
    await world.start("fatal", "fatal-1");
    await world.start("fatal", "fatal-2");
    world.after.set("fatal", () => new Promise(() => undefined));
    for (let deaths = 0; deaths < 5; deaths += 1) {
      const leases = new ToldLeases();
      await world.startWorker(leases);
      await eventually(
        "it works on it",
        () => world.tried.filter((one) => one === "fatal fatal-1").length > deaths || undefined,
      );
      world.abandonWorkers(leases);
    }
    world.after.clear();
    await world.startWorker();
    expect(await world.outcomeOf("fatal-1")).toMatchObject({ ok: false, error: { code: "INTERNAL" } });
    expect(await world.outcomeOf("fatal-2")).toMatchObject({ ok: true });
    expect(await world.jobs.deadLetter("fatal-1")).toBeDefined();
  }, 30_000);
});
