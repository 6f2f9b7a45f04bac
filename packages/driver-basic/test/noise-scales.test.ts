/**
 * Cells with noise and a random age have the same course at every time scale, and with every length of a tick. These tests
 * start no worker.
 */
import { Cell } from "@bioxen/cell-models";
import type { GuestSpec } from "@bioxen/vm-driver";
import { expect, it } from "vitest";
import { createBasicDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";

const CELLS = 6;
const LAST_MINUTE = 148;
const config = { noise: "expression", age: "random" } as const;
const specs = Array.from({ length: CELLS }, (_, n) => cellSpec(`cell-${n}`, 1, { seed: 100 + n, config }));

/** Lets the cells live at this scale, minutes a second, in ticks of this length, and returns their growth and divisions. */
async function lived(scale: number, tickMs: number, more: Partial<GuestSpec> = {}) {
  const driver = createBasicDriver({ timeScaleMinutesPerSecond: scale, now: () => 0 });
  await Promise.all(specs.map((spec) => driver.start({ ...spec, lastMinute: LAST_MINUTE, ...more })));
  const minutes = () => specs.map(({ vmId }) => driver.sample(vmId)?.simMinutes ?? 0);
  const ticks = Math.ceil((LAST_MINUTE * 1_000) / scale / tickMs) + 1;
  for (let tick = 0; tick < ticks || Math.min(...minutes()) < LAST_MINUTE; tick += 1) {
    driver.tick(tickMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const samples = specs.map(({ vmId }) => driver.sample(vmId));
  await driver.close();
  return samples.map((sample) => [sample?.simMinutes, sample?.growthRatePerMinute, sample?.divisions]);
}

it("noisy cells of random age are those of the model alone at 1, 10 and 37 minutes a second and at max", async () => {
  const alone = specs.map(({ seed, allocation }) => {
    const cell = Cell.boot({ biologicalType: "syn3a", seed, allocation, ...config });
    cell.advance(LAST_MINUTE);
    const { simMinutes, growthRatePerMinute, divisions } = cell.sample();
    return [simMinutes, growthRatePerMinute, divisions];
  });
  expect(new Set(alone.map(([, rate]) => rate)).size).toBe(CELLS);
  for (const [scale, tickMs] of [
    [1, 250],
    [1, 7_000],
    [10, 333],
    [37, 100],
  ] as const) {
    expect(await lived(scale, tickMs), `${scale} min/s`).toEqual(alone);
  }
  expect(await lived(1, 100, { timeScale: "max" }), "max").toEqual(alone);
});
