/**
 * `bioxen apply` on a real stack: a hundred VMs made, made again without a change, edited, pruned; ended half-way by a kill and by
 * Ctrl-C and run again, it ends where one run would have.
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

/** A hundred cells, of which the first ten run. */
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

/** Begins an apply, and ends it by `signal` once `isHalfWay`. */
async function endedHalfWay(
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
  await eventually("half of it is done", async () => isHalfWay(await vmsNow()) || undefined);
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
  it("says what it would do, and does nothing without a yes", async () => {
    await writeFile(file, fleet(COUNT - 10, "100%"));
    const dry = await bioxenJson("apply", "-f", file, "--dry-run");
    expect(dry).toMatchObject({ ok: true, dryRun: true, counts: { create: COUNT, unchanged: 0 } });
    expect((await bioxen("apply", "-f", file)).code).toBe(2);
    expect(await vmsNow()).toEqual([]);
  });

  it("killed half-way and run again makes a hundred VMs, each once; run again it changes nothing", async () => {
    await endedHalfWay("SIGKILL", (vms) => vms.length >= COUNT / 2);
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

  it("makes an edit so, stopped by Ctrl-C and run again, and prunes only what it made", async () => {
    await world.done("cmd.vm.create", { vmId: "own", biologicalType: "syn3a" });
    await writeFile(file, fleet(COUNT - 30, "50%", "  - { vmId: extra, count: 5, priority: 3 }"));
    const halfWay = (vms: Json[]) => vms.filter((vm) => vm.request.ribosomes === 252).length >= COUNT / 4;
    expect(await endedHalfWay("SIGINT", halfWay, "--prune")).toBe(1);
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

  it("replaces what cannot be changed only when told to, and touches nobody else's VM", async () => {
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

  it("finds nothing to change in what it made of everything a file can say", async () => {
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
      antiAffinity: [{ vmIds: [nobody] }]
  - { vmId: unscaled, biologicalType: ecoli, config: { parameterSet: weisse-2015 } }
`,
    );
    expect(await apply()).toMatchObject({ ok: true, counts: { create: 2 } });
    expect(await apply()).toMatchObject({ ok: true, counts: { unchanged: 2 } });
  });

  it("says of a VM that cannot be brought there why, and brings the others", async () => {
    await writeFile(
      file,
      "fleet: odd\ndefaults: { biologicalType: ecoli }\nvms:\n" +
        "  - { vmId: large, resources: { dnaKilobases: 30000 } }\n  - { vmId: fits, biologicalType: syn3a }\n",
    );
    const result = await bioxen("apply", "-f", file, "--yes");
    expect(result.code).toBe(1);
    expect(result.stdout).toContain("large failed: INFEASIBLE");
    expect((await world.done("qry.vm.get", { vmId: "fits" })).vm.state).toBe("running");
  });
});
