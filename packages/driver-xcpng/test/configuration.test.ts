/**
 * Pinning a pool's certificate by environment variables: the fingerprint itself, or a file that contains it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { poolConfiguration } from "../src/driver/configuration.ts";

const dir = mkdtempSync(join(tmpdir(), "bioxen-pins-"));
afterAll(() => rmSync(dir, { recursive: true }));
const FINGERPRINT = Array.from({ length: 32 }, () => "AB").join(":");
const POOL = { BIOXEN_XCPNG_URL: "https://127.0.0.1:8443", BIOXEN_XCPNG_PASSWORD: "secret" };
const trust = (env: Record<string, string>) => poolConfiguration({ ...POOL, ...env }, "a")?.options.trust;

it("a fingerprint in a file has the same effect as one in the environment", () => {
  const file = join(dir, "fingerprint");
  writeFileSync(file, `${FINGERPRINT}\n`);
  expect(trust({ BIOXEN_XCPNG_FINGERPRINT_FILE: file })).toMatchObject({ kind: "pins" });
  expect(trust({ BIOXEN_XCPNG_FINGERPRINT_FILE: file })).toEqual(
    trust({ BIOXEN_XCPNG_FINGERPRINT: FINGERPRINT }),
  );
});

it("the waits are integers of milliseconds within their limits", () => {
  const options = (env: Record<string, string>) => poolConfiguration({ ...POOL, ...env }, "a")?.options;
  expect(options({})).toMatchObject({ agentWaitMs: 180_000, firstRemovalWaitMs: 1_000 });
  const set = { BIOXEN_XCPNG_AGENT_WAIT_MS: "5", BIOXEN_XCPNG_REMOVAL_WAIT_MS: "7" };
  expect(options(set)).toMatchObject({ agentWaitMs: 5, firstRemovalWaitMs: 7 });
  for (const [variable, most] of [
    ["BIOXEN_XCPNG_AGENT_WAIT_MS", 3_600_000],
    ["BIOXEN_XCPNG_REMOVAL_WAIT_MS", 60_000],
  ] as const) {
    for (const wrong of ["0", "1.5", "-1", "soon", String(most + 1)])
      expect(() => options({ [variable]: wrong })).toThrow(
        `${variable}: must be an integer from 1 to ${most}`,
      );
  }
});

it("the password file is read at each login", async () => {
  const file = join(dir, "password");
  const { BIOXEN_XCPNG_PASSWORD: _, ...pool } = POOL;
  const read = poolConfiguration({ ...pool, BIOXEN_XCPNG_PASSWORD_FILE: file }, "a")?.options.credentials;
  await expect(read?.()).rejects.toThrow("the password file cannot be read: ENOENT");
  for (const password of ["first", "second"]) {
    writeFileSync(file, `${password}\n`);
    expect(await read?.()).toEqual({ username: "root", password });
  }
});

it("a missing file, a file without a fingerprint, and two kinds of trust at once are rejected", () => {
  const wrong = join(dir, "wrong");
  writeFileSync(wrong, "no fingerprint");
  for (const file of [join(dir, "absent"), wrong]) {
    expect(() => trust({ BIOXEN_XCPNG_FINGERPRINT_FILE: file })).toThrow("BIOXEN_XCPNG_FINGERPRINT_FILE: ");
  }
  const both = { BIOXEN_XCPNG_FINGERPRINT: FINGERPRINT, BIOXEN_XCPNG_FINGERPRINT_FILE: wrong };
  expect(() => trust(both)).toThrow("set only one of");
});
