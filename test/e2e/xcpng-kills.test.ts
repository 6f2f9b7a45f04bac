/**
 * Kills the agent at random moments while VMs of a pool are created, started, snapshotted by BioXen and by another client,
 * and destroyed. A destroyed VM has no machine. In the end no object exists twice and none is left: no machine, disk,
 * snapshot or task, and the log violates no rule.
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
/** Deadline for a VM to reach a state, ms. The agent may be killed meanwhile, and its supervisor then waits 5 s. */
const SETTLE_MS = 120_000;
const TIMEOUT_MS = 60_000 + KILLS * 30_000;
/** Sessions that may be left, because a kill can hit a login: one of about 40 calls between two kills. */
const MAX_UNKNOWN_SESSIONS = 5;
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
  await eventually("the agent is ready again", () => {
    const now = agent();
    return (now?.state === "ready" && now.pid !== before?.pid) || undefined;
  });
}

/** Repeats a command until it has an answer that is not retryable: some commands need the agent. */
async function retrying(command: string, payload: Json): Promise<Json> {
  return eventually(command, async () => {
    const reply = await world.ask(command, payload).catch(() => undefined);
    return reply === undefined || reply.error?.retryable === true ? undefined : reply;
  });
}

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

it(`after ${KILLS} kills no object exists twice and none is left`, { timeout: TIMEOUT_MS }, async () => {
  const before = left();
  const random = randomOf(SEED);
  let isOver = false;
  let lives = 0;
  const live = async (name: string) => {
    while (!isOver) {
      const vmId = `${name}-${lives}`;
      lives += 1;
      expect((await retrying("cmd.vm.create", { vmId, biologicalType: "ecoli", vmType: "xcpng" })).ok).toBe(
        true,
      );
      expect((await retrying("cmd.vm.start", { vmId })).ok).toBe(true);
      await reach(vmId, "running");
      const [machine, ...others] = machinesOf(vmId);
      expect(others, "one machine exists").toEqual([]);
      // The VM may have lost its reservation meanwhile, and then has no machine.
      await fake.outside("VM.snapshot", machine, "by another client").catch(() => undefined);
      // A snapshot of a VM that has lost its place is refused.
      await retrying("cmd.vm.snapshot", { vmId, snapshotId: "kept" });
      await retrying("cmd.vm.delete-snapshot", { vmId, snapshotId: "kept" });
      expect((await retrying("cmd.vm.destroy", { vmId })).ok).toBe(true);
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
  console.log(`${lives} machines lived and were removed during ${KILLS} kills, seed ${SEED}`);
  expect(fake.counts()["sessions"]).toBeLessThanOrEqual(1 + MAX_UNKNOWN_SESSIONS);
  const verified = await world.bioxenJson("events", "verify");
  expect(verified.violations).toEqual([]);
});
