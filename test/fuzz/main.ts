/**
 * `pnpm fuzz [--requests N] [--seed S] [--rounds R]`: a stack of its own, N malformed requests in R rounds, and the
 * checks of the README. `pnpm fuzz --seed S --show I` prints request I of the seed and sends nothing.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startLocalStack } from "@bioxen/local-stack";
import { requestOf } from "./requests.ts";
import { fuzz } from "./run.ts";

const SHOWN = 20;

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "10000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    rounds: { type: "string", default: "3" },
    show: { type: "string" },
  },
});
const seed = Number(values.seed);
const requests = Number(values.requests);
const rounds = Number(values.rounds);
if (![seed, requests, rounds].every((n) => Number.isSafeInteger(n) && n > 0)) {
  console.error("usage: fuzz [--requests N] [--seed S] [--rounds R] [--show INDEX], all positive integers");
  process.exit(2);
}
if (values.show !== undefined) {
  const { payload, headers, endpoint: _, ...rest } = requestOf(seed, Number(values.show));
  console.log(rest);
  console.log(Buffer.from(headers ?? []).toString("latin1"));
  console.log(Buffer.from(payload).toString("utf8"));
  process.exit(0);
}

console.log(`seed ${seed}`);
const home = await mkdtemp(join(tmpdir(), "bioxen-fuzz-"));
const dataDir = join(home, "data");
const preload = new URL("./collect-garbage.ts", import.meta.url).href;
process.env["NODE_OPTIONS"] = `${process.env["NODE_OPTIONS"] ?? ""} --import=${preload}`;
const stack = await startLocalStack({
  home,
  dataDir,
  // Without keys: the raw client has no login, and sends on every subject.
  keys: false,
  chassis: "ecoli:2",
  timeScale: 60,
  logLevel: "warn",
});
const collectGarbage = () => {
  for (const { pid } of stack.services()) if (pid !== null) process.kill(pid, "SIGUSR2");
};
const beganAt = performance.now();
let problems: readonly string[] = ["the run did not end"];
try {
  const say = (line: string) => console.log(line);
  ({ problems } = await fuzz({ url: stack.url, seed, requests, rounds, say, collectGarbage }));
  for (const { name, restarts } of stack.services()) {
    if (restarts > 0) problems = [...problems, `${name} ended ${restarts} times and was started again`];
  }
} finally {
  await stack.stop();
  if (problems.length === 0) await rm(home, { recursive: true, force: true });
  else console.log(`store and logs are kept in ${home}`);
}
for (const problem of problems.slice(0, SHOWN)) console.error(problem);
const seconds = ((performance.now() - beganAt) / 1_000).toFixed(0);
console.log(
  `seed ${seed}: ${problems.length === 0 ? "all holds" : `${problems.length} problems`}, ${seconds} s`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
