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

it("a missing file, a file without a fingerprint, and two kinds of trust at once are rejected", () => {
  const wrong = join(dir, "wrong");
  writeFileSync(wrong, "no fingerprint");
  for (const file of [join(dir, "absent"), wrong]) {
    expect(() => trust({ BIOXEN_XCPNG_FINGERPRINT_FILE: file })).toThrow("BIOXEN_XCPNG_FINGERPRINT_FILE: ");
  }
  const both = { BIOXEN_XCPNG_FINGERPRINT: FINGERPRINT, BIOXEN_XCPNG_FINGERPRINT_FILE: wrong };
  expect(() => trust(both)).toThrow("set only one of");
});
