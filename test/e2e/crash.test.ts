/**
 * Kills every process in turn: no state is lost, because state is the fold of the log.
 */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killNow } from "./kill.ts";
import { eventually, type Json, World } from "./world.ts";

/** Events between two snapshots of the folds: so few that every restart in this file begins with a snapshot. */
const SNAPSHOT_EVERY = "10";
const SNAPSHOTS = "KV_bioxen-fold-snapshots";

let world: World;
beforeAll(async () => {
  process.env["BIOXEN_SNAPSHOT_EVERY"] = SNAPSHOT_EVERY;
  // Without keys: the test deletes the snapshots of the folds.
  world = await World.open({ keys: false, chassis: "ecoli:1,yeast:1", logLevel: "info" });
});
afterAll(() => world.close());

interface ClusterState {
  readonly vms: Json;
  readonly ledgers: Json;
}

/** All VMs and ledgers, without the VM fields that the restart of a guest changes. */
async function clusterState(): Promise<ClusterState> {
  const { vms } = await world.bioxenJson("vm", "ls");
  const { ledgers } = await world.bioxenJson("ledger", "show");
  const stable = vms.map(({ version: _v, updatedAtMs: _u, reason: _r, checkpoint: _c, ...vm }: Json) => vm);
  return { vms: stable, ledgers };
}

/** Waits until the VM sends a newer sample with another simulated time. */
async function growsAgain(vmId: string): Promise<void> {
  const seen = await world.sample(vmId);
  await world.sample(vmId, (s) => s.atMs > seen.atMs && s.simMinutes !== seen.simMinutes);
}

describe("the state of the cluster", () => {
  it("is unchanged after each service is killed in turn and has restarted", async () => {
    for (const [vmId, biologicalType] of [
      ["crash-1", "syn3a"],
      ["crash-2", "ecoli"],
      ["crash-3", "minimal_cell"],
    ]) {
      await world.done("cmd.vm.create", { vmId, biologicalType });
      await world.done("cmd.vm.start", { vmId });
      await world.reach(vmId ?? "", "running");
    }
    await world.done("cmd.vm.pause", { vmId: "crash-3" });
    await eventually("every entry is committed", async () => {
      const { ledgers } = await world.done("qry.ledger.list", {});
      const entries = ledgers.flatMap((l: Json) => l.entries);
      return entries.length === 3 && entries.every((e: Json) => e.phase === "committed") ? true : undefined;
    });
    const before = await clusterState();
    for (const { name, pid, restarts } of world.stack.services()) {
      killNow(pid);
      await eventually(`${name} is ready again`, async () => {
        const now = world.stack.services().find((service) => service.name === name);
        return now?.restarts === restarts + 1 && now.state === "ready" ? true : undefined;
      });
      expect(await clusterState(), `after ${name} was killed`).toEqual(before);
    }
    await growsAgain("crash-1");
    await growsAgain("crash-2");
    expect((await world.sample("crash-3")).state).toBe("paused");
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });

  it("is in a snapshot whose sequence and age lifecycle measures", async () => {
    const { services } = await world.bioxenJson("status");
    const [url] = services.find(({ name }: Json) => name === "lifecycle").urls;
    const text = await eventually("lifecycle knows a snapshot", async () => {
      const shown = await (await fetch(`${url}/metrics`)).text();
      return shown.includes("bioxen_snapshot_sequence{") ? shown : undefined;
    });
    const of = (metric: string) =>
      Number(new RegExp(`^${metric}\\{service="lifecycle"\\} (\\S+)$`, "m").exec(text)?.[1]);
    expect(of("bioxen_snapshot_sequence")).toBeGreaterThanOrEqual(Number(SNAPSHOT_EVERY));
    expect(of("bioxen_snapshot_sequence")).toBeLessThanOrEqual(of("bioxen_log_applied_sequence"));
    expect(of("bioxen_snapshot_age_seconds")).toBeGreaterThanOrEqual(0);
  });

  it("is unchanged after the NATS server is killed, and commands succeed again", async () => {
    const before = await clusterState();
    const { serverPid } = JSON.parse(await readFile(`${world.dir}/stack.json`, "utf8"));
    process.kill(serverPid, "SIGKILL");
    await eventually("the server answers queries again", async () => {
      const reply = await world.look("qry.vm.list", {});
      return reply.ok === true ? true : undefined;
    });
    expect(await clusterState()).toEqual(before);
    await world.done("cmd.vm.create", { vmId: "crash-4", biologicalType: "syn3a" });
    await world.done("cmd.vm.start", { vmId: "crash-4" });
    await world.reach("crash-4", "running");
  });

  it("is unchanged after an orderly restart of the whole stack", async () => {
    await world.reach("crash-4", "running");
    await eventually("crash-4 is committed", async () => {
      const { ledgers } = await world.done("qry.ledger.list", {});
      return ledgers.flatMap((l: Json) => l.entries).every((e: Json) => e.phase === "committed") || undefined;
    });
    const before = await clusterState();
    await world.restart();
    expect(await clusterState()).toEqual(before);
    await growsAgain("crash-1");
    await growsAgain("crash-4");
    const verified = await world.bioxenJson("events", "verify");
    expect(verified.violations).toEqual([]);
    expect(verified.events).toBeGreaterThan(20);
  });

  it("is unchanged after all snapshots are deleted and each service is killed", async () => {
    const before = await clusterState();
    expect(await startsFromSnapshots()).toBeGreaterThan(0);
    const { success } = await jetStream(`STREAM.DELETE.${SNAPSHOTS}`);
    expect(success).toBe(true);
    const { server } = await world.bioxenJson("status");
    const starts = await startsFromSnapshots();
    for (const { name, pid, restarts } of world.stack.services()) {
      killNow(pid);
      await eventually(`${name} is ready again`, async () => {
        const now = world.stack.services().find((service) => service.name === name);
        return now?.restarts === restarts + 1 && now.state === "ready" ? true : undefined;
      });
      // Lifecycle is killed first, so it finds no snapshot; a later service may find one that was written meanwhile.
      if (name === "lifecycle") expect(await startsFromSnapshots()).toBe(starts);
    }
    expect(await clusterState()).toEqual(before);
    expect((await world.bioxenJson("status")).server).toEqual(server);
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });
});

/** The number of starts of lifecycle from a snapshot, counted in its log file. */
async function startsFromSnapshots(): Promise<number> {
  const text = await readFile(`${world.dir}/data/log/lifecycle.log`, "utf8");
  return text.split("state restored from a snapshot").length - 1;
}

async function jetStream(request: string): Promise<Json> {
  return (await world.nats.request(`$JS.API.${request}`)).json();
}
