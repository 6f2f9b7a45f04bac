/**
 * A run of some seconds, which tests the chaos harness itself: its faults happen, and its checks hold.
 */
import { expect, it } from "vitest";
import { run } from "./run.ts";

it("a short run with every kind of fault has no problem", async () => {
  const lines: string[] = [];
  const result = await run({
    seed: 4,
    instances: 1,
    clients: 2,
    minutes: 0.25,
    commands: Number.POSITIVE_INFINITY,
    rate: 100,
    killEveryMs: undefined,
    say: (line) => lines.push(line),
  });
  console.log(lines.join("\n"));
  expect(result.problems).toEqual([]);
  expect(result.kills).toBeGreaterThan(0);
  expect(result.commands).toBeGreaterThan(200);
});
