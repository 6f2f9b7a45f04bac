/**
 * Another user of the pool reverts a machine that runs to a snapshot of an earlier start. Its keys are then those of that
 * start; the next start of the VM gives it the present ones, and no second machine is made.
 */
import type { FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { describe, expect, it } from "vitest";
import { machineSpec, withDriver } from "./fleet.ts";
import { only } from "./pool-contents.ts";

const calls = (fake: FakeXapi, method: string) => fake.statistics.byMethod.get(`Async.${method}`) ?? 0;

it("a suspended machine without the mark of its run has it once it is resumed, so that a halt is a failure", async () => {
  await withDriver(async ({ fake, driver }) => {
    await driver.start(machineSpec("x1", 10));
    const [ref] = only(fake, "x1");
    await fake.outside("VM.suspend", ref);
    // What a start leaves that was retagging the machine while another user's revert was under way.
    await fake.outside("VM.remove_from_other_config", ref, "bioxen:ran");
    await eventually("the driver sees it", () => driver.list()[0]?.state === "paused" || undefined);
    await driver.resume("x1", 10);
    expect(only(fake, "x1")[1].other_config).toMatchObject({ "bioxen:ran": "10" });
    await fake.outside("VM.hard_shutdown", ref);
    await eventually("the guest has failed", () => driver.list()[0]?.state === "failed" || undefined);
  });
});

it.each([
  ["snapshot", "failed"],
  ["checkpoint", "paused"],
] as const)(
  "a revert to a %s of an earlier start, of which the driver sees only the end, is seen",
  async (kind, state) => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      const [ref] = only(fake, "x1");
      const earlier = await fake.outside(`VM.${kind}`, ref, "an administrator's");
      await driver.stop("x1", 10);
      await driver.start(machineSpec("x1", 20));
      // The pool merges everything that happens while the driver asks for no event.
      const reverted = Promise.withResolvers<void>();
      fake.faults.add({ kind: "held", method: "event.from", until: reverted.promise });
      await fake.outside("event.inject", "pool", fake.pool.ref);
      await eventually("no event is sent", () => fake.faults.struck.get("held") === 1 || undefined);
      await fake.outside("VM.revert", earlier);
      const reads = fake.statistics.byMethod.get("VM.get_record") ?? 0;
      reverted.resolve();
      await eventually("the driver sees it", () => driver.list()[0]?.state === state || undefined);
      expect(driver.list()).toMatchObject([{ vmId: "x1", fence: 10 }]);
      expect(fake.statistics.byMethod.get("VM.get_record")).toBe(reads + 1);
      await driver.start(machineSpec("x1", 20));
      expect(driver.list()).toEqual([{ vmId: "x1", fence: 20, restores: 0, state: "running" }]);
      expect(only(fake, "x1")[1]["power_state"]).toBe("Running");
    });
  },
);

describe("a revert by another user of a machine that runs, to a snapshot of an earlier start", () => {
  it.each([
    ["snapshot", "failed", "Halted"],
    ["checkpoint", "paused", "Suspended"],
  ] as const)(
    "a %s: is a guest of that start, and the present start runs it again",
    async (kind, state, power) => {
      await withDriver(async ({ fake, driver, again }) => {
        await driver.start(machineSpec("x1", 10));
        const [ref, { uuid }] = only(fake, "x1");
        const earlier = await fake.outside(`VM.${kind}`, ref, "an administrator's");
        await driver.stop("x1", 10);
        await driver.start(machineSpec("x1", 20));
        const before = fake.counts();
        const starts = calls(fake, "VM.start");
        await fake.outside("VM.revert", earlier);
        expect(only(fake, "x1")[1].other_config).toMatchObject({ "bioxen:fence": "10" });
        expect(only(fake, "x1")[1]["power_state"]).toBe(power);
        await eventually("the driver sees it", () => driver.list()[0]?.state === state || undefined);
        expect(driver.list()).toMatchObject([{ vmId: "x1", fence: 10 }]);
        for (const next of [driver, again()]) {
          await next.whenReady();
          await next.start(machineSpec("x1", 20));
          expect(next.list()).toEqual([{ vmId: "x1", fence: 20, restores: 0, state: "running" }]);
        }
        expect(only(fake, "x1")).toEqual([
          ref,
          expect.objectContaining({
            uuid,
            power_state: "Running",
            name_label: expect.stringMatching(/^BioXen x1 /),
            other_config: expect.objectContaining({ "bioxen:fence": "20", "bioxen:ran": "20" }),
          }),
        ]);
        expect([calls(fake, "VM.start"), calls(fake, "VM.revert")]).toEqual([starts + 1, 0]);
        await eventually("no task is left", () => fake.counts().tasks === 0 || undefined);
        // One session of each driver.
        expect(fake.counts()).toEqual({ ...before, tasks: 0, sessions: 2 });
      });
    },
  );
});
