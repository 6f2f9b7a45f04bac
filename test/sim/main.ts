/**
 * `pnpm sim [--seeds N] [--seed S]`: N runs from seed S on, on all processors. Exits with 0 only when every run held
 * and every probe fired. `pnpm sim --seed S --show PATTERN` makes one run and prints every event whose line matches.
 * `--without flood`, `--without cut` and `--without owners` leave a part of the plan out.
 */
import { parseArgs } from "node:util";
import { PLANNED_FAULTS, planInWords, planOf } from "./plan.ts";
import { type RunOptions, run } from "./run.ts";
import { simulateOnAllCores } from "./seed-pool.ts";

/** Fewer runs than this need not fire every probe. */
const SEEDS_FOR_PROBES = 200;

/** Time between two lines of progress in a log file. */
const PROGRESS_MS = 60_000;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    show: { type: "string" },
    without: { type: "string", multiple: true, default: [] },
  },
});
const seeds = Number(values.seeds);
const first = Number(values.seed);
const without = PLANNED_FAULTS.filter((name) => values.without.includes(name));
const areKnown = without.length === new Set(values.without).size;
if (!Number.isInteger(seeds) || seeds < 1 || !Number.isInteger(first) || !areKnown) {
  const usage = "usage: sim [--seeds N] [--seed S] [--show PATTERN] [--without FAULT]";
  console.error(`${usage}: N and S are integers, FAULT is one of ${PLANNED_FAULTS.join(", ")}`);
  process.exit(2);
}
if (values.show !== undefined) {
  const { problems } = await show(first, new RegExp(values.show));
  for (const problem of problems) console.error(problem);
  process.exit(problems.length === 0 ? 0 : 1);
}

function show(seed: number, pattern: RegExp): ReturnType<typeof run> {
  const plan = planOf(seed, without);
  for (const line of planInWords(plan)) console.log(line);
  const watch: RunOptions["watch"] = ({ seq, envelope }, nowMs) => {
    const { subject, type, source, data, causationid } = envelope;
    const line = `${seq} ${nowMs} ${subject} ${type} ${source} ${JSON.stringify(data)} <- ${causationid}`;
    if (pattern.test(line)) console.log(line);
  };
  return run(seed, { plan, watch });
}

const startedAt = Date.now();
let shownAt = startedAt;
const onProgress = (finished: number) => {
  const line = `${finished} of ${seeds} runs`;
  if (process.stderr.isTTY) process.stderr.write(`\r${line}`);
  else if (Date.now() - shownAt >= PROGRESS_MS) {
    shownAt = Date.now();
    console.error(line);
  }
};
const outcome = await simulateOnAllCores(first, seeds, { onProgress, without });
for (const [name, count] of [...outcome.happened].sort())
  console.log(`${String(count).padStart(9)}  ${name}`);
const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
console.log(`${seeds} runs, ${outcome.events} events, ${seconds} s on ${outcome.workers} workers`);
for (const { seed, plan, problems } of outcome.failed) {
  const left = without.map((name) => ` --without ${name}`).join("");
  console.error(`seed ${seed} failed; again with: pnpm sim --seeds 1 --seed ${seed}${left}`);
  for (const line of plan) console.error(`  plan: ${line}`);
  for (const problem of problems) console.error(`  ${problem}`);
}
const missing = seeds >= SEEDS_FOR_PROBES && without.length === 0 ? outcome.missing : [];
for (const name of missing) console.error(`never happened: ${name}`);
process.exitCode = outcome.failed.length === 0 && missing.length === 0 ? 0 : 1;
