/**
 * What other clients of XAPI have stumbled over, each as one fault at the moment that hurts, and the value that is right
 * afterwards. The other files have the traps of restores, removals, hosts, high availability and statistics.
 */
import { createFakeXapi, type FakeXapi, selfSigned, TEMPLATE_NAME } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { describe, expect, it } from "vitest";
import { parsePins } from "../src/xapi/trust.ts";
import { clientOf, thrownBy } from "./connect.ts";
import { CLUSTER_ID, machineSpec, withDriver } from "./fleet.ts";

/** Duration of a step of the pool that a test interrupts, ms. */
const STEP_MS = 400;
const SLOW = { operationMs: STEP_MS };

const made = (fake: FakeXapi, method: string) => fake.statistics.byMethod.get(method) ?? 0;
const objects = (fake: FakeXapi) => ({ ...fake.counts(), tasks: 0, sessions: 0 });

async function nothingIsLeft(fake: FakeXapi, before: ReturnType<typeof objects>): Promise<void> {
  await eventually("the pool is as it was", () => {
    const { sessions: _, ...now } = fake.counts();
    return JSON.stringify(now) === JSON.stringify({ ...before, sessions: undefined }) || undefined;
  });
}

/** Waits until the pool carries out this call as a task. */
async function underWay(fake: FakeXapi, method: string): Promise<void> {
  await eventually(`${method} is under way`, () => {
    const tasks = fake.pool.db.all("task").map(([, task]) => task);
    return tasks.some((task) => task["name_label"] === method && task["status"] === "pending") || undefined;
  });
}

/** Chassis and cluster in the names of the machines of `fleet.ts`. */
const PLACE = `(xcpng-1, ${CLUSTER_ID})`;
const RUNNING = [{ vmId: "x1", fence: 10, restores: 0, state: "running" }];

describe("while a machine starts", () => {
  it("a lost session costs one login; the start is made once and leaves no task", async () => {
    await withDriver(async ({ fake, driver }) => {
      const logins = made(fake, "session.login_with_password");
      const started = driver.start(machineSpec("x1", 10));
      await underWay(fake, "Async.VM.start");
      fake.loseSessions();
      await started;
      expect(driver.list()).toEqual(RUNNING);
      expect(made(fake, "session.login_with_password")).toBe(logins + 1);
      expect([made(fake, "Async.VM.start"), made(fake, "Async.VM.clone")]).toEqual([1, 1]);
      await eventually("no task is left", () => fake.counts().tasks === 0 || undefined);
      expect(fake.counts().sessions).toBe(1);
    }, SLOW);
  });

  it("lost events are read again; the start is made once", async () => {
    await withDriver(async ({ fake, driver }) => {
      const reads = made(fake, "VM.get_all_records");
      const started = driver.start(machineSpec("x1", 10));
      await underWay(fake, "Async.VM.start");
      fake.pool.db.forgetHistory();
      await started;
      expect(driver.list()).toEqual(RUNNING);
      expect(made(fake, "Async.VM.start")).toBe(1);
      await eventually("every VM is read again", () => made(fake, "VM.get_all_records") > reads || undefined);
      await eventually("no task is left", () => fake.counts().tasks === 0 || undefined);
    }, SLOW);
  });

  it("a restart of the toolstack is UNAVAILABLE; the half clone goes, and the second start makes one machine", async () => {
    await withDriver(async ({ fake, driver }) => {
      const before = objects(fake);
      fake.faults.add({ kind: "stuck-task", method: "VM.clone" });
      const failed = thrownBy(driver.start(machineSpec("x1", 10)));
      await underWay(fake, "Async.VM.clone");
      fake.restartToolstack();
      expect(await failed).toMatchObject({ code: "UNAVAILABLE", retryable: true });
      await driver.start(machineSpec("x1", 10));
      expect(driver.list()).toEqual(RUNNING);
      await eventually("one machine is in the pool", () => objects(fake).vms === before.vms + 1 || undefined);
      await driver.stop("x1", 10);
      await driver.discard("x1", 1);
      await nothingIsLeft(fake, before);
    });
  });

  it("another master is followed, also after the login", async () => {
    await withDriver(async ({ fake, driver }) => {
      const logins = made(fake, "session.login_with_password");
      const params = ["127.0.0.1"];
      fake.faults.add({ kind: "refuse", method: "VM.set_memory_limits", code: "HOST_IS_SLAVE", params });
      await driver.start(machineSpec("x1", 10));
      expect(driver.list()).toEqual(RUNNING);
      expect(made(fake, "session.login_with_password")).toBe(logins + 1);
    });
  });

  it("a host that is still booting is waited for: the refusal is retryable, and the next start succeeds", async () => {
    await withDriver(async ({ fake, driver }) => {
      fake.faults.add({ kind: "refuse", method: "VM.start", code: "HOST_STILL_BOOTING" });
      const error = await thrownBy(driver.start(machineSpec("x1", 10)));
      expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
      await driver.start(machineSpec("x1", 10));
      expect(driver.list()).toEqual(RUNNING);
    });
  });

  it("a task of the start that never ends is UNAVAILABLE; a stop and a removal leave nothing", async () => {
    await withDriver(
      async ({ fake, driver }) => {
        const before = objects(fake);
        fake.faults.add({ kind: "stuck-task", method: "VM.start" });
        const error = await thrownBy(driver.start(machineSpec("x1", 10)));
        expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
        await driver.stop("x1", 10);
        await driver.discard("x1", 1);
        await nothingIsLeft(fake, before);
      },
      {},
      { deadlines: { startMs: STEP_MS } },
    );
  });
});

describe("a template with cores per socket", () => {
  it("refuses another number of virtual CPUs for good, with the remedy, and takes a multiple", async () => {
    await withDriver(async ({ fake, driver }) => {
      const template = fake.pool.addTemplate("four cores", { disks: 1 });
      fake.pool.db.update("VM", template, { platform: { "cores-per-socket": "4" } });
      await eventually("the driver knows the template", async () => {
        const { message } = await thrownBy(
          driver.start(machineSpec("x0", 9, { config: { template: "no" } })),
        );
        return message.includes("four cores") || undefined;
      });
      const before = objects(fake);
      const config = { template: "four cores" };
      const error = await thrownBy(driver.start(machineSpec("x1", 10, { config })));
      const code = "VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE";
      expect(error).toMatchObject({ code: "BAD_REQUEST", retryable: false, hostCode: code });
      expect(error.message).toContain("platform:cores-per-socket");
      expect(made(fake, "Async.VM.start")).toBe(1);
      expect([driver.list(), driver.kept()]).toEqual([[], []]);
      await nothingIsLeft(fake, before);
      await driver.start(machineSpec("x1", 11, { config, allocation: { vcpus: 4, memoryMiB: 2_048 } }));
      expect(driver.list()).toMatchObject([{ vmId: "x1", fence: 11, state: "running" }]);
      // The maximum counts, not the number at the start: the pool checks the maximum.
      await driver.start(
        machineSpec("x2", 12, {
          config: { ...config, maxVcpus: 8 },
          allocation: { vcpus: 2, memoryMiB: 2_048 },
        }),
      );
      expect(driver.list()).toHaveLength(2);
    });
  });
});

describe("a storage repository", () => {
  it.each([
    ["is full at the clone", "VM.clone", "SR_BACKEND_FAILURE_44", "CAPACITY_EXCEEDED"],
    ["has lost the image of a CD", "VM.start", "SR_BACKEND_FAILURE_46", "UNSUPPORTED"],
  ] as const)(
    "that %s refuses the start with its code, and nothing is left",
    async (_what, method, code, expected) => {
      await withDriver(async ({ fake, driver }) => {
        const before = objects(fake);
        fake.faults.add({ kind: "refuse", method, code });
        const error = await thrownBy(driver.start(machineSpec("x1", 10)));
        expect(error).toMatchObject({ code: expected, retryable: false, hostCode: code });
        expect([driver.list(), driver.kept()]).toEqual([[], []]);
        await nothingIsLeft(fake, before);
      });
    },
  );

  it("that is full at a snapshot refuses it with its code, and leaves no part of it", async () => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      const before = objects(fake);
      const code = "SR_BACKEND_FAILURE_44";
      fake.faults.add({ kind: "refuse", method: "VM.checkpoint", code });
      const error = await thrownBy(Promise.resolve(driver.snapshots?.take("x1", 10, "s1")));
      expect(error).toMatchObject({ code: "CAPACITY_EXCEEDED", hostCode: code });
      expect(driver.snapshots?.list()).toEqual([]);
      expect(driver.list()).toEqual(RUNNING);
      await nothingIsLeft(fake, before);
    });
  });

  it("that takes longer for a disk than a call may last is asked again, and the disk goes", async () => {
    await withDriver(
      async ({ fake, driver }) => {
        const before = objects(fake);
        await driver.start(machineSpec("x1", 10));
        await driver.stop("x1", 10);
        fake.faults.add({ kind: "slow", method: "VDI.destroy", ms: 3 * STEP_MS });
        await driver.discard("x1", 1);
        await nothingIsLeft(fake, before);
        await eventually("nothing counts as left", () => driver.leftBehind?.().length === 0 || undefined);
      },
      {},
      { callTimeoutMs: STEP_MS, firstRemovalWaitMs: 1 },
    );
  });
});

it("machines of a template with a fixed MAC address have addresses of their own", async () => {
  await withDriver(async ({ fake, driver }) => {
    const MAC = "02:00:00:00:00:01";
    const template = fake.pool.db.all("VM").find(([, vm]) => vm["name_label"] === TEMPLATE_NAME)?.[0] ?? "";
    for (const vif of fake.pool.db.get("VM", template)["VIFs"] as string[])
      await fake.outside("VIF.destroy", vif);
    const [network = ""] = fake.pool.db.all("network").map(([ref]) => ref);
    const vif = { device: "0", network, VM: template, MAC, MTU: 1_500, other_config: {} };
    await fake.outside("VIF.create", { ...vif, qos_algorithm_type: "", qos_algorithm_params: {} });
    for (const vmId of ["x1", "x2"]) await driver.start(machineSpec(vmId, 10));
    const addresses = fake.pool.db.all("VIF").map(([, { MAC: own }]) => own);
    expect(addresses).toHaveLength(3);
    expect(new Set(addresses).size, addresses.join()).toBe(3);
  });
});

it("a certificate that is renewed while a machine runs: the machine runs on, and no call reaches the pool", async () => {
  const troubles: string[] = [];
  await withDriver(
    async ({ fake, driver, again }) => {
      await driver.start(machineSpec("x1", 10));
      const machine = () =>
        fake.pool.db.all("VM").find(([, vm]) => vm["name_label"] === `BioXen x1 ${PLACE}`)?.[1];
      const { domid } = machine() ?? {};
      const renewed = fake.renewCertificate();
      await eventually("the driver sees the new certificate", () => troubles.length > 0 || undefined);
      const { total } = fake.statistics;
      const verbs: [string, () => Promise<unknown>][] = [
        ["pause", () => driver.pause("x1", 10)],
        ["stop", () => driver.stop("x1", 10)],
        ["resize", () => driver.resize("x1", 10, { vcpus: 1, memoryMiB: 1_024 })],
        ["start of another VM", () => driver.start(machineSpec("x2", 11))],
        ["reading of the capacity", () => driver.capacity()],
      ];
      for (const [verb, call] of verbs) {
        const error = await thrownBy(call());
        expect(error, verb).toMatchObject({ code: "UNAVAILABLE", retryable: true });
        for (const words of [fake.fingerprint, renewed.fingerprint, "If the certificate was renewed"])
          expect(error.message, verb).toContain(words);
      }
      expect(troubles.join()).toContain(renewed.fingerprint);
      expect(fake.statistics.total, "no call and no password was sent").toBe(total);
      expect(machine()).toMatchObject({ power_state: "Running", domid });
      expect(driver.list(), "the VM does not count as failed").toEqual(RUNNING);
      await driver.close();
      const next = again({ trust: { kind: "pins", pins: parsePins(renewed.fingerprint) } });
      await next.whenReady();
      expect(next.list()).toEqual(RUNNING);
      expect(machine()).toMatchObject({ power_state: "Running", domid });
      await next.pause("x1", 10);
    },
    {},
    { onTrouble: (message) => troubles.push(message) },
  );
});

it("a certificate that is renewed meanwhile is refused, with both fingerprints and the remedy", async () => {
  const first = await createFakeXapi();
  const { port, password } = first;
  const client = clientOf(first);
  try {
    await client.call("pool.get_all_records", []);
    await first.close();
    const renewed = await createFakeXapi({ port, password, identity: selfSigned() });
    try {
      const error = await eventually("the new certificate is seen", async () => {
        const thrown = await thrownBy(client.call("pool.get_all_records", []));
        return thrown.kind === "trust" ? thrown : undefined;
      });
      expect(error.message).toContain(first.fingerprint);
      expect(error.message).toContain(renewed.fingerprint);
      expect(error.message).toContain("If the certificate was renewed");
      expect(made(renewed, "session.login_with_password"), "no password was sent").toBe(0);
    } finally {
      await renewed.close();
    }
  } finally {
    await client.close();
  }
});
