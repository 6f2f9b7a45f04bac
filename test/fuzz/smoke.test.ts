/**
 * A short run on a stack without keys, which a client can send anything to: every answer is right, every event has its cause.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { World } from "../e2e/world.ts";
import { fuzz } from "./run.ts";

const SEED = 26;
const REQUESTS = 3_000;

let world: World;
beforeAll(async () => {
  // Without keys: the raw client has no login, and sends on every subject.
  world = await World.open({ keys: false, chassis: "ecoli:2" });
});
afterAll(() => world.close());

it("three thousand requests, nearly all malformed: each has its answer, and each event in the log its accepted request", async () => {
  const lines: string[] = [];
  const { counts, problems } = await fuzz({
    url: world.url,
    seed: SEED,
    requests: REQUESTS,
    rounds: 1,
    say: (line) => lines.push(line),
  });
  console.log([`seed ${SEED}`, ...lines].join("\n"));
  expect(problems).toEqual([]);
  expect(counts.sent).toBe(REQUESTS);
  expect(counts.byCode.get("BAD_REQUEST")).toBeGreaterThan(REQUESTS * 0.95);
});
