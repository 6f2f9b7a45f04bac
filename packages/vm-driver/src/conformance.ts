/**
 * What every driver must do, as one test suite: `driverConformance("basic", factory)` in a driver's own test file.
 *
 * It holds the port's promises (`driver.ts`) and asks nothing about what a guest is. Where a driver's capabilities say no,
 * it must say `UNSUPPORTED`: nothing is skipped silently. It imports Vitest, so only tests may import it.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkpoints, goingOn } from "./conformance-checkpoints.ts";
import { capIn, type DriverUnderTest, type Fixture, refused, states } from "./conformance-fixture.ts";
import { keptSnapshots } from "./conformance-snapshots.ts";
import type { VmDriver } from "./driver.ts";

export type { DriverUnderTest };

/** A call that takes longer than any exec here needs, ms. */
const EXEC_TIMEOUT_MS = 5_000;

/** `factory` makes a fresh driver per test; the suite closes it. */
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
    describe("snapshots that stay", () => keptSnapshots(fixture));
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

  it("starting again with the same fence changes nothing, also while the first start is under way", async () => {
    const first = start("cell-a", 10);
    const second = start("cell-a", 10);
    await Promise.all([first, second]);
    await start("cell-a", 10);
    expect(states(driver())).toEqual({ "cell-a": "running@10" });
  });

  it("stopping is idempotent, and no matter whether there was a guest", async () => {
    await start("cell-a", 10);
    await driver().stop("cell-a", 10);
    await driver().stop("cell-a", 10);
    await driver().stop("never-was", 3);
    expect(driver().list()).toEqual([]);
    expect(driver().sample("cell-a")).toBeUndefined();
  });

  it("a stop during a start leaves no guest", async () => {
    const starting = start("cell-a", 10).catch(() => {});
    await driver().stop("cell-a", 10);
    await starting;
    expect(driver().list()).toEqual([]);
  });

  it("a refused start leaves nothing behind and its fence can be used again", async () => {
    await refused(driver().start({ ...subject().spec("cell-a", 10), fence: 0 }), "BAD_REQUEST");
    expect(driver().list()).toEqual([]);
    await start("cell-a", 10);
    expect(states(driver())).toEqual({ "cell-a": "running@10" });
  });
}

function fencing({ driver, start }: Fixture): void {
  it("a newer fence replaces the guest, an older one is refused", async () => {
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

  it("a start that comes after its stop makes no ghost", async () => {
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

  it("verbs on a guest that is not here say so", async () => {
    const { pause, exec, liveResize } = driver().capabilities;
    if (pause) await refused(driver().pause("cell-x", 1), "GUEST_NOT_FOUND");
    if (pause) await refused(driver().resume("cell-x", 1), "GUEST_NOT_FOUND");
    if (liveResize) await refused(driver().resize("cell-x", 1, {}), "GUEST_NOT_FOUND");
    if (exec) {
      await refused(driver().exec("cell-x", 1, "x", { timeoutMs: EXEC_TIMEOUT_MS }), "GUEST_NOT_FOUND");
    }
  });
}

function pausing({ driver, start }: Fixture): void {
  it("pause and resume are idempotent and listed, or unsupported", async () => {
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

  it("time does not pass for a paused guest of the host's clock", async () => {
    if (driver().capabilities.clock !== "host" || !driver().capabilities.pause) return;
    await start("cell-a", 10);
    driver().tick(10_000);
    const before = driver().sample("cell-a")?.simMinutes;
    expect(before).toBeGreaterThan(0);
    await driver().pause("cell-a", 10);
    driver().tick(10_000);
    expect(driver().sample("cell-a")?.simMinutes).toBe(before);
    await driver().resume("cell-a", 10);
    driver().tick(10_000);
    expect(driver().sample("cell-a")?.simMinutes).toBeGreaterThan(before ?? 0);
  });
}

function resizing({ driver, start, subject }: Fixture): void {
  it("a new allocation shows in the caps of the sample, or resizing is unsupported", async () => {
    await start("cell-a", 10);
    const before = subject().spec("cell-a", 10).allocation;
    const half = Object.fromEntries(Object.entries(before).map(([name, n]) => [name, Math.floor(n / 2)]));
    if (!driver().capabilities.liveResize) {
      await refused(driver().resize("cell-a", 10, half), "UNSUPPORTED");
      return;
    }
    for (const allocation of [half, half, before]) {
      await driver().resize("cell-a", 10, allocation);
      for (const resource of driver().capabilities.meters) {
        expect(capIn(driver().sample("cell-a"), resource), resource).toBe(allocation[resource]);
      }
    }
  });
}

function executing({ driver, start, subject }: Fixture): void {
  const options = { timeoutMs: EXEC_TIMEOUT_MS };

  it("runs source in a running guest, or is unsupported", async () => {
    await start("cell-a", 10);
    if (!driver().capabilities.exec) {
      await refused(driver().exec("cell-a", 10, "return 1", options), "UNSUPPORTED");
      return;
    }
    const program = subject().program;
    if (program === undefined) throw new Error("a driver with exec is tested with a program");
    const before = driver().sample("cell-a")?.luaInstructions ?? 0;
    const outcome = await driver().exec("cell-a", 10, program.source, options);
    expect(outcome.result).toEqual(program.result);
    expect(driver().sample("cell-a")?.luaInstructions).toBe(before + outcome.instructions);
  });

  it("refuses a timeout out of range and a paused guest", async () => {
    if (!driver().capabilities.exec) return;
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
  it("close ends every guest and is idempotent; every verb is unavailable after it", async () => {
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

  it("guests that stay keep their samples while others come and go", async () => {
    await start("cell-a", 10);
    await start("cell-b", 11);
    driver().tick(5_000);
    const before = driver().sample("cell-a")?.simMinutes;
    await driver().stop("cell-b", 11);
    await start("cell-c", 12);
    expect(driver().sample("cell-a")?.simMinutes).toBe(before);
  });
}
