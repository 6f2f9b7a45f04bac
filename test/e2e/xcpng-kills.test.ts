/**
 * The whole agent is killed at random moments while VMs of a pool are created, started, copied by others and destroyed. In the end
 * nothing is there twice and nothing is left: no machine, disk, snapshot or task, and the log keeps every rule.
 *
 * `BIOXEN_KILLS` says how often; the supervisor waits longer after each death, so thirty take some minutes.
 */
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const KILLS = Number(process.env["BIOXEN_KILLS"] ?? 5);
const MACHINES = 3;
/**
 * Calls to the pool from the agent's return to its next death, at most: it takes some 8 to come up and 4 for each half-made machine it
 * finds, a machine's life about 25. With fewer no machine would ever get through.
 */
const MOST_CALLS = 150;
/** Longest until a VM is where it was sent, ms: the agent may be killed on the way, and its supervisor then waits 5 s. */
const SETTLE_MS = 120_000;
const TIMEOUT_MS = 60_000 + KILLS * 30_000;
/** A login is one of some 40 calls between two deaths. */
const MOST_UNKNOWN_SESSIONS = 5;
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

/** Everything in the pool but sessions. */
const left = () => JSON.stringify({ ...fake.counts(), sessions: 0 });

const agent = () => world.stack.services().find((service) => service.name === "chassis-agent");

async function killAgent(): Promise<void> {
  const before = agent();
  process.kill(before?.pid ?? 0, "SIGKILL");
  await eventually("the agent is back", () => {
    const now = agent();
    return (now?.state === "ready" && now.pid !== before?.pid) || undefined;
  });
}

/** Asked until it is answered: while the agent is away some commands have nobody who could. */
async function insist(command: string, payload: Json): Promise<Json> {
  return eventually(command, async () => {
    const reply = await world.ask(command, payload).catch(() => undefined);
    return reply === undefined || reply.error?.retryable === true ? undefined : reply;
  });
}

/** The VM once it is in `state`; what became of it instead, where it does not come to that. */
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

it(`killed ${KILLS} times, nothing is twice and nothing is left`, { timeout: TIMEOUT_MS }, async () => {
  const before = left();
  let isOver = false;
  let lives = 0;
  const live = async (name: string) => {
    while (!isOver) {
      const vmId = `${name}-${lives}`;
      lives += 1;
      expect((await insist("cmd.vm.create", { vmId, biologicalType: "ecoli", vmType: "xcpng" })).ok).toBe(
        true,
      );
      expect((await insist("cmd.vm.start", { vmId })).ok).toBe(true);
      await reach(vmId, "running");
      const [machine, ...others] = machinesOf(vmId);
      expect(others, "there is one").toEqual([]);
      // Where its place was lost meanwhile, there is none to copy.
      await fake.outside("VM.snapshot", machine, "by hand").catch(() => undefined);
      expect((await insist("cmd.vm.destroy", { vmId })).ok).toBe(true);
      await reach(vmId, "destroyed");
    }
  };
  const lived = Promise.all(Array.from({ length: MACHINES }, (_, i) => live(`m${i}`)));
  for (let kill = 0; kill < KILLS; kill += 1) {
    const at = fake.statistics.total + Math.ceil(Math.random() * MOST_CALLS);
    await Promise.race([
      lived,
      eventually(`calls before kill ${kill + 1}`, () => fake.statistics.total >= at || undefined, SETTLE_MS),
    ]);
    await killAgent();
  }
  isOver = true;
  await lived;
  await eventually("the pool is as it was", () => left() === before || undefined).catch(() => undefined);
  expect(left()).toBe(before);
  console.log(`${lives} lives of machines through ${KILLS} deaths`);
  expect(fake.counts()["sessions"]).toBeLessThanOrEqual(1 + MOST_UNKNOWN_SESSIONS);
  const verified = await world.bioxenJson("events", "verify");
  expect(verified.violations).toEqual([]);
});
