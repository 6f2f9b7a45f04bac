/**
 * The process of a driver is killed at thirty random moments while machines are started, snapshotted by it and by others, set back,
 * stopped and destroyed. In the end nothing is there twice and nothing is left: no machine, disk, snapshot or task, and no session but
 * those whose first reply was never read.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { expect, it } from "vitest";
import type { Order } from "./mortal.ts";

const MORTAL = fileURLToPath(new URL("mortal.ts", import.meta.url));
const KILLS = 30;
const MACHINES = 3;
/** Calls to the pool from one death to the next at most: a machine's life takes about 50, coming up 8. */
const MOST_CALLS = 60;
const TIMEOUT_MS = 600_000;
/** A login is one of some 40 calls between two deaths. */
const MOST_UNKNOWN_SESSIONS = 5;

/** Orders are given again to each new process until one has carried them out. */
class Mortals {
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
    const child = fork(MORTAL, { env, execArgv: [] });
    this.#child = child;
    child.on("message", (message: { done?: Order; failed?: Order; why?: string }) => {
      const said = message.done ?? message.failed;
      for (const [order, { resolve, reject }] of this.#open) {
        if (said?.vmId !== order.vmId || said.fence !== order.fence || said.verb !== order.verb) continue;
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
    .filter(([, vm]) => String(vm["name_label"]).startsWith(`bioxen/mortal/${vmId}/snapshot/kept/`));
}

it(`killed ${KILLS} times, nothing is twice and nothing is left`, { timeout: TIMEOUT_MS }, async () => {
  const fake = await createFakeXapi({ operationMs: 20, callMs: 2 });
  const folder = await mkdtemp(join(tmpdir(), "bioxen-mortal-"));
  const before = fake.counts();
  const mortals = new Mortals(fake, folder);
  let isOver = false;
  let lives = 0;
  const live = async (vmId: string): Promise<void> => {
    for (let fence = 1; !isOver; fence += 1) {
      await mortals.order({ vmId, fence, verb: "start" });
      const [machine, ...others] = machinesOf(fake, vmId);
      expect(others, "there is one").toEqual([]);
      await fake.outside("VM.snapshot", machine?.[0], "by hand");
      await mortals.order({ vmId, fence, verb: "snapshot" });
      expect(snapshotsOf(fake, vmId), "there is one").toHaveLength(1);
      await mortals.order({ vmId, fence, verb: "restore" });
      const [back] = machinesOf(fake, vmId);
      expect(back?.[1]).toMatchObject({
        power_state: "Running",
        other_config: { "bioxen:restores": "1", "bioxen:fence": String(fence), "bioxen:ran": String(fence) },
      });
      await mortals.order({ vmId, fence, verb: "stop" });
      await mortals.order({ vmId, fence, verb: "discard" });
      lives += 1;
    }
  };
  mortals.begin();
  const lived = Promise.all(Array.from({ length: MACHINES }, (_, i) => live(`m${i}`)));
  for (let kill = 0; kill < KILLS; kill += 1) {
    const at = fake.statistics.total + Math.ceil(Math.random() * MOST_CALLS);
    await eventually(
      `calls to the pool before kill ${kill + 1}`,
      () => fake.statistics.total >= at || undefined,
    );
    await mortals.kill();
    mortals.begin();
  }
  isOver = true;
  await lived;
  await eventually(`the pool is as it was: ${JSON.stringify(fake.counts())}`, () => {
    return JSON.stringify({ ...fake.counts(), sessions: 0 }) === JSON.stringify(before) || undefined;
  });
  await mortals.end();
  console.log(`${lives} lives of machines through ${KILLS} deaths`);
  const { sessions, ...left } = fake.counts();
  expect({ ...left, sessions: 0 }).toEqual(before);
  // One whose login was answered to a dead process is known to nobody; a server ends it when it has been idle for a day.
  expect(sessions).toBeLessThanOrEqual(MOST_UNKNOWN_SESSIONS);
  await fake.close();
  await rm(folder, { recursive: true, force: true });
});
