/**
 * What a driver finds that starts later: machines that changed while no driver ran, and a password that changed.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import type { GuestEvent } from "@bioxen/vm-driver";
import { expect, it } from "vitest";
import { poolConfiguration } from "../src/driver/configuration.ts";
import { thrownBy } from "./connect.ts";
import { machineSpec, withDriver } from "./fleet.ts";

function machineOf(fake: FakeXapi, vmId: string): string {
  const found = fake.pool.db
    .all("VM")
    .find(([, vm]) => (vm["other_config"] as Record<string, string>)["bioxen:vm-id"] === vmId);
  if (found === undefined) throw new Error(`the pool has no machine of ${vmId}`);
  return found[0];
}

it("a machine that was halted while no driver ran is a failed guest; no change is reported", async () => {
  await withDriver(async ({ fake, driver, again }) => {
    for (const vmId of ["x1", "x2", "x3"]) await driver.start(machineSpec(vmId, 10));
    await driver.stop("x3", 10);
    await driver.close();
    await fake.outside("VM.hard_shutdown", machineOf(fake, "x1"));
    await fake.outside("VM.pause", machineOf(fake, "x2"));
    const next = again();
    const events: GuestEvent[] = [];
    next.onGuestEvent((event) => events.push(event));
    await next.whenReady();
    expect(next.list()).toMatchObject([
      { vmId: "x1", state: "failed", reason: "it was halted, and not by BioXen" },
      { vmId: "x2", state: "paused" },
    ]);
    expect(next.kept(), "a stop by BioXen is no failure").toEqual([
      { vmId: "x3", incarnation: 1, fence: 10 },
    ]);
    expect(events.filter(({ kind }) => kind === "observed")).toEqual([]);
  });
});

it("the password file is read at each login: a driver connects once the file has the right one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bioxen-password-"));
  try {
    await withDriver(async ({ fake, again }) => {
      const file = join(folder, "password");
      writeFileSync(file, "wrong\n");
      const { url, fingerprint, password } = fake;
      const access = { BIOXEN_XCPNG_URL: url, BIOXEN_XCPNG_FINGERPRINT: fingerprint };
      const configured = poolConfiguration({ ...access, BIOXEN_XCPNG_PASSWORD_FILE: file }, "test");
      if (configured === undefined) throw new Error("the configuration names no pool");
      const next = again({ credentials: configured.options.credentials });
      expect((await thrownBy(next.whenReady())).message).toMatch(/rejects this user name and password/);
      writeFileSync(file, `${password}\n`);
      await eventually("the driver is connected", async () => {
        return next.whenReady().then(
          () => true as const,
          () => undefined,
        );
      });
      expect(next.list()).toEqual([]);
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
