/**
 * A wait ends when its work makes no progress, however long the whole work takes.
 */
import { FakeClock } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { unlessStalled } from "./unless-stalled.ts";

it("waits as long as there is progress, and then for the result", async () => {
  const clock = new FakeClock();
  let events = 0;
  let finish: (value: string) => void = () => undefined;
  const work = new Promise<string>((resolve) => {
    finish = resolve;
  });
  const options = {
    progress: () => events,
    limitMs: 100,
    what: () => `no event after ${events}`,
    timers: clock,
  };
  const waiting = unlessStalled(work, options);
  for (let i = 0; i < 50; i += 1) {
    events += 1;
    await clock.advance(100);
  }
  finish("done");
  expect(await waiting).toBe("done");
});

it("throws a retryable fault that says how far the work came, and ends its watch", async () => {
  const clock = new FakeClock();
  const never = new Promise<void>(() => undefined);
  const options = { progress: () => 7, limitMs: 100, what: () => "no event after 7", timers: clock };
  const waiting = unlessStalled(never, options);
  const refused = expect(waiting).rejects.toMatchObject({
    code: "TIMEOUT",
    retryable: true,
    message: "no event after 7 for 100 ms",
  });
  await clock.advance(100);
  await refused;
  await expect(unlessStalled(Promise.reject(new Error("broken")), options)).rejects.toThrow("broken");
});
