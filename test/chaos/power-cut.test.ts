/**
 * What each durability keeps when the power goes. The second test is there for the first: a method that never sees a loss
 * would prove nothing.
 */
import { expect, it } from "vitest";
import { cutPower, whyNoPowerCut } from "./power-cut.ts";

const whyNot = await whyNoPowerCut();
if (whyNot !== undefined) console.log(`the power-cut tests are skipped: ${whyNot}`);

it.skipIf(whyNot !== undefined)(
  "`always`: every acknowledged event is there when the power is back",
  async () => {
    const { acknowledged, found } = await cutPower("always");
    console.log(`always: ${found} of ${acknowledged} acknowledged events are there`);
    expect(acknowledged).toBeGreaterThan(100);
    expect(found).toBe(acknowledged);
  },
);

it.skipIf(whyNot !== undefined)(
  "`relaxed`: acknowledged events are gone, as `doctor` says they can be",
  async () => {
    const { acknowledged, found } = await cutPower("relaxed");
    console.log(`relaxed: ${found} of ${acknowledged} acknowledged events are there`);
    expect(acknowledged).toBeGreaterThan(100);
    expect(found).toBeLessThan(acknowledged);
  },
);
