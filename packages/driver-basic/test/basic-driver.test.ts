/**
 * The driver's cells without Lua: these tests start no worker.
 */

import { Cell, StepLimitError } from "@bioxen/cell-models";
import { type DriverErrorCode, driverErrorCode, type GuestEvent, type GuestSpec } from "@bioxen/vm-driver";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type BasicDriver, createBasicDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";

async function codeOf(call: Promise<unknown>): Promise<DriverErrorCode | "ok" | undefined> {
  return call.then(() => "ok" as const, driverErrorCode);
}

describe("cells of the basic driver", () => {
  let driver: BasicDriver;
  const open = (timeScaleMinutesPerSecond = 60): BasicDriver => {
    driver = createBasicDriver({ timeScaleMinutesPerSecond, now: () => 0 });
    return driver;
  };
  afterEach(() => driver.close());

  it("a cell with full demand grows at its reference rate, and divides", async () => {
    const events: GuestEvent[] = [];
    open().onGuestEvent((event) => events.push(event));
    await driver.start(cellSpec("cell-a", 1));
    for (let i = 0; i < 22; i += 1) driver.tick(10_000);
    const sample = driver.sample("cell-a");
    expect(sample?.simMinutes).toBe(220 * 60);
    expect(sample?.doublingTimeMinutes).toBeCloseTo(105, 1);
    expect(sample).toMatchObject({ luaInstructions: 0, health: 100, lagMs: 0 });
    expect(sample?.divisions).toBe(Math.floor((220 * 60) / 105));
    const divided = events.reduce((sum, event) => sum + (event.kind === "divided" ? event.divisions : 0), 0);
    expect(divided).toBe(sample?.divisions);
  });

  it("half the ribosomes slow a cell as the contract states, also after a live resize", async () => {
    open();
    const half = { ...cellSpec("cell-a", 1).allocation, ribosomes: 252 };
    await driver.start(cellSpec("cell-a", 1));
    await driver.start(cellSpec("cell-b", 2, { allocation: half }));
    await driver.resize("cell-a", 1, half);
    for (let i = 0; i < 60; i += 1) driver.tick(10_000);
    expect(driver.sample("cell-b")?.doublingTimeMinutes).toBeCloseTo(150.6, 0);
    expect(driver.sample("cell-a")?.doublingTimeMinutes).toBeCloseTo(150.6, 0);
    expect(driver.sample("cell-a")?.ribosomes?.cap).toBe(252);
  });

  it("a new environment replaces the whole one, and acts on the living cell", async () => {
    open();
    await driver.start(cellSpec("cell-a", 1, { environment: { chloramphenicolMicromolar: 1 } }));
    await driver.setEnvironment("cell-a", 1, { nutrientQuality: 0.05 });
    for (let i = 0; i < 6; i += 1) driver.tick(10_000);
    const twin = Cell.boot({ ...cellSpec("cell-a", 1), biologicalType: "syn3a" });
    twin.setEnvironment({ nutrientQuality: 0.05 });
    twin.advance(3_600);
    expect(driver.sample("cell-a")?.doublingTimeMinutes).toBeCloseTo(
      twin.sample().doublingTimeMinutes ?? 0,
      0,
    );
    expect(await codeOf(driver.setEnvironment("cell-a", 1, { nutrientQuality: -1 }))).toBe("BAD_REQUEST");
    expect(await codeOf(driver.setEnvironment("cell-a", 2, {}))).toBe("GUEST_NOT_FOUND");
  });

  it("equal specs and minutes give equal cells, for any sequence of ticks", async () => {
    open(1);
    await driver.start(cellSpec("cell-a", 1));
    for (let i = 0; i < 60; i += 1) driver.tick(1_000);
    const first = await driver.snapshot("cell-a", 1);
    await driver.start(cellSpec("cell-a", 2));
    for (let i = 0; i < 6; i += 1) driver.tick(10_000);
    expect(await driver.snapshot("cell-a", 2)).toEqual(first);
  });

  it("rejects invalid specs, and keeps the present guest", async () => {
    open();
    await driver.start(cellSpec("cell-a", 1));
    const bad: readonly Partial<GuestSpec>[] = [
      { biologicalType: "yeast" },
      { allocation: { ribosomes: -1 } },
      { allocation: { vcpus: 2 } },
      { environment: { sugar: 1 } },
      { environment: { substrate: -1 } },
      { seed: -1 },
      { config: { parameterSet: "weisse-2015" } },
      { config: { parameterSet: 5 } },
      { config: { partitionNoise: "yes" } },
    ];
    for (const more of bad) {
      expect(await codeOf(driver.start(cellSpec("cell-a", 2, more))), JSON.stringify(more)).toBe(
        "BAD_REQUEST",
      );
    }
    expect(await codeOf(driver.start(cellSpec("cell-a", 2, { program: "x".repeat(70_000) })))).toBe(
      "TOO_LARGE",
    );
    expect(await codeOf(driver.resize("cell-a", 1, { ribosomes: 1.5 }))).toBe("BAD_REQUEST");
    expect(driver.list()).toEqual([{ vmId: "cell-a", fence: 1, state: "running" }]);
    await driver.start(
      cellSpec("cell-b", 3, { biologicalType: "ecoli", config: { parameterSet: "weisse-2015" } }),
    );
  });

  it("a cell that cannot be computed fails, is reported once, and does not affect others", async () => {
    const events: GuestEvent[] = [];
    open().onGuestEvent((event) => events.push(event));
    await driver.start(cellSpec("cell-a", 1));
    await driver.start(cellSpec("cell-b", 2));
    const advance = vi.spyOn(Cell.prototype, "advance").mockImplementationOnce(() => {
      throw new StepLimitError(1, 0.5, 0.1);
    });
    driver.tick(1_000);
    advance.mockRestore();
    driver.tick(1_000);
    const failed = driver.list().find((status) => status.state === "failed");
    expect(failed).toMatchObject({ vmId: "cell-a", fence: 1, reason: expect.any(String) });
    expect(events.filter((event) => event.kind === "failed")).toHaveLength(1);
    expect(driver.sample("cell-b")?.simMinutes).toBe(120);
    expect(await codeOf(driver.resume("cell-a", 1))).toBe("INVALID_STATE");
    expect(await codeOf(driver.exec("cell-a", 1, "return 1", { timeoutMs: 1 }))).toBe("INVALID_STATE");
    await driver.start(cellSpec("cell-a", 3));
    expect(driver.list().map((status) => status.state)).toEqual(["running", "running"]);
  });

  it("no time passes if the clock stands still, goes back or is invalid", async () => {
    open();
    await driver.start(cellSpec("cell-a", 1));
    for (const elapsed of [0, -1, Number.NaN]) driver.tick(elapsed);
    expect(driver.sample("cell-a")?.simMinutes).toBe(0);
    expect(() => createBasicDriver({ timeScaleMinutesPerSecond: 0 })).toThrow(RangeError);
    expect(() => createBasicDriver({ timeScaleMinutesPerSecond: Number.NaN })).toThrow(RangeError);
  });
});
