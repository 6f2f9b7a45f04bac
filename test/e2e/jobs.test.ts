/**
 * Durable commands, sent by a plain NATS client: published while no service runs, and carried out once after the
 * services start.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findServerBinary } from "@bioxen/local-stack";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killNow } from "./kill.ts";
import { eventually, type Json, World } from "./world.ts";

const JOBS = 1_000;
const MALFORMED = 20;
/** Publications that wait for their acknowledgement at the same time. */
const AT_ONCE = 100;
const ORDERED_VMS = 40;
/** Lives of each ordered VM: a create and a destroy. In a wrong order, one of them changes nothing or is rejected. */
const LIVES = 10;

let world: World;
beforeAll(async () => {
  // Without keys: the test publishes jobs of unknown commands, which a server with keys refuses to store.
  world = await World.open({ keys: false, chassis: "ecoli:1" });
});
afterAll(() => world.close());

/** Malformed jobs: subject and payload. */
const MALFORMED_JOBS = [
  ["vm.create", "{"],
  ["vm.create", '{"biologicalType":"dragon"}'],
  ["vm.fly", '{"vmId":"a"}'],
  ["dragon.create", "{}"],
] as const;

interface Published {
  readonly id: string;
  readonly subject: string;
  readonly payload: string;
}

function job(i: number): Published {
  const id = `job-${i}`;
  const wrong =
    i % (JOBS / MALFORMED) === 0
      ? MALFORMED_JOBS[(i / (JOBS / MALFORMED)) % MALFORMED_JOBS.length]
      : undefined;
  if (wrong !== undefined) return { id, subject: `bioxen.job.${wrong[0]}`, payload: wrong[1] };
  return {
    id,
    subject: "bioxen.job.vm.create",
    payload: JSON.stringify({ vmId: `durable-${i}`, biologicalType: "syn3a" }),
  };
}

/** Starts only the NATS server, on the data and the port of the stack: no service runs. */
async function serverAlone(): Promise<ChildProcess> {
  const { path } = await findServerBinary();
  const server = spawn(path, ["-c", join(world.stack.dataDir, "nats-server.conf")], { stdio: "ignore" });
  await eventually("the server listens", async () => {
    const nats = await connect({ servers: world.url, timeout: 500 }).catch(() => undefined);
    if (nats === undefined) return undefined;
    world.nats = nats;
    const info = await nats.request("$JS.API.INFO", "", { timeout: 500 }).catch(() => undefined);
    return info === undefined ? nats.close() : true;
  });
  return server;
}

async function end(server: ChildProcess): Promise<void> {
  await world.nats.close();
  const gone = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGTERM");
  await gone;
}

const streamInfo = async (name: string, options: object = {}): Promise<Json> =>
  (
    await world.nats.request(`$JS.API.STREAM.INFO.${name}`, JSON.stringify(options), { timeout: 5_000 })
  ).json();

async function outcomeOf(id: string): Promise<Json> {
  const subject = `bioxen.job-outcome.${id}`;
  const request = JSON.stringify({ last_by_subj: subject });
  const reply = await world.nats.request("$JS.API.STREAM.MSG.GET.BIOXEN_OUTCOMES", request, {
    timeout: 5_000,
  });
  const { message } = reply.json<Json>();
  return message && JSON.parse(Buffer.from(message.data, "base64").toString());
}

const failed = async (): Promise<Json[]> => (await world.bioxenJson("jobs", "ls", "--failed")).jobs;

describe("durable commands", () => {
  it("each of 1 000 jobs, published twice while no service runs, has one outcome and at most one effect", async () => {
    await world.nats.close();
    await world.stack.stop();
    const server = await serverAlone();
    const all = Array.from({ length: JOBS }, (_, i) => job(i));
    const twice = [...all, ...all];
    for (let i = 0; i < twice.length; i += AT_ONCE) {
      const acks = twice
        .slice(i, i + AT_ONCE)
        .map(({ subject, payload, id }) => world.send(subject, payload, id));
      for (const ack of await Promise.all(acks)) expect(ack).toMatchObject({ stream: "BIOXEN_COMMANDS" });
    }
    expect((await streamInfo("BIOXEN_COMMANDS")).state.messages).toBe(JOBS);
    await end(server);

    await world.restart();
    await eventually("every outcome is stored", async () =>
      (await streamInfo("BIOXEN_OUTCOMES")).state.messages === JOBS ? true : undefined,
    );
    const outcomes = await Promise.all(all.map(({ id }) => outcomeOf(id)));
    const refused = outcomes.flatMap((outcome, i) => (outcome.ok ? [] : [`job-${i}`]));
    expect(refused).toHaveLength(MALFORMED);
    const { state } = await streamInfo("BIOXEN_EVENTS", { subjects_filter: "bioxen.evt.vm.>" });
    expect(Object.keys(state.subjects)).toHaveLength(JOBS - MALFORMED);
    expect(new Set(Object.values(state.subjects)), "each VM was created once").toEqual(new Set([1]));
    await eventually("no job waits", async () =>
      (await streamInfo("BIOXEN_COMMANDS")).state.messages === 0 ? true : undefined,
    );

    const letters = await failed();
    expect(letters.map((letter) => letter.id).sort()).toEqual(refused.sort());
    for (const { error, state: isA, round } of letters) {
      expect([isA, round, error.code]).toEqual(["failed", 1, "BAD_REQUEST"]);
      expect(error.message.length).toBeGreaterThan(10);
    }
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });

  it("a retried dead letter fails again in round 2, and can be dropped", async () => {
    expect(await world.bioxenJson("jobs", "retry", "job-0")).toMatchObject({ ok: true, id: "job-0" });
    await eventually(
      "job-0 has failed again",
      async () => (await failed()).find((one) => one.id === "job-0")?.round === 2 || undefined,
    );
    expect(await outcomeOf("job-0")).toMatchObject({ ok: false, error: { code: "BAD_REQUEST" } });
    expect((await world.bioxenJson("jobs", "show", "job-0")).failed.payload).toBe("{");
    expect(await world.bioxenJson("jobs", "drop", "job-0")).toMatchObject({ ok: true });
    expect(await failed()).toHaveLength(MALFORMED - 1);
    const again = await world.bioxen("jobs", "drop", "job-0");
    expect(again.code).toBe(1);
    expect(again.stderr).toContain("JOB_NOT_FOUND");
  });

  it("a job without a message id becomes a dead letter that says so, and a retry carries it out", async () => {
    await world.send("bioxen.job.vm.create", JSON.stringify({ vmId: "nameless", biologicalType: "syn3a" }));
    const letter = await eventually("the job is a dead letter", async () =>
      (await failed()).find((one) => one.id.startsWith("_seq-")),
    );
    expect(letter.error.message).toContain("Nats-Msg-Id");
    expect((await world.look("qry.vm.get", { vmId: "nameless" })).error.code).toBe("VM_NOT_FOUND");
    expect((await world.bioxen("jobs", "retry", letter.id)).code).toBe(0);
    await world.reach("nameless", "created");
  });

  it("`bioxen jobs submit --wait` publishes a job and returns its outcome", async () => {
    const submit = (...args: string[]) => world.bioxenJson("jobs", "submit", ...args, "--wait");
    expect(await submit("vm.start", '{"vmId":"nameless"}', "--id", "s1")).toMatchObject({
      ok: true,
      vm: { vmId: "nameless" },
    });
    expect(await submit("vm.start", '{"vmId":"no-such-vm"}')).toMatchObject({
      error: { code: "VM_NOT_FOUND" },
    });
    expect(await submit("chassis.cordon", '{"chassisId":"ecoli-1"}')).toMatchObject({ changed: true });
    expect((await world.bioxen("jobs", "submit", "vm.fly")).code).toBe(2);
    const done = await world.bioxen("jobs", "cancel", "s1", "--json");
    expect([done.code, JSON.parse(done.stdout)]).toMatchObject([
      1,
      { error: { code: "INVALID_TRANSITION", details: { state: "done", allowed: [] } } },
    ]);
    expect((await world.bioxen("jobs", "cancel", "never-was")).stderr).toContain("JOB_NOT_FOUND");
    expect((await world.bioxen("jobs", "ls")).code).toBe(0);
    expect((await world.bioxen("doctor")).stdout).toContain("streams");
  });

  it("when one of two instances is killed, the other carries out the remaining jobs in the order of each VM", async () => {
    const main = fileURLToPath(new URL("../../services/lifecycle/main.ts", import.meta.url));
    const env = { ...process.env, BIOXEN_NATS_URL: world.url, BIOXEN_LOG_LEVEL: "warn" };
    const other = spawn(process.execPath, [main], { env, stdio: ["ignore", "ignore", "ignore", "ipc"] });
    try {
      await new Promise((resolve) => other.once("message", resolve));
      const lives: string[] = [];
      const publications: Promise<Json>[] = [];
      for (let life = 0; life < LIVES; life += 1) {
        for (let i = 0; i < ORDERED_VMS; i += 1) {
          const vmId = `ordered-${i}`;
          for (const [verb, payload] of [
            ["create", { vmId, biologicalType: "syn3a" }],
            ["destroy", { vmId }],
          ] as const) {
            const id = `${vmId}.${life}.${verb}`;
            lives.push(id);
            publications.push(world.send(`bioxen.job.vm.${verb}`, JSON.stringify(payload), id));
          }
        }
      }
      await eventually("the first job has an outcome", () => outcomeOf(lives[0] ?? ""));
      const working = world.stack.services().find((service) => service.name === "lifecycle")?.pid;
      killNow(working);
      await Promise.all(publications);
      for (const id of lives) {
        const outcome = await eventually(`${id} has an outcome`, () => outcomeOf(id));
        expect(outcome, id).toMatchObject({ ok: true, changed: true });
      }
      const { state } = await streamInfo("BIOXEN_EVENTS", { subjects_filter: "bioxen.evt.vm.ordered-*" });
      expect(new Set(Object.values(state.subjects))).toEqual(new Set([2 * LIVES]));
    } finally {
      other.kill("SIGKILL");
    }
  });
});
