/**
 * Pools that `up` must reject, for `xcpng.test.ts`.
 */
import { createFakeXapi, type FakeOptions, selfSigned } from "@bioxen/fake-xapi";
import { expect } from "vitest";
import type { World } from "./world.ts";

const HOUR_MS = 3_600_000;

/** Options of each pool, by the reason for its rejection, and the error that names the remedy. */
export const REJECTED_POOLS: readonly [string, FakeOptions, RegExp][] = [
  ["an expired certificate", { identity: expired() }, /has expired: renew it/],
  ["another password", { password: "another" }, /rejects this user name and password/],
];

function expired() {
  const nowMs = Date.now();
  return selfSigned({
    notBefore: new Date(nowMs - 2 * HOUR_MS),
    notAfter: new Date(nowMs - HOUR_MS),
  });
}

/** Checks that `up` fails with this error on a pool with these options, and never prints the password. */
export async function upRejects(
  world: World,
  options: FakeOptions,
  error: RegExp,
  password: string,
): Promise<void> {
  const { url, fingerprint, close } = await createFakeXapi(options);
  const up = await world.bioxenProcess("up", "--xcpng", url, "--xcpng-fingerprint", fingerprint, "--json");
  await close();
  expect(up.code).toBe(1);
  expect(up.stderr).toMatch(error);
  expect(JSON.parse(up.stdout).error.code).toBe("UNAVAILABLE");
  expect(up.stdout + up.stderr).not.toContain(password);
}
