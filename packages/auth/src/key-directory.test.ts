import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addKey, rotateKey } from "./key-changes.ts";
import { openKeyDirectory } from "./key-directory.ts";
import { KeyFiles } from "./key-files.ts";
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
        ...[
          "admin.creds",
          "operator.creds",
          "observer.creds",
          "admin.json",
          "metrics.token",
          "principals.json",
          "accounts.conf",
        ],
        ...["lifecycle.creds", "allocator.creds", "chassis-scheduler.creds", "monitor.creds"],
        ...["experiments.creds", "gateway.creds", "principals.json", "local.creds"],
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
    await rm(new KeyFiles(dir).principal("observer"));
    await rm(new KeyFiles(dir).service("monitor", ""));
    const second = await open(["local", "far"]);
    expect(second.ring.principals.map(({ name }) => name)).toEqual(["admin", "operator", "observer"]);
    expect(second.ring.agents["local"]).toBe(first.ring.agents["local"]);
    expect(second.ring.agents["far"]).toMatch(/^U/);
    const [admin, , observer] = first.ring.principals;
    expect(second.ring.principals[0]).toEqual(admin);
    expect(second.ring.principals[2], "its user goes on with the key").toEqual(observer);
    expect((await files()).map((one) => one.name)).not.toContain("observer.creds");
    expect(second.ring.services["monitor"]).not.toBe(first.ring.services["monitor"]);
    expect(await modeOf(dir)).toBe("700");
  });

  it("has one key for an agent that is named twice", async () => {
    const { entries } = await open(["far", "far"]);
    expect(entries.filter(({ agentId }) => agentId === "far")).toHaveLength(1);
  });

  it.each([
    ["admin", "admin.creds"],
    ["local", "agents/local.creds"],
  ])(
    "refuses to start without the key of %s, and goes on with a new one after a rotation",
    async (name, file) => {
      const first = await open();
      await rm(join(dir, file));
      const before = await readFile(new KeyFiles(dir).accounts, "utf8");
      await expect(open()).rejects.toMatchObject({
        code: "CONFLICT",
        message: expect.stringContaining(`${file} is missing, and its key is in force: move it back`),
      });
      expect(await readFile(new KeyFiles(dir).accounts, "utf8")).toBe(before);
      await addKey(dir, { name: "alice", role: "tenant" });
      expect(await readFile(new KeyFiles(dir).accounts, "utf8"), "others can be added").toContain(
        first.entries.find((one) => one.name === name)?.publicKey,
      );
      const { entry } = await rotateKey(dir, name);
      expect((await open()).entries).toContainEqual(entry);
    },
  );

  it("shows the server public keys only, beside the password of the admin", async () => {
    const { ring } = await open();
    const text = accountsConfig(ring);
    const seed = /SU\w+/.exec(await readFile(new KeyFiles(dir).principal("admin"), "utf8"))?.[0] ?? "";
    const login = JSON.parse(await readFile(join(dir, "admin.json"), "utf8"));
    expect(seed).toHaveLength(58);
    expect(text).not.toContain(seed);
    expect(login).toEqual({ url: "nats://127.0.0.1:4222", user: "admin", password: expect.any(String) });
    expect(text).toContain(login.password);
  });

  it.each([
    ["admin.creds", "no key", /has no seed of a user: restore it/],
    ["admin.creds", `SU${"A".repeat(56)}`, /has a damaged seed/],
    ["server/principals.json", "[{}]", /has not the expected fields/],
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
