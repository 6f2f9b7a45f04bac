/**
 * `pnpm chaos --minutes M --seed S`: all faults of `faults.ts` under load.
 * `pnpm chaos --instances 3 --commands 20000 --kill-every 5`: only kills, until 20 000 commands are sent.
 * The exit code is 0 only when every check of the README holds.
 */
import { parseArgs } from "node:util";
import { run } from "./run.ts";

/** The least that a timed run must reach: 50 kills in 10 minutes, and 200 commands/s. */
const LEAST_KILLS_PER_MINUTE = 5;
const LEAST_RATE = 200;
/** Commands per second in a timed run. Without a time the load is as fast as the answers. */
const RATE = 400;
const UNPACED = 100_000;
/** Longest run that ends by a number of commands, minutes. */
const LONGEST_MINUTES = 60;
const SHOWN = 30;

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    seed: { type: "string", default: "1" },
    instances: { type: "string", default: "1" },
    clients: { type: "string", default: "4" },
    commands: { type: "string" },
    rate: { type: "string" },
    "kill-every": { type: "string" },
  },
});

function positive(text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  console.error(
    "usage: chaos [--minutes M | --commands N] [--seed S] [--instances I] [--clients C] [--rate PER_S] [--kill-every S]",
  );
  process.exit(2);
}

const killEvery = values["kill-every"];
const seed = positive(values.seed);
const isTimed = values.commands === undefined;
const minutes = positive(values.minutes ?? (isTimed ? "1" : String(LONGEST_MINUTES)));
const result = await run({
  seed,
  minutes,
  instances: positive(values.instances),
  clients: positive(values.clients),
  commands: values.commands === undefined ? Number.POSITIVE_INFINITY : positive(values.commands),
  rate: positive(values.rate ?? String(isTimed ? RATE : UNPACED)),
  killEveryMs: killEvery === undefined ? undefined : positive(killEvery) * 1_000,
  say: (line) => console.log(line),
});
const problems = [...result.problems];
if (isTimed && killEvery === undefined) {
  const leastKills = Math.floor(LEAST_KILLS_PER_MINUTE * minutes);
  if (result.kills < leastKills)
    problems.push(`too few kills: ${result.kills}, at least ${leastKills} are required`);
  if (result.perSecond < LEAST_RATE)
    problems.push(
      `too few commands: ${result.perSecond.toFixed(0)} per s, at least ${LEAST_RATE} are required`,
    );
}
for (const problem of problems.slice(0, SHOWN)) console.error(problem);
console.log(problems.length === 0 ? `seed ${seed}: all holds` : `seed ${seed}: ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
