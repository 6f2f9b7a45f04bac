/**
 * Several instances of every service at once, and one of them killed in the middle: queue groups share the work, conflicts
 * are decided again, and nobody notices.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const REPLICATED = ["lifecycle", "allocator", "chassis-scheduler", "monitor"] as const;
const MORE_OF_EACH = 2;
const VMS = 60;
/** Tries of a command that was answered "not now"; each carries the same message id. */
const MAX_TRIES = 20;

let world: World;
const extra: { name: string; child: ChildProcess }[] = [];

beforeAll(async () => {
  world = await World.open({ chassis: "ecoli:2,yeast:1" });
  for (const name of REPLICATED) {
    for (let i = 0; i < MORE_OF_EACH; i += 1) {
      const main = fileURLToPath(new URL(`../../services/${name}/main.ts`, import.meta.url));
      const env = { ...process.env, BIOXEN_NATS_URL: world.stack.url, BIOXEN_LOG_LEVEL: "warn" };
      extra.push({
        name,
        child: spawn(process.execPath, [main], { env, stdio: ["ignore", "ignore", "ignore", "ipc"] }),
      });
    }
  }
  await Promise.all(extra.map(({ child }) => new Promise((resolve) => child.once("message", resolve))));
});
afterAll(async () => {
  for (const { child } of extra) child.kill("SIGKILL");
  await world.close();
});

/** The outcome of one intent, however often it has to be sent. */
async function insist(subject: string, payload: object, id: string): Promise<Json> {
  for (let attempt = 1; ; attempt += 1) {
    const reply = await world.nats
      .request(`bioxen.${subject}`, JSON.stringify(payload), { timeout: 3_000, ...withId(id) })
      .then((message) => message.json<Json>())
      .catch((thrown: Error) => ({ ok: false, error: { code: thrown.name, retryable: true } }));
    if (reply.ok || !reply.error.retryable || attempt === MAX_TRIES) return reply;
  }
}

function withId(id: string) {
  return { headers: world.headersOf({ "Nats-Msg-Id": id }) };
}

describe("three instances of every service", () => {
  it("carry out every command once, while one of each is killed", async () => {
    const info = await world.bioxenJson("status");
    for (const name of REPLICATED) {
      expect(info.services.find((s: Json) => s.name === name)).toMatchObject({ instances: 1 + MORE_OF_EACH });
    }
    const resources = { ribosomes: "10%", rnaPolymerases: "10%", atpPerSecond: "10%", dnaKilobases: 100 };
    const lives = Array.from({ length: VMS }, async (_, i) => {
      const vmId = `many-${i}`;
      const steps: Json[] = [];
      const create = { vmId, biologicalType: "syn3a", resources };
      // Every command is sent twice at once: whichever instances get them, one outcome.
      for (const [subject, payload] of [
        ["cmd.vm.create", create],
        ["cmd.vm.start", { vmId }],
      ] as const) {
        const [a, b] = await Promise.all([1, 2].map(() => insist(subject, payload, `${subject} ${vmId}`)));
        expect(b).toEqual(a);
        steps.push(a);
      }
      await world.reach(vmId, "running");
      if (i % 3 === 0) steps.push(await insist("cmd.vm.stop", { vmId }, `stop ${vmId}`));
      return steps;
    });
    const killing = (async () => {
      for (const name of REPLICATED) {
        await eventually("some work is done", async () => {
          const { vms } = await world.look("qry.vm.list", {});
          return vms?.length > 3 ? true : undefined;
        });
        extra.find((one) => one.name === name)?.child.kill("SIGKILL");
      }
    })();
    const outcomes = (await Promise.all([...lives, killing])).flatMap((steps) => steps ?? []);
    expect(outcomes.filter((outcome) => !outcome.ok)).toEqual([]);
    const { vms } = await eventually("all have arrived", async () => {
      const reply = await world.look("qry.vm.list", {});
      const settled = reply.vms?.every((vm: Json) => vm.state === "running" || vm.state === "stopped");
      return settled ? reply : undefined;
    });
    expect(vms).toHaveLength(VMS);
    expect(vms.filter((vm: Json) => vm.state === "stopped")).toHaveLength(VMS / 3);
    await eventually("the ledgers hold what runs, and nothing else", async () => {
      const { ledgers } = await world.look("qry.ledger.list", {});
      const held = ledgers?.flatMap((l: Json) => l.entries);
      return held?.length === (VMS * 2) / 3 && held.every((e: Json) => e.phase === "committed")
        ? true
        : undefined;
    });
    const history = await world.done("qry.vm.history", { vmId: "many-1" });
    const types = history.events.map((e: Json) => e.type);
    expect(new Set(types).size, "no event of one VM happened twice").toBe(types.length);
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });
});
