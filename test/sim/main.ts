/**
 * `pnpm sim [--seeds N] [--seed S]`: N runs from seed S on, on all processors. Ends with 0 only when every run held and everything
 * that should have happened did. `pnpm sim --seed S --show PATTERN` is one run, with every event whose line matches.
 */
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { run } from "./run.ts";
import type { Share } from "./seed-worker.ts";
import { judged, type Runs } from "./simulate.ts";

/** Runs handed to a thread at once: some seconds of work, so that all end at about the same time. */
const SEEDS_PER_SHARE = 20;

/** A run makes little that lasts: with the usual 16 MiB for what is new a fifth of the time goes into collecting it. */
const ROOM = { maxYoungGenerationSizeMb: 128 };

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    show: { type: "string" },
  },
});
const seeds = Number(values.seeds);
const first = Number(values.seed);
if (!Number.isInteger(seeds) || seeds < 1 || !Number.isInteger(first)) {
  console.error("usage: sim [--seeds N] [--seed S] [--show PATTERN], both integers");
  process.exit(2);
}
if (values.show !== undefined) {
  const { problems } = await show(first, new RegExp(values.show));
  for (const problem of problems) console.error(problem);
  process.exit(problems.length === 0 ? 0 : 1);
}

function show(seed: number, pattern: RegExp): ReturnType<typeof run> {
  return run(seed, ({ seq, envelope }, nowMs) => {
    const { subject, type, source, data, causationid } = envelope;
    const line = `${seq} ${nowMs} ${subject} ${type} ${source} ${JSON.stringify(data)} <- ${causationid}`;
    if (pattern.test(line)) console.log(line);
  });
}

function* shares(): Generator<Share> {
  for (let done = 0; done < seeds; done += SEEDS_PER_SHARE) {
    yield { first: first + done, seeds: Math.min(SEEDS_PER_SHARE, seeds - done) };
  }
}

/** One thread that takes shares until there are none. */
async function work(left: Iterator<Share>, onDone: (runs: Runs, share: Share) => void): Promise<void> {
  const worker = new Worker(new URL("seed-worker.ts", import.meta.url), { resourceLimits: ROOM });
  for (let next = left.next(); next.done !== true; next = left.next()) {
    const share = next.value;
    worker.postMessage(share);
    // Rejects when the thread fails.
    const [runs] = (await once(worker, "message")) as [Runs];
    onDone(runs, share);
  }
  await worker.terminate();
}

const startedAt = Date.now();
const parts: Runs[] = [];
let finished = 0;
const left = shares();
const threads = Math.min(availableParallelism(), Math.ceil(seeds / SEEDS_PER_SHARE));
await Promise.all(
  Array.from({ length: threads }, () =>
    work(left, (runs, share) => {
      parts.push(runs);
      finished += share.seeds;
      if (process.stderr.isTTY) process.stderr.write(`\r${finished} of ${seeds} runs`);
    }),
  ),
);
const outcome = judged(parts);
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
