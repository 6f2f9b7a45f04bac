/**
 * Processes are killed, nothing is lost: state is the fold of the log.
 */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

/** Events from one snapshot of the folds to the next: so few that every restart here begins with one. */
const SNAPSHOT_EVERY = "10";
const SNAPSHOTS = "KV_bioxen-fold-snapshots";

let world: World;
beforeAll(async () => {
  process.env["BIOXEN_SNAPSHOT_EVERY"] = SNAPSHOT_EVERY;
  world = await World.open({ chassis: "ecoli:1,yeast:1", logLevel: "info" });
});
afterAll(() => world.close());

interface Truth {
  readonly vms: Json;
  readonly ledgers: Json;
}

/** What must not change: everything but when it was last touched by a restart of a guest. */
async function truth(): Promise<Truth> {
  const { vms } = await world.bioxenJson("vm", "ls");
  const { ledgers } = await world.bioxenJson("ledger", "show");
  const stable = vms.map(({ version: _v, updatedAtMs: _u, reason: _r, checkpoint: _c, ...vm }: Json) => vm);
  return { vms: stable, ledgers };
}

async function growsAgain(vmId: string): Promise<void> {
  const seen = await world.sample(vmId);
  await world.sample(vmId, (s) => s.atMs > seen.atMs && s.simMinutes !== seen.simMinutes);
}

describe("kill -9", () => {
  it("of each service in turn: it comes back, and everything is as before", async () => {
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
    const before = await truth();
    for (const { name, pid, restarts } of world.stack.services()) {
      process.kill(pid ?? -1, "SIGKILL");
      await eventually(`${name} serves again`, async () => {
        const now = world.stack.services().find((service) => service.name === name);
        return now?.restarts === restarts + 1 && now.state === "ready" ? true : undefined;
      });
      expect(await truth(), `after ${name} was killed`).toEqual(before);
    }
    await growsAgain("crash-1");
    await growsAgain("crash-2");
    expect((await world.sample("crash-3")).state).toBe("paused");
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });

  it("of the server: commands are answered again, and nothing acknowledged is lost", async () => {
    const before = await truth();
    const { serverPid } = JSON.parse(await readFile(`${world.dir}/stack.json`, "utf8"));
    process.kill(serverPid, "SIGKILL");
    await eventually("the bus is back", async () => {
      const reply = await world.look("qry.vm.list", {});
      return reply.ok === true ? true : undefined;
    });
    expect(await truth()).toEqual(before);
    await world.done("cmd.vm.create", { vmId: "crash-4", biologicalType: "syn3a" });
    await world.done("cmd.vm.start", { vmId: "crash-4" });
    await world.reach("crash-4", "running");
  });

  it("of nothing: everything is stopped and started on the same data", async () => {
    await world.reach("crash-4", "running");
    await eventually("crash-4 is committed", async () => {
      const { ledgers } = await world.done("qry.ledger.list", {});
      return ledgers.flatMap((l: Json) => l.entries).every((e: Json) => e.phase === "committed") || undefined;
    });
    const before = await truth();
    await world.restart();
    expect(await truth()).toEqual(before);
    await growsAgain("crash-1");
    await growsAgain("crash-4");
    const verified = await world.bioxenJson("events", "verify");
    expect(verified.violations).toEqual([]);
    expect(verified.events).toBeGreaterThan(20);
  });

  it("and every snapshot deleted: it costs time, and changes nothing", async () => {
    const before = await truth();
    expect(await startsFromSnapshots()).toBeGreaterThan(0);
    const { success } = await jetStream(`STREAM.DELETE.${SNAPSHOTS}`);
    expect(success).toBe(true);
    const { server } = await world.bioxenJson("status");
    const starts = await startsFromSnapshots();
    for (const { name, pid, restarts } of world.stack.services()) {
      process.kill(pid ?? -1, "SIGKILL");
      await eventually(`${name} serves again`, async () => {
        const now = world.stack.services().find((service) => service.name === name);
        return now?.restarts === restarts + 1 && now.state === "ready" ? true : undefined;
      });
      // Lifecycle is the first to die; what comes after it may find the snapshot that it wrote.
      if (name === "lifecycle") expect(await startsFromSnapshots()).toBe(starts);
    }
    expect(await truth()).toEqual(before);
    expect((await world.bioxenJson("status")).server).toEqual(server);
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });
});

/** How often lifecycle has begun with a snapshot, in its own words. */
async function startsFromSnapshots(): Promise<number> {
  const text = await readFile(`${world.dir}/data/log/lifecycle.log`, "utf8");
  return text.split("state restored from a snapshot").length - 1;
}

async function jetStream(request: string): Promise<Json> {
  return (await world.nats.request(`$JS.API.${request}`)).json();
}
