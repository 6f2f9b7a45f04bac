/**
 * Cells at the time scale `max` have the course of any other time scale, and leave the others their rate.
 */
import type { GuestEvent, GuestSpec } from "@bioxen/vm-driver";
import { afterEach, expect, it, vi } from "vitest";
import { type BasicDriver, createBasicDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";

const LAST_MINUTE = 150;
const CHANGES = [
  { seq: 1, simMinute: 40, environment: { nutrientQuality: 0.2 } },
  { seq: 2, simMinute: 90, allocation: { ...cellSpec("x", 1).allocation, ribosomes: 200 } },
];
const drivers: BasicDriver[] = [];
afterEach(async () => {
  for (const driver of drivers.splice(0)) await driver.close();
});

/** Lets the cells live until the first one is at its last minute. Returns its state, its rows and its events. */
async function lived(more: Partial<GuestSpec>, timeScale = 1_000) {
  const driver = createBasicDriver({ timeScaleMinutesPerSecond: timeScale });
  drivers.push(driver);
  const rows: unknown[] = [];
  driver.onGuestEvent((event: GuestEvent) => {
    if (event.kind === "recorded") rows.push(...event.rows);
  });
  const record = { key: "k", everyMinutes: 1 };
  await driver.start(cellSpec("cell-a", 1, { lastMinute: LAST_MINUTE, changes: CHANGES, record, ...more }));
  await driver.start(cellSpec("cell-b", 2));
  let elapsedMs = 0;
  await vi.waitFor(
    () => {
      driver.tick(50);
      elapsedMs += 50;
      expect(driver.guest?.("cell-a")?.atLastMinute).toBe(true);
    },
    { timeout: 60_000, interval: 5 },
  );
  const other = { minutes: driver.sample("cell-b")?.simMinutes, elapsedMs };
  const { bytes } = await driver.snapshot("cell-a", 1);
  const { owedMinutes: _, ...state } = JSON.parse(new TextDecoder().decode(bytes));
  return { state, rows, other, sample: driver.sample("cell-a") };
}

const HOOKS = `
  function on_minute(c)
    state.n = (state.n or 0) + 1
    if state.n % 30 == 0 then cell.set_environment{nutrient_quality = 0.1 + math.random() / 2} end
  end`;

it.each([
  ["without Lua", {}],
  ["with a hook that follows the cell", { program: HOOKS }],
])("a cell %s has the same state and rows at max as at a rate", async (_, more) => {
  const wanted = await lived(more);
  const scale = 10;
  const atMax = await lived({ ...more, timeScale: "max" }, scale);
  expect(atMax.state).toEqual(wanted.state);
  expect(atMax.rows).toEqual(wanted.rows);
  expect(atMax.rows).toHaveLength(LAST_MINUTE + 1);
  expect(atMax.sample).toMatchObject({ simMinutes: LAST_MINUTE, lagMs: 0 });
  expect(atMax.other.minutes).toBe(Math.floor((atMax.other.elapsedMs / 1_000) * scale + 1e-9));
  expect(atMax.other.minutes, "it was faster than its neighbour").toBeLessThan(LAST_MINUTE);
});
