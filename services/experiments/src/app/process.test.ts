/** The process manager of experiments: it does everything once, through a crash at each of its steps. */
import { outcomeOf } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { type Crash, FILE, Life, refusal, StandIn } from "./process.testing.ts";

const VMS = ["x-1", "x-2", "x-3", "x-4"];

async function left(standIn: StandIn): Promise<string[]> {
  const states = await Promise.all(VMS.map((vmId) => standIn.vm(vmId)));
  return VMS.filter((_, i) => states[i]?.exists === true && states[i].state !== "destroyed");
}

function results({ state }: Life): unknown[] {
  return VMS.map((_, index) => outcomeOf(state, index));
}

/** Runs an experiment without a crash. */
async function undisturbed(file: object = FILE) {
  const standIn = new StandIn();
  const life = await Life.begin(standIn, "one");
  await life.start(file);
  await life.run();
  return { standIn, life };
}

/** Every crash that can happen in the run of `life`. */
function crashesOf({ counts }: Life): Crash[] {
  return (["call", "append"] as const).flatMap((what) =>
    Array.from({ length: counts[what] }, (_, i) => i + 1).flatMap((at) =>
      (["before", "after"] as const).map((when) => ({ what, at, when })),
    ),
  );
}

describe("an experiment", () => {
  it("creates, starts, records and destroys each VM once", async () => {
    const { standIn, life } = await undisturbed();
    expect(life.state).toMatchObject({ status: "finished", recorded: 4, failed: 0 });
    expect(results(life)).toEqual(
      VMS.map(() => expect.objectContaining({ incarnation: 1, rowCount: 3, values: [expect.any(Number)] })),
    );
    expect(standIn.created.toSorted()).toEqual(VMS);
    expect(await left(standIn)).toEqual([]);
    const events = await standIn.log.read("bioxen.evt.experiment.x", 0);
    expect(events.length, "results share events").toBeLessThan(2 + VMS.length);
    expect(events.slice(1).map(({ envelope }) => [envelope.principal, envelope.onbehalfof])).toEqual(
      events.slice(1).map(() => ["service:experiments", "alice"]),
    );
  });

  it("keeps its VMs when the file says so", async () => {
    const { standIn, life } = await undisturbed({ ...FILE, keep: true });
    expect(life.state.status).toBe("finished");
    expect(await left(standIn)).toEqual(VMS);
  });

  it("waits while no start finds room, says why, and goes on by itself", async () => {
    const standIn = new StandIn();
    standIn.refusal = refusal("INFEASIBLE");
    const life = await Life.begin(standIn, "one");
    await life.start();
    await life.run();
    expect(life.state).toMatchObject({ status: "running", recorded: 0 });
    expect(life.process.waitReasonOf("x-1")).toBe("INFEASIBLE: INFEASIBLE");
    standIn.refusal = undefined;
    await life.run();
    expect(life.state.status).toBe("finished");
    expect(standIn.created).toHaveLength(VMS.length);
  });

  it("is given up when one of its ids belongs to another VM, which stays", async () => {
    const standIn = new StandIn();
    const own = { vmId: "x-2", labels: {}, seed: 1 };
    await standIn.call("bioxen.cmd.vm.create", own, { timeoutMs: 1 });
    const life = await Life.begin(standIn, "one");
    await life.start();
    await life.run();
    expect(life.state).toMatchObject({
      status: "failed",
      reason: "the id x-2 belongs to a VM that is not of this experiment",
    });
    expect(await left(standIn)).toEqual(["x-2"]);
  });
});

describe("after a crash at each step", () => {
  it("has the same results, and has created no VM twice", async () => {
    const reference = await undisturbed();
    const crashes = crashesOf(reference.life).filter(({ what, at }) => what === "call" || at > 1);
    expect(crashes.length).toBeGreaterThan(30);
    for (const crash of crashes) {
      const standIn = new StandIn();
      const first = await Life.begin(standIn, "one", crash);
      await first.start();
      await first.run();
      const second = await Life.begin(standIn, "two");
      await second.run();
      const where = JSON.stringify(crash);
      expect(second.state.status, where).toBe("finished");
      expect(results(second), where).toEqual(results(reference.life));
      expect(standIn.created.toSorted(), where).toEqual(VMS);
      expect(await left(standIn), where).toEqual([]);
    }
  });

  it("leaves no VM after a cancellation", async () => {
    const reference = await undisturbed();
    for (const crash of crashesOf(reference.life).filter(({ what, at }) => what === "call" || at > 1)) {
      const standIn = new StandIn();
      standIn.runsToEnd = crash.at % 2 === 0;
      const first = await Life.begin(standIn, "one", crash);
      await first.start();
      await first.run();
      const second = await Life.begin(standIn, "two");
      if (second.state.status === "finished") continue;
      await second.cancel();
      await second.run();
      const where = JSON.stringify(crash);
      expect(second.state.status, where).toBe("cancelled");
      expect(await left(standIn), where).toEqual([]);
    }
  });
});
