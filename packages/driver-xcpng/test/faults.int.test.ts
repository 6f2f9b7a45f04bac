/**
 * Faults between the driver and a pool, at every step of a machine's life. The caller retries as the agent does. At any
 * time at most one machine exists, and in the end nothing is left.
 */

import type { Counts, FakeXapi, Fault } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { DriverError } from "@bioxen/vm-driver";
import { describe, expect, it } from "vitest";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import { XapiUnreachable } from "../src/xapi/errors.ts";
import { parsePins } from "../src/xapi/trust.ts";
import { thrownBy } from "./connect.ts";
import { machineSpec, withDriver } from "./fleet.ts";

/** Longest time of a copy without progress in the test of long copies, ms. */
const STALL_MS = 1_000;

/** Retries `call` while its errors are retryable. */
async function retrying(what: string, call: () => Promise<void>): Promise<void> {
  await eventually(what, () =>
    call().then(
      () => true,
      (thrown: unknown) => {
        if (thrown instanceof DriverError && thrown.retryable) return undefined;
        throw thrown;
      },
    ),
  );
}

/** The whole life of one machine, from its start to its removal. */
async function live(driver: XcpngDriver, fake: FakeXapi, vmId: string, fence: number): Promise<void> {
  await retrying("it starts", () => driver.start(machineSpec(vmId, fence)));
  expect(driver.list()).toEqual([{ vmId, fence, restores: 0, state: "running" }]);
  await retrying("it stops", () => driver.stop(vmId, fence));
  await retrying("it is removed", () => driver.discard(vmId, 1));
  expect([driver.list(), driver.kept()]).toEqual([[], []]);
  expect(
    fake.pool.db
      .all("VM")
      .filter(([, vm]) => vm["power_state"] === "Running" && vm["is_control_domain"] !== true),
  ).toEqual([]);
}

async function nothingIsLeft(fake: FakeXapi, before: Counts): Promise<void> {
  await eventually(`the pool is as it was: ${JSON.stringify(fake.counts())}`, () => {
    const now = fake.counts();
    return (
      JSON.stringify({ ...now, sessions: 0 }) === JSON.stringify({ ...before, tasks: 0, sessions: 0 }) ||
      undefined
    );
  });
}

const STEPS = [
  "VM.clone",
  "VM.get_record",
  "VM.set_other_config",
  "VM.provision",
  "VM.set_memory_limits",
  "VM.set_VCPUs_max",
  "VM.set_VCPUs_at_startup",
  "VM.set_VCPUs_params",
  "VM.start",
  "VM.add_to_other_config",
  "VM.clean_shutdown",
  "VM.remove_from_other_config",
  "VBD.get_record",
  "VDI.get_record",
  "VDI.destroy",
  "VM.destroy",
  "task.destroy",
];

const KINDS: readonly [string, (method: string) => Fault][] = [
  ["dropped after it ran", (method) => ({ kind: "drop-after", method })],
  ["dropped before it ran", (method) => ({ kind: "drop-before", method })],
  ["lost with its session", (method) => ({ kind: "lose-session", method })],
  [
    "rejected because another operation is in progress",
    (method) => ({ kind: "refuse", method, code: "OTHER_OPERATION_IN_PROGRESS" }),
  ],
];

describe("each call of a machine's life may be", () => {
  it.each(KINDS)(
    "%s",
    async (_name, faultOf) => {
      await withDriver(async ({ fake, driver }) => {
        const before = fake.counts();
        for (const [i, method] of STEPS.entries()) {
          const fault = faultOf(method);
          const struck = fake.faults.struck.get(fault.kind) ?? 0;
          fake.faults.add(fault);
          await live(driver, fake, "x1", 10 * (i + 1));
          expect(fake.faults.struck.get(fault.kind), method).toBe(struck + 1);
        }
        await nothingIsLeft(fake, before);
        await driver.close();
        expect(fake.counts().sessions).toBe(0);
      });
    },
    120_000,
  );

  it("slow: the driver waits up to its deadline, then retries", async () => {
    await withDriver(
      async ({ fake, driver }) => {
        const before = fake.counts();
        fake.faults.add({ kind: "slow", method: "VM.set_memory_limits", ms: 100 });
        fake.faults.add({ kind: "slow", method: "VM.set_other_config", ms: 3_000 });
        await live(driver, fake, "x1", 10);
        await nothingIsLeft(fake, before);
      },
      {},
      { callTimeoutMs: 1_500 },
    );
  });

  it("stuck: the task is cancelled at its deadline, and an unfinished clone is removed", async () => {
    await withDriver(
      async ({ fake, driver }) => {
        const before = fake.counts();
        fake.faults.add({ kind: "stuck-task", method: "VM.clone" });
        fake.faults.add({ kind: "stuck-task", method: "VM.provision" });
        await live(driver, fake, "x1", 10);
        await nothingIsLeft(fake, before);
      },
      {},
      { deadlines: { cloneMs: 300, startMs: 300 } },
    );
  });

  it("long: a copy may take longer than its deadline while its progress grows, but not without progress", async () => {
    await withDriver(
      async ({ fake, driver }) => {
        const before = fake.counts();
        const storage = String(fake.pool.db.get("SR", fake.pool.storage)["uuid"]);
        const spec = machineSpec("x1", 10, { config: { storage } });
        await driver.start(spec);
        expect(fake.statistics.byMethod.get("Async.VM.copy"), "it was never cancelled").toBe(1);
        await driver.stop("x1", 10);
        await driver.discard("x1", 1);
        fake.faults.add({ kind: "stuck-task", method: "VM.copy" });
        const error = await thrownBy(driver.start({ ...spec, fence: 20 }));
        expect(error.message).toContain(`the task made no progress within ${STALL_MS} ms`);
        await nothingIsLeft(fake, before);
      },
      // Ten steps, each of half the deadline.
      { copyMs: 5 * STALL_MS },
      { deadlines: { cloneMs: STALL_MS } },
    );
  });

  it("disturbed: events and sessions are lost repeatedly while machines come and go", async () => {
    await withDriver(async ({ fake, driver }) => {
      const before = fake.counts();
      const disturbing = setInterval(() => {
        fake.pool.db.forgetHistory();
        fake.loseSessions();
      }, 150);
      for (let fence = 10; fence <= 40; fence += 10) await live(driver, fake, "x1", fence);
      clearInterval(disturbing);
      await nothingIsLeft(fake, before);
    });
  });
});

describe("guests that do not shut down", () => {
  it("a guest that ignores a clean shutdown or lacks the tools for it is switched off", async () => {
    await withDriver(async ({ fake, driver }) => {
      const before = fake.counts();
      for (const trouble of ["guestsIgnoreShutdown", "guestsLackTools"] as const) {
        fake.faults.switches[trouble] = true;
        const spec = machineSpec("x1", trouble === "guestsIgnoreShutdown" ? 10 : 20, {
          config: { shutdownGraceMs: 100 },
        });
        await driver.start(spec);
        await driver.stop("x1", spec.fence);
        expect([driver.list(), driver.kept().length]).toEqual([[], 1]);
        fake.faults.switches[trouble] = false;
      }
      expect(fake.statistics.byMethod.get("Async.VM.hard_shutdown")).toBe(2);
      await driver.discard("x1", 1);
      await nothingIsLeft(fake, before);
    });
  });
});

describe("the connection to the pool", () => {
  it("the driver follows a member's redirect to the master", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      await driver.close();
      const before = fake.counts();
      const member = await fake.addMember("127.0.0.4", "127.0.0.1");
      const url = `https://127.0.0.4:${fake.port}`;
      const pins = `${member.fingerprint},127.0.0.1=${fake.fingerprint}`;
      const redirected = again({ url, trust: { kind: "pins", pins: parsePins(pins) } });
      await redirected.whenReady();
      await live(redirected, fake, "x1", 10);
      await nothingIsLeft(fake, before);
      await redirected.close();
      expect(fake.counts().sessions).toBe(0);
    });
  });

  it("a driver with a wrong password reports it, and connects once the password is right", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      await driver.close();
      let password = "wrong";
      const troubles: string[] = [];
      const credentials = async () => ({ username: fake.username, password });
      const late = again({ credentials, onTrouble: (message) => troubles.push(message) });
      const error = await thrownBy(late.whenReady());
      expect(error.message).toMatch(/rejects this user name and password: check/);
      expect(await thrownBy(late.start(machineSpec("x1", 10)))).toMatchObject({
        code: "UNAVAILABLE",
        retryable: true,
      });
      password = fake.password;
      await eventually("it is connected", () =>
        late.whenReady().then(
          () => true,
          () => undefined,
        ),
      );
      expect(troubles.at(-1)).toMatch(/answers again/);
      expect(troubles.join()).not.toContain(password);
    });
  });

  it("the driver keeps its list of guests when the pool becomes unreachable", async () => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      await fake.close();
      const error = await eventually("it is noticed", () =>
        driver.whenReady().then(
          () => undefined,
          (thrown: DriverError) => thrown,
        ),
      );
      expect(error).toMatchObject({ code: "UNAVAILABLE", cause: expect.any(XapiUnreachable) });
      expect(driver.list()).toHaveLength(1);
    });
  });
});
