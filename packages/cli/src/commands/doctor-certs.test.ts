/**
 * The words of `bioxen doctor` about the certificates of the settings.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DAY_MS, DEFAULT_DAYS, initCertificates, MAX_DAYS } from "@bioxen/certs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DAYS } from "./certs.ts";
import { certificateFindings } from "./doctor-certs.ts";

let parent: string;
let tls: { readonly ca: string; readonly cert: string };
const nowMs = Date.parse("2026-12-01T12:00:00Z");
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "bioxen-doctor-certs-"));
  const dir = join(parent, "certs");
  await initCertificates({ dir, clients: ["bob"], days: 100, nowMs });
  tls = { ca: join(dir, "ca.pem"), cert: join(dir, "client-bob.pem") };
});
afterAll(() => rm(parent, { recursive: true, force: true }));

describe("a certificate of the settings", () => {
  it.each([
    ["ok", 0, "bob in PATH expires on 2027-03-11 (in 100 days)"],
    ["ok", 85, "bob in PATH expires on 2027-03-11 (in 15 days)"],
    ["warn", 87, "bob in PATH expires on 2027-03-11 (in 13 days)"],
    ["fail", 101, "bob in PATH expired on 2027-03-11 (1 day ago)"],
    ["fail", -1, "bob in PATH is not yet valid"],
  ])("is %s %i days after its issue", async (verdict, days, words) => {
    const [ca, cert] = await certificateFindings(tls, nowMs + days * DAY_MS);
    expect(ca?.verdict).toBe(days < 0 ? "fail" : "ok");
    expect(cert).toMatchObject({
      check: "client certificate",
      verdict,
      found: words.replace("PATH", tls.cert),
    });
    expect(cert?.remedy === undefined).toBe(verdict === "ok");
  });

  it("is judged by the first to expire, when a file has several", async () => {
    const both = join(parent, "both.pem");
    await writeFile(both, (await readFile(tls.ca, "utf8")) + (await readFile(tls.cert, "utf8")));
    const [found] = await certificateFindings({ ca: both }, nowMs + 95 * DAY_MS);
    expect(found).toMatchObject({ verdict: "warn", found: expect.stringContaining("bob in") });
  });

  it("that cannot be read, or is absent, is left to the connection", async () => {
    expect(await certificateFindings({ ca: join(parent, "absent.pem") })).toEqual([]);
    expect(await certificateFindings(undefined)).toEqual([]);
  });
});

it("the command and the package have the same limits of a lifetime", () => {
  expect(DAYS).toEqual({ preset: DEFAULT_DAYS, max: MAX_DAYS });
});
