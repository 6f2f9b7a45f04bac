/**
 * Programs in the machines of a pool: where they run, what happens when their machine stops, and that no connection is
 * left. The machines are those of the fake; `sshd.int.test.ts` uses OpenSSH.
 */

import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { expect, it } from "vitest";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import type { SshSettings } from "../src/driver/programs.ts";
import { HOST_KEY_CONFIG, HOST_KEY_XENSTORE } from "../src/ssh/host-keys.ts";
import { thrownBy } from "./connect.ts";
import { driverOf, machineSpec, sshOf, withDriver } from "./fleet.ts";

const OTHER_PIN = `SHA256:${"B".repeat(43)}`;
const TIMEOUT = { timeoutMs: 10_000 };

/** Runs `body` with a pool whose guests answer SSH and a driver with access; afterwards no connection is left. */
async function withPrograms(
  body: (fake: FakeXapi, driver: XcpngDriver) => Promise<void>,
  changed: Partial<SshSettings> = {},
): Promise<void> {
  const fake = await createFakeXapi({ guestSsh: {} });
  const driver = driverOf(fake, { ssh: sshOf(fake, changed) });
  try {
    await driver.whenReady();
    await driver.start(machineSpec("x1", 10));
    await body(fake, driver);
  } finally {
    await driver.close();
    expect(driver.connections).toBe(0);
    await eventually("every connection is closed", () => fake.counts().connections === 0 || undefined);
    await fake.close();
  }
}

const refOf = (fake: FakeXapi, vmId: string): string => {
  const config = (vm: Record<string, unknown>) => vm["other_config"] as Record<string, string>;
  return fake.pool.db.all("VM").find(([, vm]) => config(vm)["bioxen:vm-id"] === vmId)?.[0] ?? "";
};

it("one connection serves a machine's programs and is closed with the machine's run", async () => {
  await withPrograms(async (fake, driver) => {
    const outcomes = await Promise.all([1, 2, 3].map((i) => driver.exec("x1", 10, `echo ${i}`, TIMEOUT)));
    expect(outcomes.map(({ stdout }) => stdout)).toEqual(["1\n", "2\n", "3\n"]);
    expect([driver.connections, fake.counts().connections]).toEqual([1, 1]);
    await driver.stop("x1", 10);
    expect(driver.connections).toBe(0);
    await eventually("it is closed", () => fake.counts().connections === 0 || undefined);
    expect(await thrownBy(driver.exec("x1", 10, "true", TIMEOUT))).toMatchObject({ code: "GUEST_NOT_FOUND" });
    await driver.start(machineSpec("x1", 12));
    expect((await driver.exec("x1", 12, "hostname", TIMEOUT)).stdout).toMatch(/^BioXen x1 /);
    expect(await thrownBy(driver.exec("x1", 10, "true", TIMEOUT))).toMatchObject({ code: "STALE_FENCE" });
  });
});

it("a program whose machine is stopped has an unknown outcome, which is not retryable", async () => {
  await withPrograms(async (_fake, driver) => {
    const running = thrownBy(driver.exec("x1", 10, "echo begun; sleep 60", TIMEOUT));
    await eventually("it is connected", () => driver.connections === 1 || undefined);
    await driver.exec("x1", 10, "true", TIMEOUT);
    await driver.stop("x1", 10);
    const error = await running;
    expect(error).toMatchObject({ code: "UNAVAILABLE", retryable: false, details: { ran: "unknown" } });
    expect(error.message).toMatch(/its machine was stopped while a program ran in "x1"/);
  });
});

it("closing the driver does not wait for a running program", async () => {
  await withPrograms(async (_fake, driver) => {
    const running = thrownBy(driver.exec("x1", 10, "sleep 60", TIMEOUT));
    await eventually("it is connected", () => driver.connections === 1 || undefined);
    await driver.close();
    expect(await running).toMatchObject({ code: "UNAVAILABLE" });
  });
});

it("the numbers of programs and connections are limited; an idle connection makes room", async () => {
  const limits = { connections: 1, programsPerMachine: 2, idleMs: 60_000 };
  await withPrograms(
    async (fake, driver) => {
      await driver.start(machineSpec("x2", 11));
      await driver.exec("x1", 10, "true", TIMEOUT);
      const running = [1, 2].map(() => driver.exec("x2", 11, "sleep 0.5", TIMEOUT));
      const third = await thrownBy(driver.exec("x2", 11, "true", TIMEOUT));
      expect(third).toMatchObject({ code: "UNAVAILABLE", retryable: true, details: { ran: "no" } });
      expect(third.message).toMatch(/2 programs, the limit, are running in it/);
      expect((await thrownBy(driver.exec("x1", 10, "true", TIMEOUT))).message).toMatch(/in 1 other machines/);
      await Promise.all(running);
      await driver.exec("x1", 10, "true", TIMEOUT);
      await eventually("the idle one is closed", () => fake.counts().connections === 1 || undefined);
    },
    { limits },
  );
});

it("an idle connection is closed after a while and opened again for the next program", async () => {
  await withPrograms(
    async (fake, driver) => {
      await driver.exec("x1", 10, "true", TIMEOUT);
      await eventually("it is closed", () => fake.counts().connections === 0 || undefined);
      expect((await driver.exec("x1", 10, "echo again", TIMEOUT)).stdout).toBe("again\n");
    },
    { limits: { idleMs: 20 } },
  );
});

it("the host key must match the machine's record; without a record, the key in xenstore counts", async () => {
  await withPrograms(async (fake, driver) => {
    const ref = refOf(fake, "x1");
    const config = fake.pool.db.get("VM", ref)["other_config"] as Record<string, string>;
    expect(config[HOST_KEY_CONFIG], "a clone inherits the key from its template").toBe(fake.ssh?.fingerprint);
    fake.pool.db.update("VM", ref, { other_config: { ...config, [HOST_KEY_CONFIG]: OTHER_PIN } });
    const refused = await thrownBy(driver.exec("x1", 10, "true", TIMEOUT));
    expect(refused).toMatchObject({
      code: "UNAVAILABLE",
      retryable: false,
      details: { expected: [OTHER_PIN] },
    });
    expect(refused.message).toContain(fake.ssh?.fingerprint);
    const { [HOST_KEY_CONFIG]: _, ...without } = config;
    fake.pool.db.update("VM", ref, { other_config: without });
    expect(await thrownBy(driver.exec("x1", 10, "true", TIMEOUT))).toMatchObject({ code: "UNSUPPORTED" });
    fake.pool.db.update("VM", ref, { xenstore_data: { [HOST_KEY_XENSTORE]: fake.ssh?.fingerprint } });
    expect((await driver.exec("x1", 10, "echo known", TIMEOUT)).stdout).toBe("known\n");
  });
});

it("the error for a machine without address or without SSH server says that nothing was run", async () => {
  await withPrograms(async (fake, driver) => {
    const [metrics = ""] = fake.pool.db.all("VM_guest_metrics").map(([ref]) => ref);
    fake.pool.db.update("VM_guest_metrics", metrics, { networks: {} });
    const silent = await thrownBy(driver.exec("x1", 10, "true", TIMEOUT));
    expect(silent).toMatchObject({ code: "UNAVAILABLE", retryable: true, details: { ran: "no" } });
    expect(silent.message).toMatch(/has not reported an address.*guest tools/);
    fake.pool.db.update("VM_guest_metrics", metrics, { networks: { "0/ip": "127.21.0.1" } });
    const absent = await thrownBy(driver.exec("x1", 10, "true", TIMEOUT));
    expect(absent).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(absent.message).toMatch(
      /127\.21\.0\.1 port \d+ is unreachable by SSH: .*REFUSED.*nothing was run/,
    );
  });
});

it("a wrong password is reported, without the password itself", async () => {
  const password = "correct-horse-battery";
  await withPrograms(
    async (_fake, driver) => {
      const error = await thrownBy(driver.exec("x1", 10, "true", TIMEOUT));
      expect(error.message).toMatch(/rejects the login of "root"/);
      expect(`${error.message}${error.stack}${JSON.stringify(error)}`).not.toContain(password);
    },
    { login: async () => ({ user: "root", password }) },
  );
});

it("without SSH settings a program is UNSUPPORTED, and the error names the settings", async () => {
  await withDriver(async ({ driver }) => {
    await driver.start(machineSpec("x1", 10));
    expect(driver.capabilities).toMatchObject({ exec: false, maxExecTimeoutMs: 0 });
    const error = await thrownBy(driver.exec("x1", 10, "true", TIMEOUT));
    expect(error).toMatchObject({ code: "UNSUPPORTED", message: driver.capabilities.noExec });
    expect(error.message).toMatch(/BIOXEN_XCPNG_SSH_USER/);
  });
});
