/**
 * `pnpm sim [--seeds N] [--seed S]`: N runs from seed S on. Ends with 0 only when every run held and everything that should
 * have happened did.
 */
import { parseArgs } from "node:util";
import { simulate } from "./simulate.ts";

const { values } = parseArgs({
  options: { seeds: { type: "string", default: "200" }, seed: { type: "string", default: "1" } },
});
const seeds = Number(values.seeds);
const first = Number(values.seed);
if (!Number.isInteger(seeds) || seeds < 1 || !Number.isInteger(first)) {
  console.error("usage: sim [--seeds N] [--seed S], both integers");
  process.exit(2);
}
const startedAt = Date.now();
const outcome = await simulate(first, seeds, (done) => {
  if (process.stderr.isTTY && done % 20 === 0) process.stderr.write(`\r${done} of ${seeds} runs`);
});
for (const [name, count] of [...outcome.happened].sort())
  console.log(`${String(count).padStart(9)}  ${name}`);
console.log(`${seeds} runs, ${outcome.events} events, ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
for (const { seed, problems } of outcome.failed) {
  console.error(`seed ${seed} failed; again with: pnpm sim --seeds 1 --seed ${seed}`);
  for (const problem of problems) console.error(`  ${problem}`);
}
const missing = seeds >= 200 ? outcome.missing : [];
for (const name of missing) console.error(`never happened: ${name}`);
process.exitCode = outcome.failed.length === 0 && missing.length === 0 ? 0 : 1;
