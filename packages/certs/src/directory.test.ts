import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addCertificates, DAY_MS, initCertificates, renewCertificates, showCertificates } from "./index.ts";

let parent: string;
let dir: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "bioxen-certs-"));
  dir = join(parent, "certs");
});
afterEach(() => rm(parent, { recursive: true, force: true }));

const nowMs = Date.now();
const text = (name: string) => readFile(join(dir, name), "utf8");
const certificate = async (name: string) => new X509Certificate(await text(name));
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

/** Digest of names and contents of all files. */
async function contentOf(): Promise<string> {
  const hash = createHash("sha256");
  for (const name of (await readdir(dir)).sort()) hash.update(`${name} ${await text(name)}`);
  return hash.digest("hex");
}

describe("certs init", () => {
  it("makes an authority, a server and clients, and only the owner can read keys", async () => {
    const entries = await initCertificates({
      dir,
      hosts: ["nats.example", "10.1.2.3"],
      clients: ["bob"],
      nowMs,
    });
    expect(entries.map(({ kind, subject, problems }) => [kind, subject, problems])).toEqual([
      ["authority", expect.stringMatching(/^BioXen development CA [0-9a-f]{8}$/), []],
      ["server", "nats.example", []],
      ["client", "bob", []],
    ]);
    expect(entries[1]?.names).toEqual(["nats.example", "10.1.2.3", "localhost", "127.0.0.1", "::1"]);
    expect((await readdir(dir)).sort()).toEqual(
      ["ca", "client-bob", "server"].flatMap((stem) => [`${stem}.key`, `${stem}.pem`]),
    );
    expect(await modeOf(dir)).toBe("700");
    for (const stem of ["ca", "server", "client-bob"])
      expect(await modeOf(join(dir, `${stem}.key`))).toBe("600");
    const [ca, server] = [await certificate("ca.pem"), await certificate("server.pem")];
    expect([ca.ca, server.ca]).toEqual([true, false]);
    expect(server.checkIssued(ca) && server.verify(ca.publicKey)).toBe(true);
    expect(server.checkPrivateKey(createPrivateKey(await text("server.key")))).toBe(true);
    expect(server.checkIP("::1")).toBe("::1");
  });

  it("gives certificates the lifetime, and none a longer one than the authority's", async () => {
    const days = 3;
    const [ca, server] = await initCertificates({ dir, days, nowMs });
    // The times in a certificate are whole seconds.
    expect(Math.abs((server?.expiresAtMs ?? 0) - nowMs - days * DAY_MS)).toBeLessThanOrEqual(1_000);
    expect(Math.abs((ca?.expiresAtMs ?? 0) - nowMs - 3_650 * DAY_MS)).toBeLessThanOrEqual(1_000);
    const lateMs = nowMs + 3_600 * DAY_MS;
    const { certificates } = await renewCertificates({ dir, days: 800, nowMs: lateMs });
    expect(certificates[1]?.expiresAtMs).toBe(ca?.expiresAtMs);
  });

  it("refuses every invalid name at once, and writes nothing", async () => {
    const hosts = [
      "http://nats",
      "nats:4222",
      "[::1]",
      "1.2.3",
      "a..b",
      "",
      "x".repeat(64),
      "ok.example",
      "*.ok",
    ];
    const thrown = await initCertificates({ dir, hosts, clients: ["Alice", "bob", "bob"] }).catch(
      (cause: unknown) => cause,
    );
    expect(thrown).toMatchObject({ code: "BAD_REQUEST" });
    const named = (thrown as Error).message.split("\n").map((line) => line.slice(0, line.lastIndexOf(": ")));
    const invalid = [...hosts.slice(0, 4), ...hosts.slice(4, 7).map((host) => JSON.stringify(host))];
    expect(named).toEqual([...invalid.map((host) => `host ${host}`), 'client "Alice"', "client bob"]);
    expect(await readdir(parent)).toEqual([]);
  });

  it("replaces an existing file only with force", async () => {
    const before = await initCertificates({ dir, clients: ["bob"] });
    const content = await contentOf();
    await expect(initCertificates({ dir })).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("already has ca.pem, ca.key, server.pem, server.key"),
    });
    expect(await contentOf()).toBe(content);
    const after = await initCertificates({ dir, force: true });
    expect(after[0]?.fingerprint).not.toBe(before[0]?.fingerprint);
    expect(after[2]?.problems).toEqual(["it is not signed by the authority in ca.pem"]);
  });

  it("leaves a server key of another tool alone", async () => {
    await initCertificates({ dir });
    await rm(join(dir, "ca.pem"));
    await rm(join(dir, "ca.key"));
    const content = await contentOf();
    await expect(initCertificates({ dir })).rejects.toThrow("already has server.pem, server.key");
    expect(await contentOf()).toBe(content);
  });

  it("names the missing parent directory", async () => {
    const refused = initCertificates({ dir: join(dir, "below") });
    await expect(refused).rejects.toThrow("its parent directory does not exist");
  });
});

describe("certs add", () => {
  it("signs further clients and hosts, and keeps keys and names", async () => {
    await initCertificates({ dir, hosts: ["a.example"], clients: ["bob"] });
    const key = await text("server.key");
    const entries = await addCertificates({ dir, hosts: ["B.example", "a.example"], clients: ["carol"] });
    expect(entries.map(({ subject, problems }) => [subject, problems]).slice(1)).toEqual([
      ["a.example", []],
      ["bob", []],
      ["carol", []],
    ]);
    expect(entries[1]?.names).toEqual(["a.example", "localhost", "127.0.0.1", "::1", "b.example"]);
    expect(await text("server.key")).toBe(key);
  });

  it("refuses a client that has a certificate, nothing to add, and a directory without authority", async () => {
    await initCertificates({ dir, clients: ["bob"] });
    const content = await contentOf();
    await expect(addCertificates({ dir, hosts: ["x"], clients: ["bob"] })).rejects.toThrow(
      /already has client-bob/,
    );
    await expect(addCertificates({ dir })).rejects.toThrow("nothing to add");
    await expect(addCertificates({ dir: parent, clients: ["a"] })).rejects.toThrow(`${parent} has no ca.pem`);
    expect(await contentOf()).toBe(content);
  });
});

describe("certs renew", () => {
  it("signs all certificates again with their keys, names and lifetimes", async () => {
    const before = await initCertificates({ dir, hosts: ["a.example"], clients: ["bob"], days: 20, nowMs });
    const keys = [await text("server.key"), await text("client-bob.key")];
    const laterMs = nowMs + 10 * DAY_MS;
    const { certificates, renewed } = await renewCertificates({ dir, nowMs: laterMs });
    expect(renewed).toEqual([join(dir, "server.pem"), join(dir, "client-bob.pem")]);
    expect([await text("server.key"), await text("client-bob.key")]).toEqual(keys);
    for (const at of [1, 2]) {
      const [old, now] = [before[at], certificates[at]];
      expect(now).toMatchObject({ names: old?.names, subject: old?.subject, problems: [] });
      expect((now?.expiresAtMs ?? 0) - (old?.expiresAtMs ?? 0)).toBe(10 * DAY_MS);
    }
    expect(certificates[0]).toEqual({ ...before[0] });
  });

  it("renews only what expires within the given days", async () => {
    await initCertificates({ dir, clients: ["bob"], days: 20, nowMs });
    await renewCertificates({ dir, days: 100, nowMs });
    await addCertificates({ dir, clients: ["carol"], days: 5, nowMs });
    const { renewed } = await renewCertificates({ dir, withinDays: 30, nowMs });
    expect(renewed).toEqual([join(dir, "client-carol.pem")]);
  });

  it("refuses an expired authority and a key of another certificate, and changes nothing", async () => {
    await initCertificates({ dir, clients: ["bob"], nowMs });
    const late = renewCertificates({ dir, nowMs: nowMs + 3_651 * DAY_MS });
    await expect(late).rejects.toThrow("has expired: make another one with bioxen certs init --force");
    await writeFile(join(dir, "client-bob.key"), await text("server.key"));
    const content = await contentOf();
    await expect(renewCertificates({ dir })).rejects.toThrow("is the key of another certificate");
    expect(await contentOf()).toBe(content);
  });
});

describe("certs show", () => {
  it("tells what is expired, open to other users, or without its key", async () => {
    await initCertificates({ dir, clients: ["bob"], days: 10, nowMs });
    await chmod(join(dir, "server.key"), 0o644);
    await rm(join(dir, "client-bob.key"));
    const [ca, server, bob] = await showCertificates(dir, nowMs + 11 * DAY_MS);
    expect([ca?.validity, server?.validity]).toEqual(["valid", "expired"]);
    expect(server?.problems).toEqual([expect.stringMatching(/^other users can read its key: chmod 600 /)]);
    expect(bob?.problems).toEqual([expect.stringMatching(/is absent or cannot be read$/)]);
    expect((await showCertificates(dir, nowMs))[1]?.validity).toBe("expiring");
    expect((await showCertificates(dir, nowMs - DAY_MS))[1]?.validity).toBe("not yet valid");
  });

  it("names the file that is no certificate", async () => {
    await initCertificates({ dir });
    await writeFile(join(dir, "server.pem"), "nothing");
    await expect(showCertificates(dir)).rejects.toThrow(`${join(dir, "server.pem")} has no certificate`);
    await expect(showCertificates(parent)).rejects.toThrow("make an authority with bioxen certs init");
  });
});
