/**
 * Pools that `up` must reject, for `xcpng.test.ts`.
 */
import { createFakeXapi, type FakeOptions, type Role, selfSigned } from "@bioxen/fake-xapi";
import { expect } from "vitest";
import type { World } from "./world.ts";

const HOUR_MS = 3_600_000;

export interface RejectedPool {
  readonly options: FakeOptions;
  /** Further arguments of `up`. */
  readonly args?: readonly string[];
  /** Role of the pool's user; default: the pool's `root`. */
  readonly role?: Role;
}

/** Name of the pool's user with a role. */
const USERNAME = "bioxen";
/** Name of a VM in each pool that is no template. */
const MACHINE = "a machine";

/** Each pool, by the reason for its rejection, and the error that names the remedy. */
export const REJECTED_POOLS: readonly [string, RejectedPool, RegExp][] = [
  ["an expired certificate", { options: { identity: expired() } }, /has expired: renew it/],
  ["another password", { options: { password: "another" } }, /rejects this user name and password/],
  [
    "another fingerprint",
    { options: {}, args: ["--xcpng-fingerprint", "AB".repeat(32)] },
    /has fingerprint .*, but AB:AB.* is configured/,
  ],
  [
    "no such template",
    { options: {}, args: ["--xcpng-template", "no-such"] },
    /has no template "no-such": create it, or name another/,
  ],
  [
    "a VM in place of the template",
    { options: {}, args: ["--xcpng-template", MACHINE] },
    /"a machine" on .* is a VM, not a template: shut it down and convert it/,
  ],
  [
    "a user who may only read",
    { options: {}, role: "read-only" },
    /may not call .*VM\.start.*: give it the role vm-power-admin/,
  ],
  [
    "a user who may start VMs, and may not take snapshots",
    { options: {}, role: "vm-admin" },
    /may not call .*VM\.snapshot.*: give it the role vm-power-admin/,
  ],
];

function expired() {
  const nowMs = Date.now();
  return selfSigned({
    notBefore: new Date(nowMs - 2 * HOUR_MS),
    notAfter: new Date(nowMs - HOUR_MS),
  });
}

/** Checks that `up` fails with this error on the pool, and never prints the password. */
export async function upRejects(
  world: World,
  { options, args = [], role }: RejectedPool,
  error: RegExp,
  password: string,
): Promise<void> {
  const users = role === undefined ? [] : [{ username: USERNAME, password, role }];
  const { url, fingerprint, pool, close } = await createFakeXapi({ password, users, ...options });
  pool.addVm({ name_label: MACHINE });
  const access = ["--xcpng", url, "--xcpng-fingerprint", fingerprint];
  if (role !== undefined) process.env["BIOXEN_XCPNG_USERNAME"] = USERNAME;
  const up = await world.bioxenProcess("up", ...access, ...args, "--json");
  delete process.env["BIOXEN_XCPNG_USERNAME"];
  await close();
  expect(up.code).toBe(1);
  expect(up.stderr).toMatch(error);
  expect(JSON.parse(up.stdout).error.code).toBe("UNAVAILABLE");
  expect(up.stdout + up.stderr).not.toContain(password);
}
