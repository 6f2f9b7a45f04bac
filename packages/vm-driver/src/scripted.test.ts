import { describe, expect, it } from "vitest";
import { driverConformance } from "./conformance.ts";
import type { GuestSpec } from "./driver.ts";
import { DriverError, driverErrorCode } from "./driver-error.ts";
import type { GuestEvent } from "./guest-event.ts";
import { createScriptedDriver } from "./scripted.ts";

function spec(vmId: string, fence: number): GuestSpec {
  return {
    vmId,
    fence,
    incarnation: 1,
    biologicalType: "syn3a",
    seed: 1,
    allocation: { ribosomes: 500, atpPerSecond: 13_000, rnaPolymerases: 180, dnaKilobases: 543 },
    config: {},
  };
}

driverConformance("scripted", () => ({
  driver: createScriptedDriver(),
  spec,
  program: { source: "return 1", result: "return 1" },
}));

driverConformance("scripted, without optional capabilities", () => ({
  driver: createScriptedDriver({
    capabilities: { exec: false, pause: false, liveResize: false, meters: [], maxExecTimeoutMs: 0 },
  }),
  spec,
}));

/** Returns whether the promise has settled after all pending microtasks. */
async function settled(call: Promise<unknown>): Promise<boolean> {
  let done = false;
  call.then(
    () => {
      done = true;
    },
    () => {
      done = true;
    },
  );
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  return done;
}

describe("scripted faults", () => {
  it("rejects once, then works", async () => {
    const driver = createScriptedDriver();
    driver.script("start", { kind: "refuse", error: new DriverError("UNAVAILABLE", "host away") });
    const error = await driver.start(spec("cell-a", 1)).catch((thrown: unknown) => thrown);
    expect(driverErrorCode(error)).toBe("UNAVAILABLE");
    expect(driver.list()).toEqual([]);
    await driver.start(spec("cell-a", 1));
    expect(driver.calls.map((call) => call.verb)).toEqual(["start", "start"]);
  });

  it("a late effect takes place at release, and obeys the fences then", async () => {
    const driver = createScriptedDriver();
    driver.script("start", { kind: "late-effect" }, { vmId: "cell-a" });
    const start = driver.start(spec("cell-a", 5));
    expect(await settled(start)).toBe(false);
    expect(driver.list()).toEqual([]);
    await driver.stop("cell-a", 5);
    expect(driver.release()).toBe(1);
    expect(driverErrorCode(await start.catch((thrown: unknown) => thrown))).toBe("STALE_FENCE");
    expect(driver.list()).toEqual([]);
  });

  it("a late reply arrives at release, a lost reply never", async () => {
    const driver = createScriptedDriver();
    driver.script("start", { kind: "late-reply" });
    driver.script("pause", { kind: "lost-reply" });
    const start = driver.start(spec("cell-a", 5));
    expect(await settled(start)).toBe(false);
    expect(driver.list()).toHaveLength(1);
    const pause = driver.pause("cell-a", 5);
    expect(driver.release("cell-b")).toBe(0);
    expect(driver.release("cell-a")).toBe(1);
    await start;
    expect(await settled(pause)).toBe(false);
    expect(driver.list()[0]?.state).toBe("paused");
  });

  it("a failed guest is listed with its reason, rejects verbs, and can be replaced or stopped", async () => {
    const driver = createScriptedDriver();
    const events: GuestEvent[] = [];
    driver.onGuestEvent((event) => events.push(event));
    await driver.start(spec("cell-a", 5));
    driver.failGuest("cell-a", "host reboot");
    expect(driver.list()).toEqual([{ vmId: "cell-a", fence: 5, state: "failed", reason: "host reboot" }]);
    expect(events).toEqual([{ kind: "failed", vmId: "cell-a", fence: 5, reason: "host reboot" }]);
    const error = await driver.pause("cell-a", 5).catch((thrown: unknown) => thrown);
    expect(driverErrorCode(error)).toBe("INVALID_STATE");
    await driver.start(spec("cell-a", 6));
    expect(driver.list()[0]?.state).toBe("running");
  });

  it("a ghost is listed like any other guest", () => {
    const driver = createScriptedDriver();
    driver.plantGhost(spec("ghost", 9));
    expect(driver.list()).toEqual([{ vmId: "ghost", fence: 9, state: "running" }]);
  });
});
