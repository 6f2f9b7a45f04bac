/**
 * Cells in machines are after a restore as they were when the snapshot was taken, whatever the machine did since: it ran,
 * was stopped, or was paused. The pool then has as many objects as before.
 */
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { DriverError } from "@bioxen/vm-driver";
import { afterEach, describe, expect, it } from "vitest";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import { driverOf, machineSpec, sshOf } from "./fleet.ts";
import { withAgents } from "./guest-agent.ts";

/** Longest wait for an agent, ms: it is a process that starts on a busy machine. */
const AGENT_WAIT_MS = 60_000;
const TIMEOUT_MS = 300_000;
const EXEC = { timeoutMs: 10_000 };
const CELL = { ribosomes: 503, rnaPolymerases: 187, atpPerSecond: 13_247 };

let fake: FakeXapi;
let driver: XcpngDriver;
afterEach(async () => {
  await driver.close();
  await fake.close();
});

const spec = (fence: number, more: Parameters<typeof machineSpec>[2] = {}) =>
  machineSpec("x1", fence, {
    biologicalType: "syn3a",
    allocation: { vcpus: 2, memoryMiB: 2_048, ...CELL },
    ...more,
  });

/** The numbers of objects in the pool, once no task is left. */
const objects = () =>
  eventually("no task is left", () => {
    const { connections: _, ...counts } = fake.counts();
    return counts.tasks === 0 ? counts : undefined;
  });

/** Runs a program in the cell. The cell of a machine that has just booted may not answer yet: that is retryable. */
const exec = (fence: number, source: string) =>
  eventually(
    "the cell takes a program",
    async () => {
      try {
        return { result: (await driver.exec("x1", fence, source, EXEC)).result };
      } catch (thrown) {
        if (thrown instanceof DriverError && thrown.retryable) return undefined;
        throw thrown;
      }
    },
    AGENT_WAIT_MS,
  );

describe.each([
  ["with memory", false],
  ["of the disks alone", true],
])("a snapshot %s", (_kind, lacksStorage) => {
  it.each(["runs", "is stopped", "is paused"])(
    "gives a machine that %s its cell back, twice",
    {
      timeout: TIMEOUT_MS,
    },
    async (state) => {
      fake = await createFakeXapi(await withAgents());
      driver = driverOf(fake, {
        ssh: sshOf(fake),
        agentWaitMs: AGENT_WAIT_MS,
        timeScaleMinutesPerSecond: 60,
      });
      await driver.whenReady();
      fake.faults.switches.noSuspendStorage = lacksStorage;
      let fence = 10;
      await driver.start(spec(fence));
      await exec(fence, "state.marker = 'taken'");
      const taken = await driver.snapshots?.take("x1", fence, "s1");
      const before = await objects();
      for (const restores of [1, 2]) {
        await exec(fence, "state.marker = 'later'");
        const restored = { checkpoint: taken?.bytes, restores };
        if (state === "is paused") await driver.pause("x1", fence);
        if (state === "is stopped") {
          await driver.stop("x1", fence);
          fence += 1;
          await driver.start(spec(fence, restored));
        } else {
          await driver.restart(spec(fence, restored));
        }
        if (state === "is paused") {
          expect(driver.list()).toMatchObject([{ state: "paused", restores }]);
          await driver.resume("x1", fence);
        }
        expect(await exec(fence, "return state.marker")).toEqual({ result: "taken" });
        expect(driver.list()).toEqual([{ vmId: "x1", fence, restores, state: "running" }]);
        expect(await objects()).toEqual(before);
      }
    },
  );
});
