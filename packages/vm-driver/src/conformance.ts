/**
 * The requirements for every driver as one test suite: call `driverConformance("basic", factory)` in a driver's tests.
 *
 * The suite checks the promises of the port (`driver.ts`), independent of the kind of guest. For a missing capability
 * the driver must answer `UNSUPPORTED`. A test about something that the driver does not have is reported as skipped, with
 * the reason: no check is skipped silently. This module imports Vitest, so only tests may
 * import it.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { changesAtMinutes } from "./conformance-changes.ts";
import { checkpoints, goingOn } from "./conformance-checkpoints.ts";
import {
  capIn,
  type DriverUnderTest,
  type Fixture,
  LACKS,
  live,
  refused,
  states,
  untilSampled,
} from "./conformance-fixture.ts";
import { lastMinute } from "./conformance-last-minute.ts";
import { keptSnapshots } from "./conformance-snapshots.ts";
import type { VmDriver } from "./driver.ts";
import { capabilitiesOfGuest } from "./guest-capabilities.ts";

export type { DriverUnderTest };

/** Time limit for each exec, ms; longer than any exec of this suite needs. */
const EXEC_TIMEOUT_MS = 5_000;
/** Longer than any stop of a test: a stop that waits for all of it fails by the time limit of its test. */
const LONG_GRACE_MS = 600_000;

/** Defines the suite. `factory` makes a fresh driver for each test; the suite closes every driver after its test. */
export function driverConformance(
  name: string,
  factory: () => DriverUnderTest | Promise<DriverUnderTest>,
): void {
  describe(`conformance of the ${name} driver`, () => {
    let subject: DriverUnderTest;
    let driver: VmDriver;
    beforeEach(async () => {
      subject = await factory();
      driver = subject.driver;
    });
    const others: VmDriver[] = [];
    afterEach(async () => {
      for (const each of [driver, ...others.splice(0)]) await each.close();
    });

    const fixture: Fixture = {
      subject: () => subject,
      driver: () => driver,
      start: (vmId, fence) => driver.start(subject.spec(vmId, fence)),
      another: async () => {
        const { driver: other } = await factory();
        others.push(other);
        return other;
      },
    };
    describe("starting and stopping", () => lifecycle(fixture));
    describe("fences", () => fencing(fixture));
    describe("pausing", () => pausing(fixture));
    describe("resizing", () => resizing(fixture));
    describe("exec", () => executing(fixture));
    describe("checkpoints", () => checkpoints(fixture));
    describe("starting from a checkpoint", () => goingOn(fixture));
    describe("changes at minutes", () => changesAtMinutes(fixture));
    describe("the last minute of a guest", () => lastMinute(fixture));
    describe("kept snapshots", () => keptSnapshots(fixture));
    describe("clock and close", () => clockAndClose(fixture));
  });
}

function lifecycle({ driver, start, subject }: Fixture): void {
  it("a started guest is listed as running and has a sample", async () => {
    await start("cell-b", 11);
    await start("cell-a", 10);
    expect(
      driver()
        .list()
        .map((status) => status.vmId),
    ).toEqual(["cell-a", "cell-b"]);
    expect(states(driver())).toEqual({ "cell-a": "running@10", "cell-b": "running@11" });
    expect(driver().sample("cell-a")).toBeDefined();
    expect(driver().sample("cell-c")).toBeUndefined();
  });

  it("a repeated start with the same fence changes nothing, even during the first start", async () => {
    const first = start("cell-a", 10);
    const second = start("cell-a", 10);
    await Promise.all([first, second]);
    await start("cell-a", 10);
    expect(states(driver())).toEqual({ "cell-a": "running@10" });
  });

  it("stop is idempotent, with or without a guest", async () => {
    await start("cell-a", 10);
    await driver().stop("cell-a", 10);
    await driver().stop("cell-a", 10);
    await driver().stop("never-was", 3);
    expect(driver().list()).toEqual([]);
    expect(driver().sample("cell-a")).toBeUndefined();
  });

  it("a stop ends the guest within its grace, and a later stop can end that grace", async () => {
    for (const graceMs of [0, LONG_GRACE_MS]) {
      const fence = 10 + graceMs;
      await start("cell-a", fence);
      await driver().stop("cell-a", fence, { graceMs });
      expect(driver().list()).toEqual([]);
    }
    const fence = 11 + LONG_GRACE_MS;
    await start("cell-a", fence);
    const stopping = driver().stop("cell-a", fence, { graceMs: LONG_GRACE_MS });
    await driver().stop("cell-a", fence, { graceMs: 0 });
    await stopping;
    expect(driver().list()).toEqual([]);
  });

  it("a stop during a start leaves no guest", async () => {
    const starting = start("cell-a", 10).catch(() => {});
    await driver().stop("cell-a", 10);
    await starting;
    expect(driver().list()).toEqual([]);
  });

  it("a rejected start leaves nothing behind, and its fence can be used again", async () => {
    await refused(driver().start({ ...subject().spec("cell-a", 10), fence: 0 }), "BAD_REQUEST");
    expect(driver().list()).toEqual([]);
    await start("cell-a", 10);
    expect(states(driver())).toEqual({ "cell-a": "running@10" });
  });
}

function fencing({ driver, start }: Fixture): void {
  it("a newer fence replaces the guest, an older one is rejected", async () => {
    await start("cell-a", 10);
    await start("cell-a", 12);
    await refused(start("cell-a", 10), "STALE_FENCE");
    expect(states(driver())).toEqual({ "cell-a": "running@12" });
  });

  it("no verb with an older fence touches the guest", async () => {
    await start("cell-a", 12);
    await refused(driver().stop("cell-a", 10), "STALE_FENCE");
    if (driver().capabilities.pause) await refused(driver().pause("cell-a", 10), "STALE_FENCE");
    if (driver().capabilities.exec) {
      await refused(driver().exec("cell-a", 10, "return 1", { timeoutMs: EXEC_TIMEOUT_MS }), "STALE_FENCE");
    }
    expect(states(driver())).toEqual({ "cell-a": "running@12" });
  });

  it("a start that arrives after its stop leaves no ghost", async () => {
    await start("cell-a", 10);
    await driver().stop("cell-a", 10);
    await refused(start("cell-a", 10), "STALE_FENCE");
    await driver().stop("cell-b", 20);
    await refused(start("cell-b", 20), "STALE_FENCE");
    expect(driver().list()).toEqual([]);
    await start("cell-a", 11);
    expect(states(driver())).toEqual({ "cell-a": "running@11" });
  });

  it("a stop with a newer fence ends an older guest", async () => {
    await start("cell-a", 10);
    await driver().stop("cell-a", 15);
    expect(driver().list()).toEqual([]);
  });

  it("verbs on an absent guest are GUEST_NOT_FOUND", async () => {
    const { pause, exec, liveResize } = driver().capabilities;
    if (pause) await refused(driver().pause("cell-x", 1), "GUEST_NOT_FOUND");
    if (pause) await refused(driver().resume("cell-x", 1), "GUEST_NOT_FOUND");
    if (liveResize) await refused(driver().resize("cell-x", 1, {}), "GUEST_NOT_FOUND");
    if (exec) {
      await refused(driver().exec("cell-x", 1, "x", { timeoutMs: EXEC_TIMEOUT_MS }), "GUEST_NOT_FOUND");
    }
  });
}

function pausing({ driver, start, subject }: Fixture): void {
  it("pause and resume are idempotent and visible in the list, or UNSUPPORTED", async () => {
    await start("cell-a", 10);
    if (!driver().capabilities.pause) {
      await refused(driver().pause("cell-a", 10), "UNSUPPORTED");
      return;
    }
    await driver().pause("cell-a", 10);
    await driver().pause("cell-a", 10);
    expect(states(driver())).toEqual({ "cell-a": "paused@10" });
    await start("cell-a", 10);
    expect(states(driver()), "a repeated start does not resume").toEqual({ "cell-a": "paused@10" });
    await driver().resume("cell-a", 10);
    await driver().resume("cell-a", 10);
    expect(states(driver())).toEqual({ "cell-a": "running@10" });
  });

  it("simulated time stops for a paused guest on the host's clock", async ({ skip }) => {
    skip(driver().capabilities.clock !== "host" || !driver().capabilities.pause, LACKS);
    await start("cell-a", 10);
    await live(driver(), 10_000);
    const before = driver().sample("cell-a")?.simMinutes;
    expect(before).toBeGreaterThan(0);
    await driver().pause("cell-a", 10);
    await live(driver(), 10_000);
    expect(driver().sample("cell-a")?.simMinutes).toBe(before);
    await driver().resume("cell-a", 10);
    await live(driver(), 10_000);
    expect(driver().sample("cell-a")?.simMinutes).toBeGreaterThan(before ?? 0);
  });

  it("a guest that starts paused on the host's clock passes no minute before it is resumed", async ({
    skip,
  }) => {
    skip(driver().capabilities.clock !== "host" || !driver().capabilities.pause, LACKS);
    await driver().start({ ...subject().spec("cell-a", 10), startsPaused: true });
    await live(driver(), 10_000);
    expect(states(driver())).toEqual({ "cell-a": "paused@10" });
    expect(driver().sample("cell-a")?.simMinutes).toBe(0);
    await driver().resume("cell-a", 10);
    await live(driver(), 10_000);
    expect(driver().sample("cell-a")?.simMinutes).toBeGreaterThan(0);
  });
}

function resizing({ driver, start, subject }: Fixture): void {
  it("a new allocation appears in the caps of the sample, or resize is UNSUPPORTED", async () => {
    await start("cell-a", 10);
    const before = subject().spec("cell-a", 10).allocation;
    const half = Object.fromEntries(Object.entries(before).map(([name, n]) => [name, Math.floor(n / 2)]));
    if (!driver().capabilities.liveResize) {
      await refused(driver().resize("cell-a", 10, half), "UNSUPPORTED");
      return;
    }
    for (const allocation of [half, half, before]) {
      await driver().resize("cell-a", 10, allocation);
      await untilSampled(() => {
        for (const resource of capabilitiesOfGuest(driver(), "cell-a")?.meters ?? []) {
          expect(capIn(driver().sample("cell-a"), resource), resource).toBe(allocation[resource]);
        }
      });
    }
  });
}

function executing({ driver, start, subject }: Fixture): void {
  const options = { timeoutMs: EXEC_TIMEOUT_MS };

  it("runs source in a running guest, or is UNSUPPORTED", async () => {
    await start("cell-a", 10);
    if (!driver().capabilities.exec) {
      await refused(driver().exec("cell-a", 10, "return 1", options), "UNSUPPORTED");
      return;
    }
    const program = subject().program;
    if (program === undefined) throw new Error("the fixture of a driver with exec must have a program");
    // A machine without a cell runs no Lua, and its samples have no such count.
    const before = driver().sample("cell-a")?.luaInstructions;
    const outcome = await driver().exec("cell-a", 10, program.source, options);
    expect(outcome.result).toEqual(program.result);
    const after = before === undefined ? undefined : before + outcome.instructions;
    await untilSampled(() => expect(driver().sample("cell-a")?.luaInstructions).toBe(after));
  });

  it("runs a read-only source without changing the guest, or is UNSUPPORTED", async ({ skip }) => {
    const { program } = subject();
    skip(!driver().capabilities.exec || program === undefined, LACKS);
    if (program === undefined) return;
    await start("cell-a", 10);
    const before = driver().sample("cell-a");
    const copied = driver().exec("cell-a", 10, program.source, { ...options, readOnly: true });
    if (!driver().capabilities.snapshot) return refused(copied, "UNSUPPORTED");
    expect((await copied).result).toEqual(program.result);
    expect(driver().sample("cell-a")).toEqual(before);
  });

  it("runs shell in a guest that has one, or is UNSUPPORTED", async ({ skip }) => {
    skip(!driver().capabilities.exec, LACKS);
    expect(capabilitiesOfGuest(driver(), "cell-a"), "no guest, no capabilities").toBeUndefined();
    await start("cell-a", 10);
    const shell = driver().exec("cell-a", 10, "echo one; echo two", { ...options, shell: true });
    if (capabilitiesOfGuest(driver(), "cell-a")?.shell !== true) return refused(shell, "UNSUPPORTED");
    expect(await shell).toMatchObject({ result: { exitCode: 0 }, stdout: "one\ntwo\n" });
  });

  it("has a sample with the fields of a cell exactly where the guest is a cell", async () => {
    await start("cell-a", 10);
    await untilSampled(() => {
      const isCell = capabilitiesOfGuest(driver(), "cell-a")?.cell;
      expect(driver().sample("cell-a")?.growthRatePerMinute !== undefined).toBe(isCell);
    });
  });

  it("rejects a timeout out of range, and a paused guest", async ({ skip }) => {
    skip(!driver().capabilities.exec, LACKS);
    await start("cell-a", 10);
    const tooLong = driver().capabilities.maxExecTimeoutMs + 1;
    for (const timeoutMs of [0, -1, 1.5, Number.NaN, tooLong]) {
      await refused(driver().exec("cell-a", 10, "return 1", { timeoutMs }), "BAD_REQUEST");
    }
    if (!driver().capabilities.pause) return;
    await driver().pause("cell-a", 10);
    await refused(driver().exec("cell-a", 10, "return 1", options), "INVALID_STATE");
  });
}

function clockAndClose({ driver, start }: Fixture): void {
  it("close ends every guest and is idempotent; afterwards every verb is UNAVAILABLE", async () => {
    await start("cell-a", 10);
    await start("cell-b", 11);
    await driver().close();
    await driver().close();
    expect(driver().list()).toEqual([]);
    expect(driver().sample("cell-a")).toBeUndefined();
    await refused(start("cell-c", 12), "UNAVAILABLE");
    await refused(driver().stop("cell-a", 10), "UNAVAILABLE");
    if (driver().capabilities.snapshot) await refused(driver().snapshot("cell-a", 10), "UNAVAILABLE");
    driver().tick(1_000);
  });

  it("samples of running guests are unaffected by other guests that start and stop", async () => {
    await start("cell-a", 10);
    await start("cell-b", 11);
    await live(driver(), 5_000);
    const before = driver().sample("cell-a")?.simMinutes;
    await driver().stop("cell-b", 11);
    await start("cell-c", 12);
    const after = driver().sample("cell-a")?.simMinutes;
    if (driver().capabilities.clock === "host") expect(after).toBe(before);
    else expect(after).toBeGreaterThanOrEqual(before ?? 0);
  });
}
