/**
 * Three instances of every service, one of each killed while commands arrive. Queue groups share the work, an instance
 * that loses a write conflict decides again, and every command has exactly one outcome.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { LEASE_LOOK_MS, LEASE_TTL_MS } from "@bioxen/kernel";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const REPLICATED = ["lifecycle", "allocator", "chassis-scheduler", "monitor", "experiments"] as const;
/** Instances of each service in addition to the one of the stack. */
const EXTRA_INSTANCES = 2;
const VMS = 60;
/** Services with background work, which only the lease holder does. */
const LEASED = ["lifecycle", "allocator", "chassis-scheduler"] as const;
/** Longest time until a follower holds the lease, ms: the TTL, two lease checks, and 2 s for a busy machine. */
const TAKEOVER_MS = LEASE_TTL_MS + 2 * LEASE_LOOK_MS + 2_000;
/** Maximum number of tries of a command that fails with a retryable error. Each try carries the same message id. */
const MAX_TRIES = 20;

let world: World;
const extra: { name: string; child: ChildProcess }[] = [];

/** Starts one more instance of each service, and waits until all are ready. */
async function startInstances(names: readonly string[]): Promise<void> {
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
  // Without keys: the test reads the leases of the services, which no principal may.
  world = await World.open({ keys: false, chassis: "ecoli:2,yeast:1" });
  await startInstances(Array.from({ length: EXTRA_INSTANCES }, () => REPLICATED).flat());
});
afterAll(async () => {
  for (const { child } of extra) child.kill("SIGKILL");
  await world.close();
});

/** Sends a command until its reply is final, always with the message id `id`, and returns that reply. */
async function retrying(subject: string, payload: object, id: string): Promise<Json> {
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

/** The current holder of the lease of service `name`. */
async function holderOf(name: string): Promise<Holder> {
  const subject = `$JS.API.DIRECT.GET.KV_bioxen-leases.$KV.bioxen-leases.${name}`;
  const { holder, token } = (await world.nats.request(subject, "", { timeout: 2_000 })).json<Json>();
  return { pid: Number(holder?.split("/")[1]), token };
}

/** Sends `signal` to every lease holder; returns the successors, each with a greater token than its predecessor. */
async function replaceHolders(signal: NodeJS.Signals, withinMs: number): Promise<Holder[]> {
  const before = await Promise.all(LEASED.map(holderOf));
  for (const { pid } of before) process.kill(pid, signal);
  return Promise.all(
    LEASED.map((name, i) =>
      eventually(
        `another instance holds the lease of ${name}`,
        async () => {
          const now = await holderOf(name);
          return now.pid !== before[i]?.pid && now.token > (before[i]?.token ?? 0) ? now : undefined;
        },
        withinMs,
      ),
    ),
  );
}

/** Creates and starts one small VM, and waits until it runs. */
async function startOne(vmId: string): Promise<void> {
  const resources = { ribosomes: "1%", rnaPolymerases: "1%", atpPerSecond: "1%" };
  for (const [verb, payload] of [
    ["create", { vmId, biologicalType: "syn3a", resources }],
    ["start", { vmId }],
  ] as const) {
    expect(await retrying(`cmd.vm.${verb}`, payload, `${verb} ${vmId}`)).toMatchObject({ ok: true });
  }
  await world.reach(vmId, "running");
}

describe("three instances of every service", () => {
  it("carry out every command once, while one instance of each is killed", async () => {
    const info = await world.bioxenJson("status");
    for (const name of REPLICATED) {
      expect(info.services.find((s: Json) => s.name === name)).toMatchObject({
        instances: 1 + EXTRA_INSTANCES,
      });
    }
    const resources = { ribosomes: "10%", rnaPolymerases: "10%", atpPerSecond: "10%" };
    const lives = Array.from({ length: VMS }, async (_, i) => {
      const vmId = `many-${i}`;
      const steps: Json[] = [];
      const create = { vmId, biologicalType: "syn3a", resources };
      // Every command is sent twice at once: the replies must be equal, also when two instances receive it.
      for (const [subject, payload] of [
        ["cmd.vm.create", create],
        ["cmd.vm.start", { vmId }],
      ] as const) {
        const [a, b] = await Promise.all([1, 2].map(() => retrying(subject, payload, `${subject} ${vmId}`)));
        expect(b).toEqual(a);
        steps.push(a);
      }
      await world.reach(vmId, "running");
      if (i % 3 === 1) {
        const resize = { vmId, resources: { ribosomes: "9%" } };
        const resized = await retrying("cmd.vm.resize", resize, `resize ${vmId}`);
        expect(resized, "the command itself records the resize, on any instance").toMatchObject({
          changed: true,
        });
      }
      if (i % 3 === 0) steps.push(await retrying("cmd.vm.stop", { vmId }, `stop ${vmId}`));
      return steps;
    });
    const killing = (async () => {
      for (const name of REPLICATED) {
        await eventually("four VMs exist", async () => {
          const { vms } = await world.look("qry.vm.list", {});
          return vms?.length > 3 ? true : undefined;
        });
        extra.find((one) => one.name === name)?.child.kill("SIGKILL");
      }
    })();
    const outcomes = (await Promise.all([...lives, killing])).flatMap((steps) => steps ?? []);
    expect(outcomes.filter((outcome) => !outcome.ok)).toEqual([]);
    const { vms } = await eventually("every VM runs or is stopped", async () => {
      const reply = await world.look("qry.vm.list", {});
      const settled = reply.vms?.every((vm: Json) => vm.state === "running" || vm.state === "stopped");
      return settled ? reply : undefined;
    });
    expect(vms).toHaveLength(VMS);
    expect(vms.filter((vm: Json) => vm.state === "stopped")).toHaveLength(VMS / 3);
    await eventually("the ledgers hold the running VMs only", async () => {
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

describe("the lease holder", () => {
  beforeAll(() => startInstances(LEASED));

  it("is replaced within the takeover time when it is killed", async () => {
    await replaceHolders("SIGKILL", TAKEOVER_MS);
    await startOne("after-kill");
  });

  it("is replaced while it is suspended, and stays a follower after it resumes", async () => {
    const before = await Promise.all(LEASED.map(holderOf));
    const after = await replaceHolders("SIGSTOP", TAKEOVER_MS);
    for (const { pid } of before) process.kill(pid, "SIGCONT");
    await startOne("after-waking");
    expect(await Promise.all(LEASED.map(holderOf))).toEqual(after);
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });

  it("releases its lease on SIGTERM, so that a follower takes over within the TTL", async () => {
    await replaceHolders("SIGTERM", LEASE_TTL_MS);
    await startOne("after-goodbye");
  });
});
