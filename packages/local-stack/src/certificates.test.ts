import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DAY_MS, showCertificates } from "@bioxen/certs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { stackCertificates } from "./certificates.ts";

let dir: string;
let said: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-stack-certs-"));
  said = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const nowMs = Date.now();
const start = (days = 0) =>
  stackCertificates(dir, "server", (line) => said.push(line), nowMs + days * DAY_MS);
const fingerprints = async () =>
  (await showCertificates(join(dir, "certs"))).map(({ fingerprint }) => fingerprint);

describe("the certificates of a stack", () => {
  it("are made once, and both modes use the same", async () => {
    const { server, client } = await start();
    const made = await fingerprints();
    const mutual = await stackCertificates(dir, "mutual", (line) => said.push(line), nowMs);
    expect(await fingerprints()).toEqual(made);
    expect(said).toEqual([`made certificates in ${join(dir, "certs")}`]);
    expect(mutual.server).toEqual({ ...server, clientAuthority: client.ca });
    expect([client.cert, mutual.client.ca]).toEqual([undefined, client.ca]);
    expect(mutual.client.cert).toBe(join(dir, "certs", "client-local.pem"));
  });

  it("are renewed in the month before they expire, with the same authority", async () => {
    await start();
    const made = await fingerprints();
    await start(334);
    expect(await fingerprints()).toEqual(made);
    await start(336);
    expect(said.slice(1)).toEqual([`renewed the certificates in ${join(dir, "certs")}`]);
    const [authority, server, client] = await fingerprints();
    expect([authority, server === made[1], client === made[2]]).toEqual([made[0], false, false]);
  });

  it.each([3_630, 3_700])("are made again when the authority expires: after %i days", async (days) => {
    await start();
    await start(days);
    expect(said[1]).toContain("because their authority was about to expire");
    const all = await showCertificates(join(dir, "certs"), nowMs + days * DAY_MS);
    expect(all.map(({ validity, problems }) => [validity, problems])).toEqual(all.map(() => ["valid", []]));
  });

  it("that are damaged are named, and are left as they are", async () => {
    await start();
    const key = join(dir, "certs", "server.key");
    await writeFile(key, await readFile(join(dir, "certs", "client-local.key"), "utf8"));
    const made = await fingerprints();
    await expect(start(336)).rejects.toThrow(
      /is the key of another certificate\ndelete .*certs, and the next start/,
    );
    expect(await fingerprints()).toEqual(made);
  });
});
