/**
 * `pnpm chaos:experiment --vms 10000`: one experiment of many VMs while every process is killed once, and a second one
 * that is cancelled. The exit code is 0 only when every check of the README holds.
 */
import { parseArgs } from "node:util";
import { COMBINATIONS, runExperiment } from "./experiment.ts";

/** Number of results of the second experiment before it is cancelled: enough that every place is filled. */
const CANCEL_AFTER = 200;
/** Places for about 75 of the cells. */
const PLACES = { biologicalType: "syn3a", chassis: "ecoli:2,yeast:1" } as const;
const SHOWN = 30;

const { values } = parseArgs({
  options: { vms: { type: "string", default: "10000" } },
});
const vms = Number(values.vms);
if (!Number.isInteger(vms) || vms < COMBINATIONS || vms % COMBINATIONS !== 0) {
  console.error(`usage: chaos:experiment [--vms N]; N is a multiple of ${COMBINATIONS}`);
  process.exit(2);
}

const startedAtMs = performance.now();
const { problems, kills } = await runExperiment({
  vms,
  ...PLACES,
  cancelAfter: Math.min(CANCEL_AFTER, vms / 2),
  say: (line) =>
    console.log(`${((performance.now() - startedAtMs) / 1_000).toFixed(0).padStart(5)} s  ${line}`),
});
for (const problem of problems.slice(0, SHOWN)) console.error(problem);
console.log(
  `${vms} VMs, ${kills} kills: ${problems.length === 0 ? "all holds" : `${problems.length} problems`}`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
