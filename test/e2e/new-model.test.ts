/**
 * A cell model that `create-cell-model` writes outside of this checkout runs beside the built-in one, and so does a second
 * one that never returns: it stops only its own cells.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, World } from "./world.ts";

const run = promisify(execFile);
const CREATE = fileURLToPath(new URL("../../packages/create-cell-model/src/bin.ts", import.meta.url));
/** The minute from which a cell of the second model never returns. */
const LOOPS_AT = 3;

let dir: string;
let world: World;

/** Runs `create-cell-model NAME` in the folder, and returns the path of the model. */
async function created(name: string): Promise<string> {
  const { stdout } = await run(process.execPath, [CREATE, name], { cwd: dir });
  expect(stdout).toContain(`${name} has the cell model ${name}`);
  return join(dir, name);
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-new-model-"));
  const [own, looping] = [await created("my-model"), await created("looping")];
  const file = join(looping, "index.js");
  const text = await readFile(file, "utf8");
  const changed = text.replace(
    "this.simMinutes += 1;",
    `this.simMinutes += 1;\n      while (this.simMinutes >= ${LOOPS_AT});`,
  );
  expect(changed).not.toBe(text);
  await writeFile(file, changed);
  process.env["BIOXEN_CELL_MODEL"] = `${own},${looping}`;
  world = await World.open({ chassis: "ecoli:1" });
});
afterAll(async () => {
  delete process.env["BIOXEN_CELL_MODEL"];
  await world.close();
  await rm(dir, { recursive: true });
});

async function started(vmId: string, config: object): Promise<void> {
  const resources = { ribosomes: "10%", rnaPolymerases: "10%", atpPerSecond: "10%" };
  const request = "model" in config ? {} : { resources };
  await world.done("cmd.vm.create", { vmId, biologicalType: "ecoli", config, ...request });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
}

it("is created by its name and parameters, and shows its outputs and no ribosomes", async () => {
  const shown = await world.bioxen("models", "show", "my-model");
  expect(shown.stdout).toContain("maxGrowthPerMinute");
  const options = ["--model", "my-model", "--parameter", "maxGrowthPerMinute=0.01", "--env", "glucose=1"];
  await world.bioxenJson("vm", "create", "c1", "--type", "ecoli", ...options, "--start");
  await world.reach("c1", "running");
  const sample = await world.sample("c1");
  expect(sample.growthRatePerMinute).toBeCloseTo(0.005, 12);
  expect(sample.outputs?.["size"]).toBeGreaterThanOrEqual(1);
  for (const name of ["ribosomes", "atpPerSecond", "rnaPolymerases"]) expect(sample).not.toHaveProperty(name);
  const { stdout } = await world.bioxen("vm", "show", "c1");
  expect(stdout).toMatch(/outputs +size 1/);
  expect(stdout).not.toMatch(/ribosomes/);
});

it("is swept by its own parameter in an experiment", async () => {
  const file = join(dir, "rates.json");
  await writeFile(
    file,
    JSON.stringify({
      experiment: "rates",
      base: { biologicalType: "ecoli", config: { model: "my-model" }, resources: { atpPerSecond: "20%" } },
      sweep: { "config.parameters.maxGrowthPerMinute": [0.011, 0.022] },
      untilMinute: 30,
      record: { everyMinutes: 10 },
    }),
  );
  const ran = await world.bioxen("experiment", "run", file, "--out", join(dir, "out"));
  expect(ran.code, ran.stderr).toBe(0);
  const ended = await world.done("qry.experiment.get", { experimentId: "rates" });
  const names = (ended["columnSets"] as { name: string }[][])[0]?.map(({ name }) => name) ?? [];
  const column = names.indexOf("growthRatePerMinute");
  const rates = (ended["vms"] as { final: number[] }[]).map(({ final }) => final[column]);
  // A fifth of its ATP, and ten elevenths of its rate at 10 mmol/L.
  expect(rates).toEqual([expect.closeTo(0.002, 9), expect.closeTo(0.004, 9)]);
});

it("goes on, as the built-in model does, while a cell of another model never returns", async () => {
  await started("built-in", {});
  await started("own", { model: "my-model" });
  await started("endless", { model: "looping" });
  const minuteOf = async (vmId: string) => (await world.sample(vmId)).simMinutes;
  const before = await Promise.all([minuteOf("built-in"), minuteOf("own")]);
  await eventually("the others have lived on", async () => {
    const now = await Promise.all([minuteOf("built-in"), minuteOf("own")]);
    return now.every((minute, i) => minute >= (before[i] ?? 0) + LOOPS_AT + 10) || undefined;
  });
  expect(await minuteOf("endless")).toBeLessThan(LOOPS_AT);
});
