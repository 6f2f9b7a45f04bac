/**
 * Time courses of cells on a real stack: through kills of the agent, a restore and a stop, by the query and the command.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cell, WEISSE } from "@bioxen/cell-models";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const EVERY = 5;

let world: World;
beforeAll(async () => {
  process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"] = "1000";
  world = await World.open({ keys: true, chassis: "ecoli:1", timeScale: 30 });
});
afterAll(async () => {
  delete process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"];
  await world.close();
});

const beyond = (vmId: string, minute: number) => world.sample(vmId, (sample) => sample.simMinutes >= minute);

async function course(vmId: string, more: object = {}): Promise<Json> {
  const rows: Json[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await world.done("qry.course.get", {
      vmId,
      ...more,
      ...(cursor === undefined ? {} : { cursor }),
    });
    rows.push(...page.rows);
    if (page.cursor === null) return { ...page, rows };
    cursor = page.cursor;
  }
}

/** The same cell computed by the model alone: `[minute, r, growthRatePerMinute, nutrient quality]` at each minute. */
function computed(vm: Json, changes: Record<number, number>, last: number): (number | null)[][] {
  const cell = WEISSE.boot({ biologicalType: "syn3a", seed: vm.seed, allocation: vm.allocation }) as Cell;
  const rowOf = () => {
    const at = WEISSE.stateVariables?.findIndex(({ name }) => name === "r") ?? -1;
    const { growthRatePerMinute } = cell.sample();
    return [
      cell.simMinutes,
      cell.stateValues()[at] ?? null,
      growthRatePerMinute,
      cell.environment.nutrientQuality,
    ];
  };
  const rows = [rowOf()];
  while (cell.simMinutes < last) {
    cell.advance(1);
    if (cell.simMinutes % EVERY === 0) rows.push(rowOf());
    const nutrientQuality = changes[cell.simMinutes];
    if (nutrientQuality !== undefined) cell.setEnvironment({ ...cell.environment, nutrientQuality });
  }
  return rows;
}

const FIELDS = ["r", "growthRatePerMinute", "environment.nutrientQuality"];
const withoutBranch = (rows: Json[]) =>
  rows.map(([minute, _branch, ...values]: number[]) => [minute, ...values]);

it("survives kills of the agent without a gap or a double row, and equals the model's own course", async () => {
  const record = { everyMinutes: EVERY, fields: FIELDS };
  await world.done("cmd.vm.create", { vmId: "course-1", biologicalType: "syn3a", seed: 7, record });
  await world.done("cmd.vm.start", { vmId: "course-1" });
  await beyond("course-1", 40);
  const changes: Record<number, number> = {};
  for (const nutrientQuality of [0.2, 0.4]) {
    const { simMinute } = await world.done("cmd.vm.set-environment", {
      vmId: "course-1",
      environment: { nutrientQuality },
    });
    changes[simMinute] = nutrientQuality;
    await beyond("course-1", simMinute + 25);
    await world.killAgent();
    await beyond("course-1", simMinute + 60);
  }
  const { vm } = await world.done("qry.vm.get", { vmId: "course-1" });
  await world.done("cmd.vm.stop", { vmId: "course-1" });
  await world.reach("course-1", "stopped");
  const { rows, columns } = await course("course-1");
  expect(columns.map(({ name, unit }: Json) => `${name} [${unit}]`)).toEqual([
    "minute [min]",
    "branch [1]",
    "r [molecules]",
    "growthRatePerMinute [1/min]",
    "environment.nutrientQuality [1]",
  ]);
  expect(rows.length * EVERY).toBeGreaterThan(150);
  expect(withoutBranch(rows)).toEqual(computed(vm, changes, rows.at(-1)[0]));
  expect(new Set(rows.map(([, branch]: number[]) => branch))).toEqual(new Set([0]));
  const pages = await course("course-1", { limit: 7 });
  expect(pages.rows).toEqual(rows);
});

it("is printed as CSV and JSON, and written to a file", async () => {
  const { rows } = await course("course-1", { fields: ["r"], fromMinute: 10, toMinute: 30 });
  const range = ["--fields", "r", "--from-minute", "10", "--to-minute", "30"];
  const csv = await world.bioxen("vm", "course", "course-1", ...range);
  expect(csv.stdout).toBe(
    `minute [min],branch [1],r [molecules]\n${rows.map((row: Json) => `${row}\n`).join("")}`,
  );
  const json = await world.bioxen("vm", "course", "course-1", ...range, "--json");
  expect(JSON.parse(json.stdout).rows).toEqual(rows);
  const folder = await mkdtemp(join(tmpdir(), "bioxen-course-"));
  const out = join(folder, "course.parquet");
  expect((await world.bioxen("vm", "course", "course-1", ...range, "--out", out)).code).toBe(0);
  expect((await readFile(out)).subarray(0, 4).toString()).toBe("PAR1");
  await rm(folder, { recursive: true });
  const unknown = await world.bioxen("vm", "course", "course-1", "--fields", "growthRate");
  expect(unknown).toMatchObject({ code: 1, stdout: "" });
  expect(unknown.stderr).toContain("growthRate");
});

it("is drawn in the terminal and as a picture, which has the same bytes each time", async () => {
  const fields = ["--fields", "r,growthRatePerMinute"];
  const text = await world.bioxen("vm", "plot", "course-1", ...fields);
  expect(text).toMatchObject({ code: 0, stderr: "" });
  expect(text.stdout).toContain("growthRatePerMinute [1/min]");
  expect(text.stdout).not.toContain("\u001b");
  const folder = await mkdtemp(join(tmpdir(), "bioxen-plot-"));
  const pictures = [];
  for (const name of ["a.svg", "b.svg"]) {
    const out = join(folder, name);
    expect((await world.bioxen("vm", "plot", "course-1", ...fields, "--out", out)).code).toBe(0);
    pictures.push(await readFile(out, "utf8"));
  }
  await rm(folder, { recursive: true });
  expect(pictures[1]).toBe(pictures[0]);
  expect(pictures[0]).toContain(">r [molecules]<");
});

it("has a branch for each restore, and for each start after a stop", async () => {
  const record = { everyMinutes: EVERY, fields: ["r"] };
  await world.done("cmd.vm.create", { vmId: "course-2", biologicalType: "syn3a", seed: 9, record });
  await world.done("cmd.vm.start", { vmId: "course-2" });
  await beyond("course-2", 20);
  await world.done("cmd.vm.snapshot", { vmId: "course-2", snapshotId: "s" });
  const { simMinutes } = (await world.done("qry.vm.get", { vmId: "course-2" })).vm.snapshots[0];
  await beyond("course-2", simMinutes + 20);
  await world.done("cmd.vm.restore", { vmId: "course-2", snapshotId: "s" });
  await eventually("the restored cell has recorded rows", async () =>
    (await course("course-2")).rows.some(
      ([minute, branch]: number[]) => branch === 1 && (minute ?? 0) > simMinutes + 5,
    )
      ? true
      : undefined,
  );
  await world.done("cmd.vm.stop", { vmId: "course-2" });
  await world.reach("course-2", "stopped");
  await world.done("cmd.vm.start", { vmId: "course-2" });
  await eventually("the new cell has recorded rows", async () =>
    (await course("course-2")).rows.some(([, branch]: number[]) => branch === 2) ? true : undefined,
  );
  const { rows } = await course("course-2");
  const branches = Map.groupBy(rows as number[][], ([, branch]) => branch);
  const minutesOf = (branch: number) => (branches.get(branch) ?? []).map(([minute]) => minute);
  const every = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i * EVERY);
  const afterSnapshot = (Math.floor(simMinutes / EVERY) + 1) * EVERY;
  expect(minutesOf(0)).toEqual(every(0, minutesOf(0).length));
  expect(minutesOf(1)).toEqual(every(afterSnapshot, minutesOf(1).length));
  expect(minutesOf(2)).toEqual(every(0, minutesOf(2).length));
  const valueAt = (branch: number, minute: number) =>
    (branches.get(branch) ?? []).find(([at]) => at === minute)?.[2];
  expect(valueAt(1, afterSnapshot), "a restored cell goes on bit for bit").toBe(valueAt(0, afterSnapshot));
});

it("is refused for what cannot be recorded, with every problem", async () => {
  const request = { vmId: "course-3", biologicalType: "syn3a" };
  const record = { everyMinutes: 5, fields: ["r", "ribosomes", "growthRatePerMinutes"] };
  const refused = await world.ask("cmd.vm.create", { ...request, record });
  expect(refused.error).toMatchObject({ code: "BAD_REQUEST" });
  expect(refused.error.details.problems.map(({ path }: Json) => path)).toEqual([
    "record.fields.1",
    "record.fields.2",
  ]);
  const machine = { ...request, vmType: "xcpng", record: { everyMinutes: 5 } };
  expect((await world.ask("cmd.vm.create", machine)).error).toMatchObject({ code: "UNSUPPORTED" });
  await world.done("cmd.vm.create", request);
  const none = await world.ask("qry.course.get", { vmId: "course-3" });
  expect(none.error).toMatchObject({ code: "COURSE_NOT_FOUND" });
});
