/**
 * Several instances of every service at once, and one of them killed in the middle: queue groups share the work,
 * conflicts are decided again, and nobody notices.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { LEASE_LOOK_MS, LEASE_TTL_MS } from "@bioxen/kernel";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const REPLICATED = ["lifecycle", "allocator", "chassis-scheduler", "monitor"] as const;
const MORE_OF_EACH = 2;
const VMS = 60;
/** Services that act by themselves, under a lease. */
const LEASED = ["lifecycle", "allocator", "chassis-scheduler"] as const;
/** TTL and two looks, ms; and what a machine that is busy with other tests adds. */
const TAKEOVER_MS = LEASE_TTL_MS + 2 * LEASE_LOOK_MS + 2_000;
/** Tries of a command that was answered "not now"; each carries the same message id. */
const MAX_TRIES = 20;

let world: World;
const extra: { name: string; child: ChildProcess }[] = [];

/** One more instance of each, all of them serving. */
async function moreOf(names: readonly string[]): Promise<void> {
  const more = names.map((name) => {
    const main = fileURLToPath(new URL(`../../services/${name}/main.ts`, import.meta.url));
    const env = { ...process.env, BIOXEN_NATS_URL: world.url, BIOXEN_LOG_LEVEL: "warn" };
    const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "ignore", "ignore", "ipc"] });
    return { name, child };
  });
  extra.push(...more);
  await Promise.all(more.map(({ child }) => new Promise((resolve) => child.once("message", resolve))));
}

beforeAll(async () => {
  world = await World.open({ chassis: "ecoli:2,yeast:1" });
  await moreOf(Array.from({ length: MORE_OF_EACH }, () => REPLICATED).flat());
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

interface Holder {
  readonly pid: number;
  readonly token: number;
}

/** Who holds the lease of `name` on record. */
async function holderOf(name: string): Promise<Holder> {
  const subject = `$JS.API.DIRECT.GET.KV_bioxen-leases.$KV.bioxen-leases.${name}`;
  const { holder, token } = (await world.nats.request(subject, "", { timeout: 2_000 })).json<Json>();
  return { pid: Number(holder?.split("/")[1]), token };
}

/** What every holder is told at once; resolves with the successors, each under a greater token than before. */
async function succeeded(signal: NodeJS.Signals, withinMs: number): Promise<Holder[]> {
  const before = await Promise.all(LEASED.map(holderOf));
  for (const { pid } of before) process.kill(pid, signal);
  return Promise.all(
    LEASED.map((name, i) =>
      eventually(
        `another acts for ${name}`,
        async () => {
          const now = await holderOf(name);
          return now.pid !== before[i]?.pid && now.token > (before[i]?.token ?? 0) ? now : undefined;
        },
        withinMs,
      ),
    ),
  );
}

async function startOne(vmId: string): Promise<void> {
  const resources = { ribosomes: "1%", rnaPolymerases: "1%", atpPerSecond: "1%", dnaKilobases: 1 };
  for (const [verb, payload] of [
    ["create", { vmId, biologicalType: "syn3a", resources }],
    ["start", { vmId }],
  ] as const) {
    expect(await insist(`cmd.vm.${verb}`, payload, `${verb} ${vmId}`)).toMatchObject({ ok: true });
  }
  await world.reach(vmId, "running");
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
      if (i % 3 === 1) {
        const resize = { vmId, resources: { ribosomes: "9%" } };
        const resized = await insist("cmd.vm.resize", resize, `resize ${vmId}`);
        expect(resized, "recorded by the command, whichever instance acts").toMatchObject({ changed: true });
      }
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

describe("the instance that acts", () => {
  beforeAll(() => moreOf(LEASED));

  it("is succeeded within its lease when it is killed", async () => {
    await succeeded("SIGKILL", TAKEOVER_MS);
    await startOne("after-kill");
  });

  it("is succeeded while it is stopped, and is one of many when it wakes", async () => {
    const before = await Promise.all(LEASED.map(holderOf));
    const after = await succeeded("SIGSTOP", TAKEOVER_MS);
    for (const { pid } of before) process.kill(pid, "SIGCONT");
    await startOne("after-waking");
    expect(await Promise.all(LEASED.map(holderOf))).toEqual(after);
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });

  it("hands over at once when it ends in order", async () => {
    await succeeded("SIGTERM", LEASE_TTL_MS);
    await startOne("after-goodbye");
  });
});
