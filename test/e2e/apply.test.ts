/**
 * `bioxen apply` on a real stack: creates a hundred VMs, finds them unchanged, edits and prunes them. Runs that a kill
 * or Ctrl-C interrupts half-way must end, after a second run, in the same state as one complete run.
 */
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bioxenHere } from "./in-process.ts";
import { CLI, eventually, type Json, World } from "./world.ts";

const COUNT = 100;

let world: World;
let file: string;
beforeAll(async () => {
  world = await World.open({ chassis: "yeast:3", timeScale: 1 });
  file = join(world.dir, "fleet.yaml");
});
afterAll(() => world.close());

/** A fleet of ten running cells and `cells` stopped ones. */
const fleet = (cells: number, share: string, more = "") => `
fleet: lab
defaults: { biologicalType: syn3a, resources: { ribosomes: "${share}" } }
vms:
  - { vmId: runner, count: 10 }
  - { vmId: cell, count: ${cells}, state: stopped }
${more}`;

const bioxen = (...args: string[]) => bioxenHere([...args, "--server", world.url]);
const bioxenJson = async (...args: string[]): Promise<Json> =>
  JSON.parse((await bioxen(...args, "--json")).stdout);
const apply = (...args: string[]) => bioxenJson("apply", "-f", file, "--yes", ...args);

/** Starts an apply, sends it `signal` once `isHalfWay` holds, and returns its exit code. */
async function interruptHalfWay(
  signal: "SIGKILL" | "SIGINT",
  isHalfWay: (vms: Json[]) => boolean,
  ...args: string[]
) {
  const env = { ...process.env, BIOXEN_HOME: world.home, NO_COLOR: "1" };
  const child = spawn(process.execPath, [CLI, "apply", "-f", file, "--yes", ...args], {
    env,
    stdio: "ignore",
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  await eventually("the apply is half-way", async () => isHalfWay(await vmsNow()) || undefined);
  child.kill(signal);
  return ended;
}

async function vmsNow(): Promise<Json[]> {
  return (await world.look("qry.vm.list", {})).vms ?? [];
}

async function requestsOf(label = "bioxen.io/fleet=lab"): Promise<Record<string, string>> {
  const { vms } = await world.done("qry.vm.list", { label });
  return Object.fromEntries(vms.map((vm: Json) => [vm.vmId, `${vm.state} ${vm.request.ribosomes}`]));
}

const counted = (requests: Record<string, string>) => {
  const counts: Record<string, number> = {};
  for (const one of Object.values(requests)) counts[one] = (counts[one] ?? 0) + 1;
  return counts;
};

describe("apply", () => {
  it("prints its plan, and changes nothing without a confirmation", async () => {
    await writeFile(file, fleet(COUNT - 10, "100%"));
    const dry = await bioxenJson("apply", "-f", file, "--dry-run");
    expect(dry).toMatchObject({ ok: true, dryRun: true, counts: { create: COUNT, unchanged: 0 } });
    expect((await bioxen("apply", "-f", file)).code).toBe(2);
    expect(await vmsNow()).toEqual([]);
  });

  it("creates each of a hundred VMs once although a kill interrupts it, and then changes nothing", async () => {
    await interruptHalfWay("SIGKILL", (vms) => vms.length >= COUNT / 2);
    expect((await vmsNow()).length).toBeLessThan(COUNT);
    const rest = await apply();
    expect(rest.ok, JSON.stringify(rest)).toBe(true);
    expect(rest.counts.create).toBeLessThanOrEqual(COUNT / 2);
    expect(counted(await requestsOf())).toEqual({ "running 503": 10, "created 503": 90 });
    for (const vmId of ["runner-1", "runner-10", "cell-1", "cell-50"]) {
      const { events } = await world.done("qry.vm.history", { vmId });
      const types = events.map((event: Json) => event.type);
      for (const once of ["bioxen.vm.created.v1", "bioxen.vm.start-requested.v1"]) {
        expect(types.filter((type: string) => type === once).length, vmId).toBeLessThanOrEqual(1);
      }
    }
    expect(await apply()).toMatchObject({ ok: true, counts: { unchanged: COUNT, create: 0, change: 0 } });
  });

  it("applies an edit although Ctrl-C interrupts it, and prunes only VMs that it created", async () => {
    await world.done("cmd.vm.create", { vmId: "own", biologicalType: "syn3a" });
    await writeFile(file, fleet(COUNT - 30, "50%", "  - { vmId: extra, count: 5, priority: 3 }"));
    const halfWay = (vms: Json[]) => vms.filter((vm) => vm.request.ribosomes === 252).length >= COUNT / 4;
    expect(await interruptHalfWay("SIGINT", halfWay, "--prune")).toBe(1);
    const planned = await bioxenJson("apply", "-f", file, "--dry-run", "--prune");
    expect(planned.counts.change).toBeGreaterThan(0);
    const rest = await apply("--prune");
    expect(rest.ok, JSON.stringify(rest)).toBe(true);
    expect(counted(await requestsOf())).toEqual({ "running 252": 15, "created 252": 70 });
    expect((await vmsNow()).map(({ vmId }) => vmId)).toContain("own");
    const again = await bioxen("apply", "-f", file, "--yes", "--prune");
    expect(again.code).toBe(0);
    expect(again.stdout.trim()).toBe(
      "fleet lab: 0 to create, 0 to change, 0 to replace, 0 to prune, 85 unchanged",
    );
  });

  it("replaces VMs only with --replace, and rejects the id of a VM outside the fleet", async () => {
    await writeFile(file, fleet(COUNT - 30, "50%", "  - { vmId: extra, count: 5, priority: 4 }"));
    const refused = await bioxenJson("apply", "-f", file, "--yes");
    expect(refused).toMatchObject({ ok: false, error: { code: "CONFLICT", details: { foreign: [] } } });
    expect(refused.error.details.replace).toHaveLength(5);
    expect(await apply("--replace")).toMatchObject({ ok: true, counts: { replace: 5 } });
    const { vm } = await world.done("qry.vm.get", { vmId: "extra-1" });
    expect(vm).toMatchObject({ state: "running", priority: 4, incarnation: 2 });
    await writeFile(file, "fleet: lab\nvms: [{ vmId: own, biologicalType: syn3a }]\n");
    expect((await apply()).error.details.foreign).toEqual(["own"]);
  });

  it("plans no change for VMs that it created with every field of a fleet file", async () => {
    await writeFile(
      file,
      `
fleet: rich
defaults: { biologicalType: syn3a, labels: { team: red }, state: stopped }
vms:
  - vmId: rich
    resources: { ribosomes: "60%" }
    guarantee: { ribosomes: "30%", atpPerSecond: 5000 }
    burst: { ribosomes: "100%" }
    priority: 3
    seed: 7
    program: print("hello")
    environment: { substrate: 10000, chloramphenicolMicromolar: 0.5 }
    restartPolicy: { mode: on-failure, maxAttempts: 2 }
    placement:
      chassisTypes: [ecoli, yeast]
      policy: spread
      tolerations: [{ key: lab }]
      affinity: [{ labels: { team: red }, preferred: true, weight: 5 }]
      antiAffinity: [{ vmIds: [absent] }]
  - { vmId: unscaled, biologicalType: ecoli, config: { parameterSet: weisse-2015 } }
`,
    );
    expect(await apply()).toMatchObject({ ok: true, counts: { create: 2 } });
    expect(await apply()).toMatchObject({ ok: true, counts: { unchanged: 2 } });
  });

  it("reports why a VM failed, and carries out the others", async () => {
    await writeFile(
      file,
      "fleet: odd\ndefaults: { biologicalType: ecoli }\nvms:\n" +
        "  - { vmId: large, resources: { ribosomes: 300000 } }\n  - { vmId: fits, biologicalType: syn3a }\n",
    );
    const result = await bioxen("apply", "-f", file, "--yes");
    expect(result.code).toBe(1);
    expect(result.stdout).toContain("large failed: INFEASIBLE");
    expect((await world.done("qry.vm.get", { vmId: "fits" })).vm.state).toBe("running");
  });
});
