/**
 * A stack whose configuration names third-party packages for the cell model, the placement policy and the alert
 * deliverer.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, World } from "../e2e/world.ts";

const ALERT_FILE = join(tmpdir(), `bioxen-alerts-${process.pid}.jsonl`);
const CONFIGURATION = {
  BIOXEN_CELL_MODEL: "@bioxen-examples/jcvi-bridge,@bioxen-examples/chemostat",
  BIOXEN_PLACEMENT_POLICY: "@bioxen-examples/placement-policy",
  BIOXEN_ALERT_DELIVERERS: "file=@bioxen-examples/alert-deliverer",
  ALERT_FILE,
};

let world: World;
beforeAll(async () => {
  Object.assign(process.env, CONFIGURATION);
  world = await World.open({ chassis: "ecoli:2" });
});
afterAll(async () => {
  for (const name of Object.keys(CONFIGURATION)) delete process.env[name];
  await world.close();
  await rm(ALERT_FILE, { force: true });
});

it("uses the configured packages: the policy places a VM, the model simulates it, the deliverer sends its alert", async () => {
  await world.done("cmd.vm.create", {
    vmId: "c1",
    biologicalType: "syn3a",
    resources: { ribosomes: "50%" },
    config: { model: "organism-bridge" },
  });
  await world.done("cmd.vm.start", { vmId: "c1" });
  await world.reach("c1", "running");
  const sample = await world.sample("c1");
  expect(sample.doublingTimeMinutes).toBeCloseTo((105 * 503) / 252, 6);
  const explained = await world.bioxen("vm", "explain", "c1");
  expect(explained.stdout).toContain("three-quarters version 1");
  const rule = { ruleId: "slow", metric: "vm.growthPermille", below: 900, severity: "warning" };
  await world.done("cmd.alert.set-rule", rule);
  const lines = await eventually("the alert is in the file", async () => {
    const text = await readFile(ALERT_FILE, "utf8").catch(() => "");
    return text.includes('"slow"') ? text : undefined;
  });
  expect(JSON.parse(lines.split("\n").find((line) => line.includes('"slow"')) ?? "")).toMatchObject({
    state: "raised",
    target: "c1",
    value: expect.any(Number),
  });
});

describe("a chemostat beside built-in cells", () => {
  const chemostat = { biologicalType: "ecoli", config: { model: "chemostat" } };

  it("runs with its own parameters, medium and outputs, and requests what its set declares", async () => {
    const config = { ...chemostat.config, parameterSet: "slow", parameters: { dilutionPerMinute: 0.002 } };
    const { vm } = await world.done("cmd.vm.create", {
      ...chemostat,
      vmId: "culture",
      config,
      environment: { feed: 20 },
      resources: { atpPerSecond: "80%" },
      record: { everyMinutes: 1, fields: ["biomass", "environment.feed"] },
    });
    expect(vm).toMatchObject({ request: { atpPerSecond: 40_000 } });
    await world.done("cmd.vm.start", { vmId: "culture" });
    await world.reach("culture", "running");
    const sample = await world.sample("culture");
    expect(sample.growthRatePerMinute).toBeCloseTo(0.002, 9);
    // S = K·D/(μ_max − D), with μ_max of the set at 80 % of its ATP
    const substrate = (0.1 * 0.002) / (0.8 * 0.004 - 0.002);
    expect(sample.outputs).toMatchObject({ biomass: expect.closeTo(0.5 * (20 - substrate), 6) });
    expect(sample).not.toHaveProperty("ribosomes");
    const shown = await world.bioxen("vm", "show", "culture");
    expect(shown.stdout).toMatch(/outputs {5}biomass 9\.9/);
    expect(shown.stdout).not.toContain("ribosomes");
    await world.done("cmd.vm.set-environment", { vmId: "culture", environment: { feed: 5 } });
    const course = await eventually("rows of the new medium", async () => {
      const reply = await world.done("qry.course.get", { vmId: "culture" });
      const rows = reply["rows"] as number[][];
      return rows.at(-1)?.[3] === 5 ? reply : undefined;
    });
    expect(course["columns"]).toEqual([
      { name: "minute", unit: "min" },
      { name: "branch", unit: "1" },
      { name: "biomass", unit: "g/L" },
      { name: "environment.feed", unit: "g/L" },
    ]);
    const wrong = world.done("cmd.vm.set-environment", { vmId: "culture", environment: { substrate: 1 } });
    await expect(wrong).rejects.toThrow(/BAD_REQUEST/);
  });

  it("is shown with what it declares, and created by its name", async () => {
    const listed = await world.bioxen("models", "ls", "--json");
    const { models } = JSON.parse(listed.stdout) as { models: { name: string; chassis: string[] }[] };
    expect(models.map(({ name }) => name)).toEqual(["weisse", "chemostat", "organism-bridge"]);
    expect(models[1]?.chassis).toEqual(["ecoli-1", "ecoli-2"]);
    await world.bioxenJson(
      "chassis",
      "register",
      "given",
      "--type",
      "ecoli",
      "--agent",
      "local",
      "--max-vms",
      "3",
    );
    await eventually("the agent has announced its models on a chassis that an operator gave it", async () => {
      const { chassis } = await world.done("qry.chassis.get", { chassisId: "given" });
      return chassis.models?.length === 2 && chassis.maxVms === 3 ? true : undefined;
    });
    const shown = await world.bioxen("models", "show", "chemostat");
    for (const text of ["dilutionPerMinute", "0 to 0.1", "g/L", "atpPerSecond 100000", "set slow"]) {
      expect(shown.stdout).toContain(text);
    }
    const options = ["--model", "chemostat", "--parameter", "dilutionPerMinute=0.004", "--env", "feed=7"];
    const created = await world.bioxen("vm", "create", "by-cli", "--type", "ecoli", ...options, "--json");
    expect(JSON.parse(created.stdout)).toMatchObject({
      vm: {
        config: { model: "chemostat", parameters: { dilutionPerMinute: 0.004 } },
        environment: { feed: 7 },
      },
    });
    const absent = await world.bioxen("models", "show", "chemostats");
    expect(absent.code).toBe(1);
    expect(absent.stderr).toMatch(/MODEL_NOT_FOUND.*did you mean chemostat/);
  });

  it("is swept by its own parameter in an experiment", async () => {
    const file = {
      experiment: "dilution",
      base: {
        biologicalType: "ecoli",
        config: { model: "chemostat" },
        placement: { chassisTypes: ["ecoli"] },
      },
      sweep: { "config.parameters.dilutionPerMinute": [0.002, 0.004, 0.02] },
      untilMinute: 60,
      record: { everyMinutes: 30 },
    };
    const dir = await mkdtemp(join(tmpdir(), "bioxen-dilution-"));
    await writeFile(join(dir, "dilution.json"), JSON.stringify(file));
    const ran = await world.bioxen(
      "experiment",
      "run",
      join(dir, "dilution.json"),
      "--out",
      join(dir, "out"),
    );
    expect(ran.code, ran.stderr).toBe(0);
    const saved = JSON.parse(await readFile(join(dir, "out", "experiment.json"), "utf8"));
    expect(saved.versions.model).toBe("chemostat 1");
    await rm(dir, { recursive: true });
    const ended = await world.done("qry.experiment.get", { experimentId: "dilution" });
    const names = (ended["columnSets"] as { name: string }[][])[0]?.map(({ name }) => name) ?? [];
    expect(names).toEqual(expect.arrayContaining(["biomass", "productivity", "environment.feed"]));
    const value = (final: readonly number[], name: string) => final[names.indexOf(name)];
    const swept = ended["vms"] as { values: Record<string, number>; final: number[] }[];
    const rates = swept.map(({ final }) => value(final, "growthRatePerMinute"));
    // At rest the culture grows as fast as it is diluted; beyond its maximum rate it is washed out.
    expect(rates).toEqual([expect.closeTo(0.002, 9), expect.closeTo(0.004, 9), expect.closeTo(0.0119, 3)]);
    const biomass = swept.map(({ final }) => value(final, "biomass") ?? 0);
    expect(biomass[2]).toBeLessThan(0.001);
    expect(biomass[0]).toBeGreaterThan(biomass[1] ?? 0);
  });

  it("is kept as a fleet file wants it, and has no optimum", async () => {
    const dir = await mkdtemp(join(tmpdir(), "bioxen-cultures-"));
    const file = join(dir, "fleet.json");
    const apply = async (atpPerSecond: string) => {
      const config = { model: "chemostat", parameters: { dilutionPerMinute: 0.002 } };
      const vm = { vmId: "kept", count: 2, resources: { atpPerSecond }, environment: { feed: 15 } };
      const defaults = { biologicalType: "ecoli", config, state: "stopped" };
      await writeFile(file, JSON.stringify({ fleet: "cultures", defaults, vms: [vm] }));
      const { counts } = await world.bioxenJson("apply", "-f", file, "--yes");
      return counts;
    };
    expect(await apply("20%")).toMatchObject({ create: 2 });
    const { vm } = await world.done("qry.vm.get", { vmId: "kept-1" });
    expect(vm).toMatchObject({ request: { atpPerSecond: 20_000 }, environment: { feed: 15 } });
    expect(await apply("20%")).toMatchObject({ unchanged: 2 });
    expect(await apply("30%")).toMatchObject({ change: 2 });
    const optimum = await world.bioxen("vm", "optimise", "kept-1");
    expect([optimum.code, optimum.stderr]).toEqual([2, expect.stringContaining("cell of chemostat")]);
    await rm(dir, { recursive: true });
  });

  it("is computed again from its events, if its package is named", async () => {
    const options = [
      "--model",
      "chemostat",
      "--time-scale",
      "max",
      "--until",
      "50:pause",
      "--record-every",
      "10",
    ];
    await world.bioxenJson("vm", "create", "again", "--type", "ecoli", ...options, "--start");
    await eventually("the culture is at its last minute", async () => {
      const { vm } = await world.done("qry.vm.get", { vmId: "again" });
      return vm.until?.reached === true || undefined;
    });
    const named = ["--cell-model", "@bioxen-examples/chemostat"];
    expect(await world.bioxenJson("vm", "rerun", "again", ...named)).toMatchObject({
      rows: 6,
      difference: null,
    });
    const absent = await world.bioxen("vm", "rerun", "again", "--cell-model", "nosuch-package");
    expect([absent.code, absent.stderr]).toEqual([2, expect.stringContaining("package not found")]);
  });

  it("is refused with every problem, and a model that no agent has by its name", async () => {
    const create = (request: object) => world.ask("cmd.vm.create", { vmId: "x1", ...chemostat, ...request });
    expect(await create({ config: { model: "yeast" } })).toMatchObject({
      ok: false,
      error: { code: "MODEL_NOT_FOUND", details: { models: ["chemostat", "organism-bridge", "weisse"] } },
    });
    const parameters = { dilutionPerMinute: 2, nosuch: 1 };
    const refused = await create({
      config: { model: "chemostat", parameters },
      environment: { nutrientQuality: 1 },
    });
    expect(refused).toMatchObject({ ok: false, error: { code: "BAD_REQUEST" } });
    const text = JSON.stringify(refused);
    for (const path of [
      "config.parameters.dilutionPerMinute",
      "config.parameters.nosuch",
      "environment.nutrientQuality",
    ]) {
      expect(text).toContain(path);
    }
    expect(
      await world.ask("qry.placement.plan", { ...chemostat, resources: { atpPerSecond: "50%" } }),
    ).toMatchObject({
      ok: true,
      placements: [{ vmId: "new-vm" }],
    });
  });
});
