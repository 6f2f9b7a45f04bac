/**
 * What a cancelled job leaves, on a real server: no effect, the outcome CANCELLED, and a queue that goes on. A job that
 * had an effect is never reported as cancelled.
 */
import { refuse } from "@bioxen/contracts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../src/index.ts";
import { JobWorld, ScriptedLeases } from "./job-world.ts";

const CANCELLED = { ok: false, error: { code: "CANCELLED", retryable: false } };
const AWAY = refuse("UNAVAILABLE", "not now", { retryable: true });

let world: JobWorld;
beforeAll(async () => {
  world = await JobWorld.open();
});
beforeEach(() => {
  world.tried = [];
});
afterEach(() => world.stopWorkers());
afterAll(() => world.close());

/** Returns a promise that the test resolves, to hold a try at its end. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { reached: () => promise, open: resolve };
}

describe("a cancelled job", () => {
  it("has no effect and one outcome, leaves the queue, and lets the jobs behind it go on in order", async () => {
    const vmId = world.fresh("vm");
    for (const i of [1, 2, 3]) await world.start(vmId, `${vmId}-${i}`);
    expect(await world.cancel(`${vmId}-2`)).toEqual({ changed: true });
    expect(await world.cancel(`${vmId}-2`)).toEqual({ changed: false });
    expect((await world.jobs.waiting(10)).map(({ id }) => id)).toEqual([`${vmId}-1`, `${vmId}-3`]);
    await world.startWorker();
    await world.isEmpty();
    expect(world.tried).toEqual([`${vmId} ${vmId}-1`, `${vmId} ${vmId}-3`]);
    expect(await world.effectsOn(vmId)).toBe(2);
    expect(await world.outcomeOf(`${vmId}-2`)).toMatchObject(CANCELLED);
    expect(await world.jobs.deadLetter(`${vmId}-2`)).toBeUndefined();
    await world.start(vmId, `${vmId}-2`);
    await world.isEmpty();
    expect(await world.effectsOn(vmId), "its id is used up").toBe(2);
  });

  it("that waits for its next try gets no further one", async () => {
    const vmId = world.fresh("vm");
    world.refusals.set(vmId, AWAY);
    await world.startWorker();
    await world.start(vmId, `${vmId}-1`);
    await eventually("it was tried", () => world.tried.length > 0 || undefined);
    await eventually("it is cancelled", async () =>
      "changed" in (await world.cancel(`${vmId}-1`)) ? true : undefined,
    );
    world.refusals.delete(vmId);
    await world.start(vmId, `${vmId}-2`);
    expect(await world.outcomeOf(`${vmId}-2`)).toMatchObject({ ok: true });
    expect(await world.outcomeOf(`${vmId}-1`)).toMatchObject(CANCELLED);
    expect(await world.effectsOn(vmId)).toBe(1);
    await world.isEmpty();
  });

  it("that another service would own is cancelled before it becomes a dead letter, or is one", async () => {
    const id = world.fresh("stray");
    await world.publish("{}", id, "bioxen.job.dragon.create");
    expect(await world.cancel(id)).toEqual({ changed: true });
    expect(await world.jobs.deadLetter(id)).toBeUndefined();
    const other = world.fresh("stray");
    await world.startWorker();
    await world.publish("{}", other, "bioxen.job.dragon.create");
    await world.outcomeOf(other);
    expect(await world.cancel(other)).toEqual({ refused: "INVALID_TRANSITION" });
    expect(await world.cancel("never-was")).toEqual({ refused: "JOB_NOT_FOUND" });
  });
});

describe("a job whose try is under way", () => {
  it("is completed and keeps its outcome", async () => {
    const vmId = world.fresh("vm");
    const hold = gate();
    world.after.set(vmId, hold.reached);
    await world.startWorker();
    await world.start(vmId, `${vmId}-1`);
    await eventually("it is tried", () => world.tried.length > 0 || undefined);
    expect(await world.cancel(`${vmId}-1`)).toEqual({ refused: "CONFLICT" });
    hold.open();
    expect(await world.outcomeOf(`${vmId}-1`)).toMatchObject({ ok: true, changed: true });
    expect(await world.cancel(`${vmId}-1`)).toEqual({ refused: "INVALID_TRANSITION" });
    expect(await world.effectsOn(vmId)).toBe(1);
  });

  it("keeps the effect of a worker that died before it could store the outcome", async () => {
    const vmId = world.fresh("vm");
    const [leases, hold] = [new ScriptedLeases(), gate()];
    world.after.set(vmId, hold.reached);
    await world.startWorker(leases);
    await world.start(vmId, `${vmId}-1`);
    await eventually("its event is in the log", async () =>
      (await world.effectsOn(vmId)) === 1 ? true : undefined,
    );
    world.abandonWorkers(leases);
    hold.open();
    expect(await world.cancel(`${vmId}-1`)).toEqual({ refused: "CONFLICT" });
    world.after.delete(vmId);
    await world.startWorker();
    expect(await world.outcomeOf(`${vmId}-1`)).toMatchObject({ ok: true });
    expect(await world.effectsOn(vmId)).toBe(1);
  });
});

describe("cancellations at any moment", () => {
  it("each job has either its effect or a refusal as outcome, and CANCELLED if the cancellation said so", async () => {
    await world.startWorker();
    const vmIds = Array.from({ length: 40 }, () => world.fresh("race"));
    const answers = await Promise.all(
      vmIds.map(async (vmId, i) => {
        if (i % 4 === 0) world.refusals.set(vmId, AWAY);
        await world.start(vmId, `${vmId}-job`);
        return world.cancel(`${vmId}-job`);
      }),
    );
    world.refusals.clear();
    await world.isEmpty();
    for (const [i, vmId] of vmIds.entries()) {
      const [outcome, effects] = [await world.outcomeOf(`${vmId}-job`), await world.effectsOn(vmId)];
      expect({ vmId, effects }).toEqual({ vmId, effects: outcome?.ok === true ? 1 : 0 });
      // On a slow machine a refused job can use up its tries before its cancellation arrives.
      if (outcome?.ok === false) expect(["CANCELLED", AWAY.rejection.code]).toContain(outcome.error.code);
      if ("changed" in (answers[i] ?? {})) expect(outcome).toMatchObject(CANCELLED);
    }
  });
});
