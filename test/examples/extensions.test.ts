/**
 * A stack whose configuration names third-party packages for the cell model, the placement policy and the alert
 * deliverer.
 */
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, World } from "../e2e/world.ts";

const ALERT_FILE = join(tmpdir(), `bioxen-alerts-${process.pid}.jsonl`);
const CONFIGURATION = {
  BIOXEN_CELL_MODEL: "@bioxen-examples/jcvi-bridge",
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
  await world.done("cmd.vm.create", { vmId: "c1", biologicalType: "syn3a", resources: { ribosomes: "50%" } });
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
