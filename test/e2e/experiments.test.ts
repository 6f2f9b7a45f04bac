/**
 * An experiment on a real stack, through a kill of its service: its results are, byte for byte, those of another run on
 * other data.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { killNow } from "./kill.ts";
import { eventually, type Json, World } from "./world.ts";

const FILE = {
  experiment: "law",
  base: { biologicalType: "ecoli", config: { parameterSet: "weisse-2015", partitionNoise: true } },
  sweep: { "environment.nutrientQuality": [0.1, 0.5], "resources.ribosomes": ["41%", "58%", "74%"] },
  replicates: 2,
  untilMinute: 60,
  record: { everyMinutes: 20 },
};
const COMBINATIONS = 6;
const VMS = 2 * COMBINATIONS;
/** Longest time of one run, ms: 12 cells of an hour at 60 minutes a second, on a busy machine. */
const RUN_MS = 240_000;

let world: World;
beforeAll(async () => {
  world = await World.open({ keys: true, chassis: "ecoli:1,yeast:1" });
});
afterAll(() => world.close());

async function ended(): Promise<Json> {
  return eventually(
    "the experiment has ended",
    async () => {
      const { experiment } = await world.look("qry.experiment.get", { experimentId: "law", limit: 1 });
      return typeof experiment?.endedAtMs === "number" ? experiment : undefined;
    },
    RUN_MS,
  );
}

/** Runs the experiment with the command, and returns the files that it has written. */
async function run(name: string): Promise<{ results: string; courses: string; document: Json }> {
  const file = join(world.dir, "law.json");
  await writeFile(file, JSON.stringify(FILE));
  const out = join(world.dir, name);
  const ran = await world.bioxen("experiment", "run", file, "--out", out);
  expect(ran.code, ran.stderr).toBe(0);
  const [results, courses, document] = await Promise.all(
    ["results.csv", "courses.csv", "experiment.json"].map((one) => readFile(join(out, one), "utf8")),
  );
  return { results: results ?? "", courses: courses ?? "", document: JSON.parse(document ?? "") };
}

it("has the same results after a kill of its service as in an undisturbed run elsewhere", async () => {
  const started = await world.done("cmd.experiment.start", { file: FILE });
  expect(started).toMatchObject({ changed: true, experiment: { status: "running", vmCount: VMS } });
  await eventually("a VM of the experiment runs", async () => {
    const { vms } = await world.done("qry.vm.list", { label: "bioxen.io/experiment=law" });
    return vms.length > 0 ? true : undefined;
  });
  const service = world.stack.services().find(({ name }) => name === "experiments");
  killNow(service?.pid);
  expect(await ended()).toMatchObject({ status: "finished", recorded: VMS, failed: 0 });
  const disturbed = await run("disturbed");
  const { vms } = await world.done("qry.vm.list", { label: "bioxen.io/experiment=law" });
  expect(vms, "every VM is destroyed").toEqual([]);
  const again = await world.done("cmd.experiment.start", { file: FILE });
  expect(again).toMatchObject({ changed: false, experiment: { status: "finished" } });
  const other = await world.ask("cmd.experiment.start", { file: { ...FILE, untilMinute: 80 } });
  expect(other.error).toMatchObject({ code: "CONFLICT", retryable: false });
  expect((await world.bioxen("events", "verify")).code).toBe(0);

  await world.close();
  world = await World.open({ keys: true, chassis: "ecoli:1,yeast:1" });
  const undisturbed = await run("undisturbed");
  expect(undisturbed.results).toBe(disturbed.results);
  expect(undisturbed.courses).toBe(disturbed.courses);
  const lines = disturbed.results.trimEnd().split("\n");
  expect(lines).toHaveLength(VMS + 1);
  const digests = new Set(lines.slice(1).map((line) => line.split(",").at(-1)));
  // Two replicates of a slow cell are equal until it divides.
  expect(digests.size, "each combination has another course").toBeGreaterThanOrEqual(COMBINATIONS);
  expect(disturbed.document).toMatchObject({ experiment: "law", versions: { model: "weisse 2" } });
  expect(disturbed.document.log.seal).toMatch(/^[0-9a-f]{64}@\d+$/);
});
