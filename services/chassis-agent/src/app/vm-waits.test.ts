import { FakeClock, settle } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { VmWaits } from "./vm-waits.ts";

const WITHIN_MS = 2_000;

it("waits until something is true of a VM, and no longer than its limit", async () => {
  const clock = new FakeClock();
  const waits = new VmWaits(clock);
  const there = new Set(["a"]);
  const answers: string[] = [];
  const ask = (vmId: string) =>
    void waits.until(vmId, () => there.has(vmId), WITHIN_MS).then((is) => answers.push(`${vmId} ${is}`));
  for (const vmId of ["a", "b", "b", "c"]) ask(vmId);
  await settle();
  expect(answers).toEqual(["a true"]);
  waits.wake("b");
  await settle();
  expect(answers, "it is not true yet").toEqual(["a true"]);
  there.add("b");
  waits.wake("b");
  await settle();
  expect(answers).toEqual(["a true", "b true", "b true"]);
  await clock.advance(WITHIN_MS);
  expect(answers).toEqual(["a true", "b true", "b true", "c false"]);
});
