import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openKeyDirectory } from "./key-directory.ts";
import { accountsConfig } from "./server-config.ts";

let dir: string;
beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), "bioxen-keys-")), "keys");
});
afterEach(() => rm(join(dir, ".."), { recursive: true, force: true }));

const open = (agents: readonly string[] = ["local"]) =>
  openKeyDirectory({ dir, url: "nats://127.0.0.1:4222", agents });
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
const files = async () => (await readdir(dir, { recursive: true, withFileTypes: true })).sort();

describe("a key directory", () => {
  it("has a key for each user, readable by its owner only", async () => {
    await open();
    const found = await files();
    const names = found.filter((one) => one.isFile()).map((one) => one.name);
    expect(names.toSorted()).toEqual(
      [
        ...["admin.creds", "operator.creds", "observer.creds", "admin.json", "principals.json"],
        ...["lifecycle.creds", "allocator.creds", "chassis-scheduler.creds", "monitor.creds", "local.creds"],
        ...["system.creds", "provisioner.creds", "feed.creds"],
      ].toSorted(),
    );
    for (const one of found) {
      expect(await modeOf(join(one.parentPath, one.name)), one.name).toBe(one.isFile() ? "600" : "700");
    }
    expect(await modeOf(dir)).toBe("700");
  });

  it("keeps its keys, makes only missing ones, and closes a directory that others could read", async () => {
    const first = await open();
    await chmod(dir, 0o755);
    await rm(first.principalFile("observer"));
    const second = await open(["local", "far"]);
    expect(second.ring.principals.map(({ name }) => name)).toEqual(["admin", "operator", "observer"]);
    expect(second.ring.agents["local"]).toBe(first.ring.agents["local"]);
    expect(second.ring.agents["far"]).toMatch(/^U/);
    const [admin, , observer] = first.ring.principals;
    expect(second.ring.principals[0]).toEqual(admin);
    expect(second.ring.principals[2]?.publicKey).not.toBe(observer?.publicKey);
    expect(await modeOf(dir)).toBe("700");
  });

  it("shows the server public keys only, beside the password of the admin", async () => {
    const { ring, principalFile } = await open();
    const text = accountsConfig(ring);
    const seed = /SU\w+/.exec(await readFile(principalFile("admin"), "utf8"))?.[0] ?? "";
    const login = JSON.parse(await readFile(join(dir, "admin.json"), "utf8"));
    expect(seed).toHaveLength(58);
    expect(text).not.toContain(seed);
    expect(login).toEqual({ url: "nats://127.0.0.1:4222", user: "admin", password: expect.any(String) });
    expect(text).toContain(login.password);
  });

  it.each([
    ["admin.creds", "no key", /has no seed of a user: restore it/],
    ["admin.creds", `SU${"A".repeat(56)}`, /has a damaged seed/],
    ["principals.json", "[{}]", /has not the expected fields/],
    ["admin.json", "{", /is not JSON/],
  ])("names a damaged %s and changes nothing", async (name, text, problem) => {
    await open();
    await writeFile(join(dir, name), text);
    const before = await Promise.all((await files()).map((one) => one.name));
    await expect(open(["local", "far"])).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringMatching(problem),
    });
    expect((await files()).map((one) => one.name)).toEqual(before);
    expect(await readFile(join(dir, name), "utf8")).toBe(text);
  });
});
