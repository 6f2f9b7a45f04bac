/**
 * Kills the process of a driver at 30 random moments while it starts, snapshots, restores, stops and destroys machines.
 * Another client takes snapshots as well. In the end no object exists twice and none is left: no machine, disk,
 * snapshot or task, and no session except those of the logins that a kill hit. No client can find these again
 * (session-file.ts), and they are exactly the sessions that no call has used.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { randomOf } from "@bioxen/testkit/seeded";
import { expect, it } from "vitest";
import { CLUSTER_ID } from "./fleet.ts";
import type { Order } from "./killable-driver.ts";

const PROGRAM = fileURLToPath(new URL("killable-driver.ts", import.meta.url));
const KILLS = 30;
/** Seed of the moments of the kills. */
const SEED = Number(process.env["BIOXEN_KILL_SEED"] ?? 1);
const MACHINES = 3;
/** Maximum number of calls to the pool between two kills: a machine's life takes about 50, the start of a driver 8. */
const MOST_CALLS = 60;
const TIMEOUT_MS = 600_000;
/** Deadline for the calls before a kill, ms: on a busy machine a new process takes long to start. */
const CALLS_MS = 120_000;

/** The current driver process. Each new process gets the open orders again, until one has carried them out. */
class DriverProcesses {
  readonly #fake: FakeXapi;
  readonly #folder: string;
  readonly #open = new Map<Order, { resolve: () => void; reject: (why: Error) => void }>();
  #child: ChildProcess | undefined;

  constructor(fake: FakeXapi, folder: string) {
    this.#fake = fake;
    this.#folder = folder;
  }

  begin(): void {
    const env = {
      ...process.env,
      BIOXEN_XCPNG_URL: this.#fake.url,
      BIOXEN_XCPNG_FINGERPRINT: this.#fake.fingerprint,
      BIOXEN_XCPNG_PASSWORD: this.#fake.password,
      BIOXEN_XCPNG_STATE_DIR: this.#folder,
    };
    const child = fork(PROGRAM, { env, execArgv: [] });
    this.#child = child;
    child.on("message", (message: { done?: Order; failed?: Order; why?: string }) => {
      const answered = message.done ?? message.failed;
      for (const [order, { resolve, reject }] of this.#open) {
        const isSame =
          answered?.vmId === order.vmId && answered.fence === order.fence && answered.verb === order.verb;
        if (!isSame) continue;
        this.#open.delete(order);
        if (message.failed === undefined) resolve();
        else reject(new Error(`${order.verb} ${order.vmId}: ${message.why}`));
      }
    });
    for (const order of this.#open.keys()) child.send(order);
  }

  kill(): Promise<void> {
    const child = this.#child;
    return new Promise((resolve) => {
      child?.once("exit", () => resolve());
      child?.kill("SIGKILL");
    });
  }

  end(): Promise<void> {
    const child = this.#child;
    return new Promise((resolve) => {
      child?.once("exit", () => resolve());
      child?.send("end");
    });
  }

  order(order: Order): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#open.set(order, { resolve, reject });
      this.#child?.send(order, () => undefined);
    });
  }
}

function machinesOf(fake: FakeXapi, vmId: string) {
  return fake.pool.db.all("VM").filter(([, vm]) => {
    const config = vm["other_config"] as Record<string, string>;
    return config["bioxen:vm-id"] === vmId && vm["is_a_snapshot"] !== true;
  });
}

function snapshotsOf(fake: FakeXapi, vmId: string) {
  return fake.pool.db
    .all("VM")
    .filter(([, vm]) =>
      String(vm["name_label"]).startsWith(`bioxen/${CLUSTER_ID}/killable/${vmId}/snapshot/kept/`),
    );
}

/** Returns the number of logins whose process was killed before it could record or use the session. */
function killedLogins({ statistics }: FakeXapi): number {
  const logins = statistics.byMethod.get("session.login_with_password") ?? 0;
  return logins - statistics.usedSessions.size;
}

it(`after ${KILLS} kills no object exists twice and none is left`, { timeout: TIMEOUT_MS }, async () => {
  const fake = await createFakeXapi({ operationMs: 20, callMs: 2 });
  const folder = await mkdtemp(join(tmpdir(), "bioxen-kills-"));
  const before = fake.counts();
  const processes = new DriverProcesses(fake, folder);
  const random = randomOf(SEED);
  let isOver = false;
  let lives = 0;
  const live = async (vmId: string): Promise<void> => {
    for (let fence = 1; !isOver; fence += 1) {
      await processes.order({ vmId, fence, verb: "start" });
      const [machine, ...others] = machinesOf(fake, vmId);
      expect(others, "one machine exists").toEqual([]);
      await fake.outside("VM.snapshot", machine?.[0], "by another client");
      await processes.order({ vmId, fence, verb: "snapshot" });
      expect(snapshotsOf(fake, vmId), "one snapshot exists").toHaveLength(1);
      await processes.order({ vmId, fence, verb: "restore" });
      const [restored] = machinesOf(fake, vmId);
      expect(restored?.[1]).toMatchObject({
        power_state: "Running",
        other_config: { "bioxen:restores": "1", "bioxen:fence": String(fence), "bioxen:ran": String(fence) },
      });
      await processes.order({ vmId, fence, verb: "stop" });
      await processes.order({ vmId, fence, verb: "discard" });
      lives += 1;
    }
  };
  processes.begin();
  const loops = Promise.all(Array.from({ length: MACHINES }, (_, i) => live(`m${i}`)));
  for (let kill = 0; kill < KILLS; kill += 1) {
    const at = fake.statistics.total + Math.ceil(random() * MOST_CALLS);
    // An order that fails for good ends the wait at once, with its reason.
    await Promise.race([
      loops,
      eventually(`calls before kill ${kill + 1}`, () => fake.statistics.total >= at || undefined, CALLS_MS),
    ]);
    await processes.kill();
    processes.begin();
  }
  isOver = true;
  await loops;
  await eventually(`the pool is as it was: ${JSON.stringify(fake.counts())}`, () => {
    return JSON.stringify({ ...fake.counts(), sessions: 0 }) === JSON.stringify(before) || undefined;
  });
  await processes.end();
  console.log(`${lives} machines lived and were removed during ${KILLS} kills, seed ${SEED}`);
  const { sessions, ...left } = fake.counts();
  expect({ ...left, sessions: 0 }).toEqual(before);
  const killed = killedLogins(fake);
  console.log(`${killed} logins were killed, and their sessions are left`);
  expect(sessions).toBe(killed);
  await fake.close();
  await rm(folder, { recursive: true, force: true });
});
