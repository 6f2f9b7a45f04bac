/**
 * Another user of the pool changes a machine after a call of the driver, and before the driver has read the machine: the
 * change is observed, once, like any other.
 */
import type { FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import type { GuestEvent } from "@bioxen/vm-driver";
import { expect, it } from "vitest";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import { machineSpec, withDriver } from "./fleet.ts";
import { machines, only } from "./pool-contents.ts";

const start = (driver: XcpngDriver) => driver.start(machineSpec("x1", 10));

/** Lets another user make `changes`, once the pool has carried out `method` and before anyone reads the machine. */
function between(fake: FakeXapi, method: string, state: string, changes: readonly string[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let isArmed = false;
  fake.onCall((call) => {
    if (isArmed || call.method !== method) return;
    isArmed = true;
    fake.faults.add({ kind: "held", method: "VM.get_record", until: promise });
    const change = async (): Promise<void> => {
      const [ref] = only(fake, "x1");
      await eventually(`the machine is ${state}`, () => {
        const vm = fake.pool.db.get("VM", ref);
        const isDone = Object.keys(vm["current_operations"] as object).length === 0;
        return (vm["power_state"] === state && isDone) || undefined;
      });
      for (const one of changes)
        await fake.outside(one, ref, ...(one === "VM.start" || one === "VM.resume" ? [false, false] : []));
    };
    change().then(resolve, reject);
  });
  return promise;
}

interface Case {
  /** What the driver has done before. */
  readonly before?: (driver: XcpngDriver) => Promise<void>;
  readonly act: (driver: XcpngDriver) => Promise<void>;
  /** The call after which the machine is changed, and the machine's state then. */
  readonly after: readonly [method: string, state: string];
  readonly changes: readonly string[];
  readonly seen: string;
  /** The state of the guest afterwards; undefined when there is none. */
  readonly state: string | undefined;
}

const HALT = ["VM.hard_shutdown"];
const pause = (driver: XcpngDriver) => driver.pause("x1", 10);
const cases: Readonly<Record<string, Case>> = {
  "a start, then halted": {
    act: start,
    after: ["VM.start", "Running"],
    changes: HALT,
    seen: "halted",
    state: "failed",
  },
  "a start, then paused": {
    act: start,
    after: ["VM.start", "Running"],
    changes: ["VM.pause"],
    seen: "paused",
    state: "paused",
  },
  "a pause, then resumed": {
    before: start,
    act: pause,
    after: ["VM.pause", "Paused"],
    changes: ["VM.unpause"],
    seen: "resumed",
    state: "running",
  },
  "a pause, then deleted": {
    before: start,
    act: pause,
    after: ["VM.pause", "Paused"],
    changes: [...HALT, "VM.destroy"],
    seen: "deleted",
    state: "failed",
  },
  "a resume, then suspended": {
    before: async (driver) => {
      await start(driver);
      await pause(driver);
    },
    act: (driver) => driver.resume("x1", 10),
    after: ["VM.unpause", "Running"],
    changes: ["VM.suspend"],
    seen: "suspended",
    state: "paused",
  },
  "a resize, then halted": {
    before: start,
    act: (driver) => driver.resize("x1", 10, { vcpus: 1, memoryMiB: 1_024 }),
    after: ["VM.set_memory_dynamic_range", "Running"],
    changes: HALT,
    seen: "halted",
    state: "failed",
  },
  "a stop, then started": {
    before: start,
    act: (driver) => driver.stop("x1", 10),
    after: ["VM.clean_shutdown", "Halted"],
    changes: ["VM.start"],
    seen: "started",
    state: "running",
  },
  // The first stop may be refused, because the machine is gone; the agent then repeats it.
  "a stop, then deleted": {
    before: start,
    act: async (driver) => {
      await driver.stop("x1", 10).catch(() => undefined);
      await eventually("the deletion is noted", () => driver.list().length > 0 || undefined);
      await driver.stop("x1", 10);
    },
    after: ["VM.clean_shutdown", "Halted"],
    changes: ["VM.destroy"],
    seen: "deleted",
    state: undefined,
  },
};

it.each(Object.entries(cases))("%s: the change is observed", async (_name, one) => {
  await withDriver(async ({ fake, driver }) => {
    if (one.before !== undefined) await one.before(driver);
    const seen: GuestEvent[] = [];
    driver.onGuestEvent((event) => void (event.kind === "observed" && seen.push(event)));
    const changed = between(fake, ...one.after, one.changes);
    // A call on a machine that another user has changed meanwhile may be refused; the agent then decides again.
    await one.act(driver).catch(() => undefined);
    await changed;
    await eventually("the change is observed", () => seen.length > 0 || undefined);
    expect(seen).toMatchObject([{ kind: "observed", vmId: "x1", fence: 10, seen: one.seen }]);
    expect(driver.list()[0]?.state).toBe(one.state);
    expect(machines(fake, "x1")).toHaveLength(one.seen === "deleted" ? 0 : 1);
  });
});

it("what the driver itself does to a machine is never observed as a change by others", async () => {
  await withDriver(async ({ driver }) => {
    const seen: GuestEvent[] = [];
    driver.onGuestEvent((event) => void (event.kind === "observed" && seen.push(event)));
    await start(driver);
    await pause(driver);
    await driver.resume("x1", 10);
    await driver.resize("x1", 10, { vcpus: 1, memoryMiB: 1_024 });
    await driver.stop("x1", 10);
    await driver.start(machineSpec("x1", 20));
    await driver.stop("x1", 20);
    await driver.discard("x1", 1);
    expect(seen).toEqual([]);
  });
});
