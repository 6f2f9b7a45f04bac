import { expect, it } from "vitest";
import { Semaphore } from "./semaphore.ts";

it("limits concurrent work, starts it in call order, and frees a place after a failure", async () => {
  const semaphore = new Semaphore(2);
  const begun: number[] = [];
  let running = 0;
  let mostRunning = 0;
  const results = await Promise.allSettled(
    Array.from({ length: 6 }, (_, i) =>
      semaphore.run(async () => {
        begun.push(i);
        running += 1;
        mostRunning = Math.max(mostRunning, running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        if (i === 1) throw new Error("failed");
        return i;
      }),
    ),
  );
  expect(mostRunning).toBe(2);
  expect(begun).toEqual([0, 1, 2, 3, 4, 5]);
  expect(results.map(({ status }) => status === "fulfilled")).toEqual([true, false, true, true, true, true]);
});
