import { FakeClock, settle } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { BEGIN_WITHIN_MS, BegunGuests } from "./begun-guests.ts";

it("waits for the start of a guest, and no longer than its limit", async () => {
  const clock = new FakeClock();
  const begun = new BegunGuests(clock);
  const there = new Set(["a"]);
  const answers: string[] = [];
  const ask = (vmId: string) =>
    void begun.waitFor(vmId, () => there.has(vmId)).then((is) => answers.push(`${vmId} ${is}`));
  for (const vmId of ["a", "b", "b", "c"]) ask(vmId);
  await settle();
  expect(answers).toEqual(["a true"]);
  begun.began("b");
  await settle();
  expect(answers, "another guest of this VM has begun").toEqual(["a true"]);
  there.add("b");
  begun.began("b");
  await settle();
  expect(answers).toEqual(["a true", "b true", "b true"]);
  await clock.advance(BEGIN_WITHIN_MS);
  expect(answers).toEqual(["a true", "b true", "b true", "c false"]);
});
