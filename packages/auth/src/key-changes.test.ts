import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addKey, revokeKey, rotateKey } from "./key-changes.ts";
import { openKeyDirectory } from "./key-directory.ts";
import { KeyFiles, readEntries } from "./key-files.ts";

let dir: string;
let files: KeyFiles;
beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), "bioxen-changes-")), "keys");
  files = new KeyFiles(dir);
  await openKeyDirectory({ dir, url: "nats://10.0.0.5:4222", agents: ["local"] });
});
afterEach(() => rm(join(dir, ".."), { recursive: true, force: true }));

const contents = async () => {
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = found.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  return Object.fromEntries(
    await Promise.all(paths.sort().map(async (path) => [path, await readFile(path, "utf8")])),
  );
};
const accounts = () => readFile(files.accounts, "utf8");
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

describe("a change of keys", () => {
  it("adds a principal with a password, and an agent", async () => {
    const { entry, seed } = await addKey(dir, { name: "alice", role: "tenant", password: true });
    const login = JSON.parse(await readFile(files.login("alice"), "utf8"));
    expect(login).toMatchObject({ url: "nats://10.0.0.5:4222", user: "alice" });
    expect(await readFile(files.principal("alice"), "utf8")).toContain(seed);
    expect(await modeOf(files.principal("alice"))).toBe("600");
    expect(await modeOf(files.login("alice"))).toBe("600");
    expect(await accounts()).toContain(entry.publicKey);
    expect(await accounts()).toContain(login.password);
    expect(await accounts()).not.toContain(seed);
    const agent = await addKey(dir, { name: "far", role: "agent", agentId: "rack-7" });
    expect(await accounts()).toContain('"A-rack-7"');
    expect((await readEntries(dir))?.at(-1)).toEqual({
      name: "far",
      role: "agent",
      agentId: "rack-7",
      publicKey: agent.entry.publicKey,
    });
  });

  it("replaces the key and the password, and nothing of others", async () => {
    await addKey(dir, { name: "alice", role: "tenant", password: true });
    const before = await contents();
    const { seed, formerSeed } = await rotateKey(dir, "alice");
    expect(before[files.principal("alice")]).toContain(formerSeed);
    const after = await contents();
    expect(after[files.principal("alice")]).toContain(seed);
    const changed = Object.keys(after).filter((path) => after[path] !== before[path]);
    expect(changed.sort()).toEqual(
      [
        files.principal("alice"),
        files.login("alice"),
        files.accounts,
        files.gatewayPrincipals,
        files.entries,
      ].sort(),
    );
  });

  it.each([
    ["monitor", "S-monitor"],
    ["gateway", "GATEWAY"],
  ] as const)("accepts both keys of the service %s until the change is ended", async (name, account) => {
    const path = files.service(name, "");
    const first = await contents();
    const { entry, seed, formerSeed, grace } = await rotateKey(dir, `service:${name}`);
    expect(grace?.account).toBe(account);
    expect(first[path]).toContain(formerSeed);
    expect(await readFile(path, "utf8")).toBe(first[path]);
    const [during, former] = [await accounts(), grace?.formerPublicKey ?? ""];
    expect(first[files.accounts]).toContain(former);
    for (const key of [former, entry.publicKey]) expect(during).toContain(key);
    await grace?.use();
    expect(await readFile(path, "utf8")).toContain(seed);
    expect(await modeOf(path)).toBe("600");
    expect(await accounts()).toBe(during);
    await grace?.end();
    expect(await accounts()).not.toContain(former);
    expect(await accounts()).toContain(entry.publicKey);
    const after = await contents();
    const changed = Object.keys(after).filter((name) => after[name] !== first[name]);
    expect(changed.sort()).toEqual([path, files.accounts].sort());
  });

  it("accepts both keys of an agent until the change is ended, and lists the one in its file", async () => {
    const path = files.agent("local");
    const { entry, seed, formerSeed, grace } = await rotateKey(dir, "local");
    const former = grace?.formerPublicKey ?? "";
    expect(await readFile(path, "utf8")).toContain(formerSeed);
    for (const key of [former, entry.publicKey]) expect(await accounts()).toContain(key);
    const listed = async () => (await readEntries(dir))?.find(({ name }) => name === "local")?.publicKey;
    expect(await listed()).toBe(former);
    await grace?.use();
    await grace?.end();
    expect(await readFile(path, "utf8")).toContain(seed);
    expect(await listed()).toBe(entry.publicKey);
    expect(await accounts()).not.toContain(former);
  });

  it("undoes the change of a service's key", async () => {
    const before = await contents();
    const { grace, undo } = await rotateKey(dir, "service:lifecycle");
    await grace?.use();
    expect(await contents()).not.toEqual(before);
    await undo();
    expect(await contents()).toEqual(before);
  });

  it("makes a key for a service whose file was moved away", async () => {
    await rm(files.service("monitor", ""));
    const { seed, formerSeed, grace } = await rotateKey(dir, "service:monitor");
    expect({ formerSeed, grace }).toEqual({ formerSeed: undefined, grace: undefined });
    expect(await readFile(files.service("monitor", ""), "utf8")).toContain(seed);
  });

  it("revokes a principal without a trace, and can be undone", async () => {
    const first = await contents();
    await addKey(dir, { name: "alice", role: "tenant", password: true });
    const before = await contents();
    const { undo } = await revokeKey(dir, "alice");
    expect(await contents()).toEqual(first);
    await undo();
    expect(await contents()).toEqual(before);
  });

  it.each([
    [{ name: "Alice", role: "tenant" }, /name: Alice must be/],
    [{ name: "a.b", role: "tenant" }, /name: a\.b must be/],
    [{ name: "anonymous", role: "tenant" }, /is reserved/],
    [{ name: "admin", role: "admin" }, /is reserved/],
    [{ name: "x", role: "agent", agentId: "*" }, /--agent: \* must be/],
    [{ name: "x", role: "agent", agentId: "local" }, /has the key local already/],
    [{ name: "local", role: "tenant" }, /has the name local already/],
    [{ name: "x", role: "agent", password: true }, /an agent has a key/],
    [{ name: "x", role: "tenant", agentId: "x" }, /for the role agent/],
  ] as const)("refuses %j and changes nothing", async (wanted, message) => {
    const before = await contents();
    await expect(addKey(dir, wanted)).rejects.toThrow(message);
    expect(await contents()).toEqual(before);
  });

  it("refuses a tenant whose VM ids could be those of another tenant", async () => {
    await addKey(dir, { name: "team-a", role: "tenant" });
    const before = await contents();
    for (const name of ["team", "team-a-1"])
      await expect(addKey(dir, { name, role: "tenant" }), name).rejects.toThrow(/could not be told apart/);
    expect(await contents()).toEqual(before);
    await addKey(dir, { name: "team-b", role: "tenant" });
    await addKey(dir, { name: "team", role: "observer" });
  });

  it("refuses to revoke the principals of every BioXen, and unknown names", async () => {
    await expect(revokeKey(dir, "operator")).rejects.toThrow(/rotate operator/);
    await expect(rotateKey(dir, "obsrver")).rejects.toThrow(/did you mean observer/);
    await expect(revokeKey(dir, "service:monitor")).rejects.toThrow(/rotate service:monitor/);
    await expect(rotateKey(dir, "service:moniter")).rejects.toThrow(/did you mean monitor/);
    await expect(rotateKey(dir, "service:chassis-agent")).rejects.toThrow(/the services are .*lifecycle/);
    await expect(rotateKey(join(dir, "absent"), "alice")).rejects.toThrow(/has no keys/);
  });
});
