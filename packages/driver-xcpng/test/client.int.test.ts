/**
 * Sessions, errors, tasks and events of the client, on the fake pool.
 */

import type { FakeXapi } from "@bioxen/fake-xapi";
import { TEMPLATE_NAME } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { describe, expect, it } from "vitest";
import type { XapiClient } from "../src/xapi/client.ts";
import { refusalIn } from "../src/xapi/errors.ts";
import { EventLoop } from "../src/xapi/event-loop.ts";
import { Tasks } from "../src/xapi/tasks.ts";
import type { XapiEvent } from "../src/xapi/wire.ts";
import { clientOf, thrownBy, withPool } from "./connect.ts";

const TASK_TIMEOUT_MS = 10_000;

async function templateOf(client: XapiClient): Promise<string> {
  const all = Object.entries(await client.call("VM.get_all_records", []));
  return all.find(([, vm]) => vm.name_label === TEMPLATE_NAME)?.[0] ?? "";
}

/** Follows VMs and tasks of the pool. */
function follow(client: XapiClient, onEvents: (events: readonly XapiEvent[]) => void = () => undefined) {
  const tasks = new Tasks(client);
  const loop = new EventLoop({
    client,
    classes: ["VM", "task"],
    resync: () => tasks.resync(),
    onEvents: (events) => {
      for (const event of events) if (event.class === "task") tasks.onEvent(event);
      onEvents(events);
    },
    onTrouble: () => undefined,
    silenceSeconds: 0.5,
  });
  loop.start();
  return { tasks, loop };
}

describe("sessions", () => {
  it("one session serves all calls, and closing the client ends it", async () => {
    await withPool(async (fake, client) => {
      await Promise.all(Array.from({ length: 20 }, () => client.call("pool.get_all_records", [])));
      expect(fake.counts().sessions).toBe(1);
      await client.close();
      expect(fake.counts().sessions).toBe(0);
      expect((await thrownBy(client.call("pool.get_all_records", []))).kind).toBe("closed");
    });
  });

  it("a session that cannot be recorded is ended at once", async () => {
    await withPool(async (fake) => {
      const sessions = {
        load: async () => [],
        add: () => Promise.reject(new Error("the disk is full")),
        remove: async () => undefined,
      };
      const client = clientOf(fake, { sessions });
      for (let tries = 0; tries < 3; tries += 1) {
        await expect(client.call("pool.get_all_records", [])).rejects.toThrow("the disk is full");
      }
      expect(fake.counts().sessions).toBe(0);
      expect(fake.statistics.byMethod.get("session.login_with_password")).toBe(3);
      await client.close();
    });
  });

  it("concurrent calls that find the session lost share one new login", async () => {
    await withPool(async (fake, client) => {
      await client.call("pool.get_all_records", []);
      fake.loseSessions();
      await Promise.all(Array.from({ length: 10 }, () => client.call("pool.get_all_records", [])));
      expect(fake.counts().sessions).toBe(1);
      expect(fake.statistics.byMethod.get("session.login_with_password")).toBe(2);
    });
  });

  it("a call whose session is rejected twice fails", async () => {
    await withPool(async (fake, client) => {
      fake.faults.add({ kind: "lose-session", method: "host.get_all_records" }, 2);
      expect((await thrownBy(client.call("host.get_all_records", []))).code).toBe("SESSION_INVALID");
    });
  });

  it("a read is resent after a broken connection, a write is not", async () => {
    await withPool(async (fake, client) => {
      fake.faults.add({ kind: "drop-before", method: "VM.get_all_records" });
      expect(Object.keys(await client.call("VM.get_all_records", []))).not.toHaveLength(0);
      fake.faults.add({ kind: "drop-after", method: "VM.set_other_config" });
      const error = await thrownBy(client.call("VM.set_other_config", [await templateOf(client), {}]));
      expect(error.kind).toBe("connection");
      expect(fake.statistics.byMethod.get("VM.set_other_config")).toBe(1);
    });
  });
});

describe("errors of the pool", () => {
  it("are read in every protocol's form, and in both spellings of one code", () => {
    const code = (reply: Record<string, unknown>) => refusalIn(reply, "VM.start");
    expect(code({ error: { code: 1, message: "VM_IS_TEMPLATE", data: ["r", "start"] } })).toMatchObject({
      code: "VM_IS_TEMPLATE",
      params: ["r", "start"],
    });
    expect(code({ result: null, error: ["HANDLE_INVALID", "VM", "r"] })?.params).toEqual(["VM", "r"]);
    expect(code({ result: { Status: "Failure", ErrorDescription: ["SR_FULL", "2", "1"] } })?.code).toBe(
      "SR_FULL",
    );
    expect(code({ error: { code: 1, message: "LICENSE_RESTRICTION", data: "x" } })?.code).toBe(
      "LICENCE_RESTRICTION",
    );
    expect(code({ error: { code: 1, message: "LICENCE_RESTRICTION" } })?.code).toBe("LICENCE_RESTRICTION");
    expect(code({ result: { name: "a record" }, error: null })).toBeUndefined();
  });
});

describe("tasks", () => {
  const clones = async (fake: FakeXapi, client: XapiClient, tasks: Tasks, name: string) =>
    tasks.run("VM.clone", [await templateOf(client), name], { stallMs: TASK_TIMEOUT_MS }).finally(() => fake);

  it("a task resolves with its result or rejects with its error, and is then destroyed", async () => {
    await withPool(async (fake, client) => {
      const { tasks, loop } = follow(client);
      const vm = await clones(fake, client, tasks, "one");
      expect((await client.call("VM.get_record", [vm])).name_label).toBe("one");
      const error = await thrownBy(tasks.run("VM.start", [vm, false, false], { stallMs: TASK_TIMEOUT_MS }));
      expect(error).toMatchObject({ code: "VM_IS_TEMPLATE", params: [vm, "start"] });
      await eventually("no task is left", async () => fake.counts().tasks === 0 || undefined);
      await loop.stop();
    });
  });

  it("a stuck task is cancelled at its deadline and destroyed", async () => {
    await withPool(async (fake, client) => {
      const { tasks, loop } = follow(client);
      fake.faults.add({ kind: "stuck-task", method: "VM.clone" });
      const template = await templateOf(client);
      const error = await thrownBy(tasks.run("VM.clone", [template, "never"], { stallMs: 200 }));
      expect(error).toMatchObject({ kind: "timeout" });
      await eventually("no task is left", async () => fake.counts().tasks === 0 || undefined);
      await loop.stop();
    });
  });

  it("a task whose reply was lost is found and destroyed", async () => {
    await withPool(async (fake, client) => {
      const { tasks, loop } = follow(client);
      fake.faults.add({ kind: "drop-after", method: "VM.clone" });
      expect((await thrownBy(clones(fake, client, tasks, "lost"))).kind).toBe("connection");
      await clones(fake, client, tasks, "found");
      await tasks.sweep();
      await eventually("no task is left", async () => fake.counts().tasks === 0 || undefined);
      await loop.stop();
    });
  });
});

describe("events", () => {
  it("the latest state of every object arrives, despite lost sessions and lost events", async () => {
    await withPool(async (fake, client) => {
      const seen = new Map<string, unknown>();
      let resyncs = 0;
      const loop = new EventLoop({
        client,
        classes: ["VM"],
        resync: async () => {
          resyncs += 1;
          for (const [ref, vm] of Object.entries(await client.call("VM.get_all_records", [])))
            seen.set(ref, vm);
        },
        onEvents: (events) => {
          for (const { ref, operation, snapshot } of events) {
            if (operation === "del") seen.delete(ref);
            else seen.set(ref, snapshot);
          }
        },
        onTrouble: () => undefined,
        silenceSeconds: 0.3,
      });
      loop.start();
      await loop.whenReady();
      const template = await templateOf(client);
      const named = (name: string) =>
        [...seen.values()].some((vm) => (vm as { name_label: string }).name_label === name);
      for (const [i, disturb] of [
        () => undefined,
        () => fake.loseSessions(),
        () => fake.pool.db.forgetHistory(),
      ].entries()) {
        disturb();
        const vm = String(await fake.outside("VM.clone", template, `outside-${i}`));
        await eventually(`outside-${i} is seen`, async () => named(`outside-${i}`) || undefined);
        await fake.outside("VM.destroy", vm);
        await eventually(`outside-${i} is gone`, async () => !named(`outside-${i}`) || undefined);
      }
      expect(resyncs).toBeGreaterThanOrEqual(3);
      await loop.stop();
    });
  });
});

describe("the load on the pool", () => {
  it("stays within the limit of calls in flight and within the rate", async () => {
    await withPool(
      async (fake) => {
        const client = clientOf(fake, { limits: { maxInFlight: 3, unitsPerSecond: 10_000 } });
        await Promise.all(Array.from({ length: 30 }, () => client.call("pool.get_all_records", [])));
        expect(fake.statistics.mostInFlight).toBe(3);
        await client.close();
        const slow = clientOf(fake, { limits: { maxInFlight: 50, unitsPerSecond: 20 } });
        const began = performance.now();
        await Promise.all(Array.from({ length: 30 }, () => slow.call("pool.get_all_records", [])));
        expect(performance.now() - began).toBeGreaterThan(450);
        await slow.close();
      },
      { callMs: 5 },
    );
  });
});
