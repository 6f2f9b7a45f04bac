/**
 * A checkpoint of version 1 of the built-in model, which had another solver: a guest goes on from it, and a guest of
 * version 1 can go on from the next one, because the checkpoints name no version. This test starts no worker.
 */
import { WEISSE } from "@bioxen/cell-models";
import { expect, it } from "vitest";
import { createBasicDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";

const ALLOCATION = { ribosomes: 252, rnaPolymerases: 187, atpPerSecond: 13_247, dnaKilobases: 543 };

/** What the release with version 1 stored 30 minutes after a change of the medium. */
const CHECKPOINT = {
  format: "bioxen-basic-guest-1",
  seed: 3,
  cell: {
    format: 1,
    biologicalType: "syn3a",
    parameterSet: "default",
    allocation: ALLOCATION,
    environment: { nutrientQuality: 0.1, substrate: 10000, chloramphenicolMicromolar: 1 },
    partitionNoise: true,
    random: [2677305565, 2413525352, 4252318122, 17],
    state: [
      ...[0.07037442889527405, 7.127672476147671, 0.5761834898306745, 0.5761834898306748, 32.620989556727984],
      ...[1070.9996659336562, 1070.999665933656, 38.64979984740878, 60644.99348400367, 0.5227537638502189],
      ...[0.08225580419556108, 0.08225580419556112, 4.654684440821808, 598.5799150492298, 36.2252862007599],
      ...[3.3101979836047133, 3.310197983604715, 187.323168442413, 1.5659539038976884],
    ],
    stepMinutes: 0.26640760669465624,
    simMinutes: 30,
    divisions: 0,
  },
  owedMinutes: 0,
  luaInstructions: 0,
  hooks: { off: false, errorsInARow: 0, minutes: 0, divisions: 0 },
  lua: null,
};
/** The course of version 1 from there, at minute 90. */
const AT_90 = {
  growthRatePerMinute: 0.002374152684325419,
  atp: 1.662325746300676,
  ribosomes: 832.1211674716849,
};
/** Largest relative difference of a value: that of the solver of version 1. */
const AGREEMENT = 1e-4;

it("goes on from a checkpoint of the version before, with the course of that version", async () => {
  expect(WEISSE.version).toBeGreaterThan(1);
  const driver = createBasicDriver({ timeScaleMinutesPerSecond: 60, now: () => 0 });
  const checkpoint = new TextEncoder().encode(JSON.stringify(CHECKPOINT));
  const config = { partitionNoise: true };
  await driver.start(cellSpec("cell-a", 1, { seed: 3, allocation: ALLOCATION, config, checkpoint }));
  for (let minute = 30; minute < 90; minute += 1) driver.tick(1_000 / 60 + 1e-6);
  const { simMinutes, growthRatePerMinute, atp, ribosomes } = driver.sample("cell-a") ?? {};
  expect(simMinutes).toBe(90);
  const values = { growthRatePerMinute, atp: atp?.molecules, ribosomes: ribosomes?.total };
  for (const [name, value] of Object.entries(AT_90)) {
    const difference = Math.abs((values[name as keyof typeof values] as number) / value - 1);
    expect(difference, name).toBeLessThan(AGREEMENT);
    expect(difference, `${name}: it is another solver`).toBeGreaterThan(0);
  }
  const { bytes } = await driver.snapshot("cell-a", 1);
  expect(Object.keys(JSON.parse(new TextDecoder().decode(bytes)))).not.toContain("model");
  await driver.close();
});
