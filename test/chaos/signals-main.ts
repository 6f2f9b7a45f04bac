/**
 * `pnpm chaos:signals --cases N --seed S`: N signals at random moments of `up`, `up --detach`, `start` and `down`, directly
 * and through npx. After each, no process may be left, and the next `up` must work (test/e2e/signal-cases.ts).
 * The exit code is 0 only when all of that holds.
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { SignalRun, signalCases, wordsOf } from "../e2e/signal-cases.ts";

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "40" },
    seed: { type: "string", default: "1" },
    /** Latest moment of a signal, ms after the start of the command. */
    longest: { type: "string", default: "6000" },
  },
});
const dir = await mkdtemp(join(tmpdir(), "bioxen-signals-"));
const run = new SignalRun(dir, randomUUID());
let failed = 0;
for (const [i, one] of signalCases(
  Number(values.seed),
  Number(values.cases),
  Number(values.longest),
).entries()) {
  const beganAtMs = performance.now();
  const problems = await run.run(one);
  const tookS = ((performance.now() - beganAtMs) / 1_000).toFixed(1);
  console.log(
    `${i + 1}: ${wordsOf(one)}: ${problems.length === 0 ? "ok" : problems.join("; ")} (${tookS} s)`,
  );
  if (problems.length > 0) {
    failed += 1;
    await run.kill();
  }
}
await rm(dir, { recursive: true, force: true });
console.log(failed === 0 ? `seed ${values.seed}: all holds` : `seed ${values.seed}: ${failed} cases failed`);
process.exitCode = failed === 0 ? 0 : 1;
