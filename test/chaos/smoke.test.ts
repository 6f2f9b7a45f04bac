/**
 * The harness itself, for a few seconds: it disturbs, it checks, and all holds.
 */
import { expect, it } from "vitest";
import { run } from "./run.ts";

it("a short run of all of it ends with nothing to say", async () => {
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
