/**
 * The events that each durability keeps in a power cut. The second test shows that the method detects a loss; without
 * it the first test would prove nothing.
 */
import { expect, it } from "vitest";
import { cutPower, whyNoPowerCut } from "./power-cut.ts";

const whyNot = await whyNoPowerCut();
if (whyNot !== undefined) console.log(`the power-cut tests are skipped: ${whyNot}`);

it.skipIf(whyNot !== undefined)("with `always` every acknowledged event survives a power cut", async () => {
  const { acknowledged, found } = await cutPower("always");
  console.log(`always: ${found} of ${acknowledged} acknowledged events survived`);
  expect(acknowledged).toBeGreaterThan(100);
  expect(found).toBe(acknowledged);
});

it.skipIf(whyNot !== undefined)(
  "with `relaxed` a power cut loses acknowledged events, as `doctor` warns",
  async () => {
    const { acknowledged, found } = await cutPower("relaxed");
    console.log(`relaxed: ${found} of ${acknowledged} acknowledged events survived`);
    expect(acknowledged).toBeGreaterThan(100);
    expect(found).toBeLessThan(acknowledged);
  },
);
