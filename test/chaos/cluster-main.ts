/**
 * `pnpm chaos:cluster --seed S`: three servers, three instances of each service, 100 commands/s. Each server and one
 * instance of each service is killed once, then everything is restarted in order. The exit code is 0 only when every
 * check of the README holds.
 */
import { parseArgs } from "node:util";
import { runCluster } from "./cluster.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    instances: { type: "string", default: "3" },
    rate: { type: "string", default: "100" },
  },
});

function positive(text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  console.error("usage: chaos:cluster [--seed S] [--instances I] [--rate PER_S]");
  process.exit(2);
}

const startedAtMs = performance.now();
const seed = positive(values.seed);
const { problems, commands, kills } = await runCluster({
  seed,
  instances: positive(values.instances),
  clients: 4,
  rate: positive(values.rate),
  serverKills: 3,
  isWhole: true,
  downMs: 12_000,
  say: (line) =>
    console.log(`${((performance.now() - startedAtMs) / 1_000).toFixed(0).padStart(4)} s  ${line}`),
});
for (const problem of problems.slice(0, 30)) console.error(problem);
const verdict = problems.length === 0 ? "all holds" : `${problems.length} problems`;
console.log(`seed ${seed}: ${kills} kills, ${commands} commands: ${verdict}`);
process.exitCode = problems.length === 0 ? 0 : 1;
