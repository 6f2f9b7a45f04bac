/**
 * Kills the agent at random moments while VMs of a pool are created, started, snapshotted by BioXen and by another client,
 * restored and destroyed. No command is refused for good. A destroyed VM has no machine. In the end no object exists
 * twice and none is left: no machine, disk, snapshot or task, and the log violates no rule.
 *
 * Sessions are left only by logins that a kill hit: a killed process cannot log out, and no client can find a session
 * that it has neither used nor recorded (session-file.ts). The pool ends them itself after 24 h of idleness, and earlier
 * above 500 of one originator (xapi-project/xen-api, xapi_globs.ml `inactive_session_timeout`,
 * `max_sessions_per_originator`; db_gc_util.ml `timeout_sessions`).
 *
 * `BIOXEN_KILLS` is the number of kills. The supervisor waits longer after each one, so 30 kills take some minutes.
 */
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { randomOf } from "@bioxen/testkit/seeded";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const KILLS = Number(process.env["BIOXEN_KILLS"] ?? 5);
/** Seed of the moments of the kills. */
const SEED = Number(process.env["BIOXEN_KILL_SEED"] ?? 1);
const MACHINES = 3;
/**
 * Most calls to the pool between the agent's restart and its next kill. A start takes about 8 calls and 4 more for each
 * unfinished clone, a machine's life about 25. With a lower limit no machine would ever finish.
 */
const MAX_CALLS = 150;
/**
 * Deadline for a VM to reach a state, and for a command that needs the agent, ms. The agent may be killed meanwhile, and
 * its supervisor then waits 5 s; a call that the agent was killed in ends with its own timeout.
 */
const SETTLE_MS = 120_000;
const TIMEOUT_MS = 60_000 + KILLS * 30_000;
const PASSWORD = "only-the-agent-may-know";

let fake: FakeXapi;
let world: World;

beforeAll(async () => {
  fake = await createFakeXapi({ password: PASSWORD, operationMs: 20, callMs: 2 });
  process.env["BIOXEN_XCPNG_PASSWORD"] = PASSWORD;
  world = await World.open({ chassis: "ecoli:1", xcpng: { url: fake.url, fingerprint: fake.fingerprint } });
});
afterAll(async () => {
  await world.close();
  delete process.env["BIOXEN_XCPNG_PASSWORD"];
  await fake.close();
});

function machinesOf(vmId: string): string[] {
  const isOf = (vm: Json) => vm.other_config["bioxen:vm-id"] === vmId && vm.is_a_snapshot !== true;
  return fake.pool.db
    .all("VM")
    .filter(([, vm]) => isOf(vm))
    .map(([ref]) => ref);
}

/** Counts of everything in the pool except sessions. */
const left = () => JSON.stringify({ ...fake.counts(), sessions: 0 });

const agent = () => world.stack.services().find((service) => service.name === "chassis-agent");

async function killAgent(): Promise<void> {
  const before = agent();
  process.kill(before?.pid ?? 0, "SIGKILL");
  const isReady = (): true | undefined => {
    const now = agent();
    return (now?.state === "ready" && now.pid !== before?.pid) || undefined;
  };
  await eventually("the agent is ready again", isReady, SETTLE_MS);
}

/** Repeats a command until its answer is not retryable, because some commands need the agent. Rejects unless it is done. */
async function done(command: string, payload: Json): Promise<Json> {
  const answered = async (): Promise<Json | undefined> => {
    const reply = await world.ask(command, payload).catch(() => undefined);
    return reply === undefined || reply.error?.retryable === true ? undefined : reply;
  };
  const reply = await eventually(command, answered, SETTLE_MS);
  if (reply.ok !== true)
    throw new Error(`${command} ${JSON.stringify(payload)}: ${JSON.stringify(reply.error)}`);
  return reply;
}

const calls = (method: string) => fake.statistics.byMethod.get(method) ?? 0;

/** Returns the number of logins whose process was killed before it could record or use the session. */
const killedLogins = () => calls("session.login_with_password") - fake.statistics.usedSessions.size;

/** Waits until the VM is in `state`. Rejects with the VM's view when it is not within the deadline. */
async function reach(vmId: string, state: string): Promise<void> {
  let seen: Json;
  await eventually(
    `${vmId} is ${state}`,
    async () => {
      seen = (await world.look("qry.vm.get", { vmId })).vm;
      return seen?.state === state || undefined;
    },
    SETTLE_MS,
  ).catch((late: Error) => {
    throw new Error(`${late.message}: ${JSON.stringify(seen)}`);
  });
}

/** Waits until the machine runs after the VM's restore. A kill may hit the report of the restart, which is then missing. */
async function isRestored(vmId: string): Promise<void> {
  const restored = (): true | undefined => {
    const [machine = ""] = machinesOf(vmId);
    const record = fake.pool.db.find("VM", machine) as Json;
    const restores = record?.other_config["bioxen:restores"];
    return (record?.power_state === "Running" && restores === "1") || undefined;
  };
  await eventually(`${vmId} is restored`, restored, SETTLE_MS);
}

it(`after ${KILLS} kills no object exists twice and none is left`, { timeout: TIMEOUT_MS }, async () => {
  const before = left();
  const random = randomOf(SEED);
  let isOver = false;
  let lives = 0;
  const live = async (name: string) => {
    while (!isOver) {
      const vmId = `${name}-${lives}`;
      lives += 1;
      await done("cmd.vm.create", { vmId, biologicalType: "ecoli", vmType: "xcpng" });
      await done("cmd.vm.start", { vmId });
      await reach(vmId, "running");
      const [machine, ...others] = machinesOf(vmId);
      expect(others, "one machine exists").toEqual([]);
      await fake.outside("VM.snapshot", machine, "by another client");
      await done("cmd.vm.snapshot", { vmId, snapshotId: "kept" });
      await done("cmd.vm.restore", { vmId, snapshotId: "kept" });
      await isRestored(vmId);
      expect(machinesOf(vmId), "it is the same machine").toEqual([machine]);
      await done("cmd.vm.delete-snapshot", { vmId, snapshotId: "kept" });
      await done("cmd.vm.destroy", { vmId });
      await reach(vmId, "destroyed");
      expect(machinesOf(vmId), "a destroyed VM has no machine").toEqual([]);
    }
  };
  const loops = Promise.all(Array.from({ length: MACHINES }, (_, i) => live(`m${i}`)));
  for (let kill = 0; kill < KILLS; kill += 1) {
    const at = fake.statistics.total + Math.ceil(random() * MAX_CALLS);
    await Promise.race([
      loops,
      eventually(`calls before kill ${kill + 1}`, () => fake.statistics.total >= at || undefined, SETTLE_MS),
    ]);
    await killAgent();
  }
  isOver = true;
  await loops;
  await eventually("the pool has the same objects as before", () => left() === before || undefined).catch(
    () => undefined,
  );
  expect(left()).toBe(before);
  const [reverts, killed] = [calls("Async.VM.revert"), killedLogins()];
  console.log(`${lives} machines lived and were removed during ${KILLS} kills, seed ${SEED}`);
  console.log(`${reverts} reverts; ${killed} logins were killed, and their sessions are left`);
  expect(reverts).toBeGreaterThanOrEqual(lives);
  expect(reverts, "a kill repeats one revert of each machine at most").toBeLessThanOrEqual(
    lives + MACHINES * KILLS,
  );
  // The agent has one session.
  expect(fake.counts()["sessions"]).toBe(1 + killed);
  const verified = await world.bioxenJson("events", "verify");
  expect(verified.violations).toEqual([]);
});
