/**
 * `bioxen auth` on a running stack: each change is in force within a second, and no command of others fails because of it.
 */
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Bioxen, connect } from "@bioxen/client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

/** Time from the end of a command until its change is in force, ms. */
const IN_FORCE_MS = 1_000;
/** Commands of another principal per second, while keys change. */
const COMMANDS_PER_SECOND = 200;

/** Most commands under way at once: a busy machine answers fewer in a second. */
const MAX_UNDER_WAY = 64;
const CALL_TIMEOUT_MS = 60_000;
/** Programs in a guest that are under way at once, while the key of its agent changes. */
const PROGRAMS_AT_ONCE = 4;
/** The VM of the first principal that is added. */
const CELL = "alice-1-0-cell";

/** A retry must not find the names of the first attempt. */
let attempts = 0;
let world: World;
beforeAll(async () => {
  world = await World.open({ chassis: "ecoli:2", logLevel: "info" });
});
afterAll(() => world?.close());

async function auth(...args: string[]): Promise<Json> {
  const { code, stdout, stderr } = await world.bioxen("auth", ...args, "--json");
  expect(code, `auth ${args.join(" ")}: ${stdout}${stderr}`).toBe(0);
  return JSON.parse(stdout);
}

async function isRefused(seed: string): Promise<boolean> {
  return connect({ servers: world.url, creds: seed }).then(
    (bioxen) => bioxen.close().then(() => false),
    (thrown: Json) => thrown.details?.reason === "login",
  );
}

const seedOf = async (file: string) => /SU\w{56}/.exec(await readFile(file, "utf8"))?.[0] ?? "";
const modeOf = async (file: string) => ((await stat(file)).mode & 0o777).toString(8);

/**
 * Sends commands at a steady rate, as a program with the library does. `end` stops that, and returns how many were sent,
 * how many a second, and the errors.
 */
function load(other: Bioxen) {
  const failures: string[] = [];
  let [sent, ended] = [0, 0];
  const startedAt = performance.now();
  const send = () => {
    sent += 1;
    const vmId = `load-${attempts}-${sent}`;
    other
      .call("vmCreate", { vmId, biologicalType: "syn3a" }, CALL_TIMEOUT_MS)
      .catch((thrown: Json) => failures.push(String(thrown)))
      .finally(() => {
        ended += 1;
      });
  };
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) * COMMANDS_PER_SECOND) / 1_000;
    while (sent < due && sent - ended < MAX_UNDER_WAY) send();
  }, 10);
  return {
    end: async () => {
      clearInterval(timer);
      const perSecond = (sent * 1_000) / (performance.now() - startedAt);
      await eventually("all commands have an answer", async () => ended === sent || undefined, 60_000);
      return { sent, perSecond, failures };
    },
  };
}

it("adds, rotates and revokes under load, and no command of others fails", async () => {
  const other = await connect({ servers: world.url });
  const running = load(other);
  attempts += 1;
  for (let round = 0; round < 3; round += 1) {
    const name = `alice-${attempts}-${round}`;
    const { file, role, inForce } = await auth("add", name, "--role", "tenant");
    expect({ role, inForce, mode: await modeOf(file) }).toEqual({
      role: "tenant",
      inForce: true,
      mode: "600",
    });
    const first = await seedOf(file);
    const alice = await connect({ servers: world.url, creds: first });
    await alice.createBioVm(`${name}-cell`, "syn3a");
    await auth("rotate", name);
    const second = await seedOf(file);
    expect(second).not.toBe(first);
    expect(await isRefused(first)).toBe(true);
    await eventually(
      "the connection of the former key is cut",
      async () => !alice.bus.connected || undefined,
      IN_FORCE_MS,
    );
    await alice.close();
    const again = await connect({ servers: world.url, creds: second });
    expect((await again.list()).map(({ vmId }) => vmId)).toEqual([`${name}-cell`]);
    expect(await auth("revoke", name)).toMatchObject({ revoked: true, inForce: true });
    expect(await isRefused(second)).toBe(true);
    await again.close();
    await expect(stat(file)).rejects.toMatchObject({ code: "ENOENT" });
  }
  const { sent, perSecond, failures } = await running.end();
  console.log(
    `${sent} commands, ${perSecond.toFixed(0)} a second (aim: ${COMMANDS_PER_SECOND}), while keys changed`,
  );
  await other.close();
  expect(failures).toEqual([]);
  expect(sent).toBeGreaterThan(COMMANDS_PER_SECOND);
});

it("gives the VMs of a revoked principal to another", async () => {
  await auth("add", "bob", "--role", "tenant");
  expect(await auth("transfer", "alice-1-0", "bob")).toMatchObject({
    ok: true,
    results: [{ vmId: CELL, ok: true }],
  });
  const bob = await connect({ servers: world.url, creds: join(world.stack.dataDir, "keys", "bob.creds") });
  expect((await bob.list()).map(({ vmId }) => vmId)).toEqual([CELL]);
  await bob.close();
});

it("lets in a principal by its password, and rotates that too", async () => {
  const { passwordFile } = await auth("add", "carol", "--role", "observer", "--password");
  expect(await modeOf(passwordFile)).toBe("600");
  const login = async () => JSON.parse(await readFile(passwordFile, "utf8"));
  const { url, user, password } = await login();
  const urlOf = (secret: string) => url.replace("://", `://${user}:${secret}@`);
  await (await connect({ servers: urlOf(password) })).close();
  await auth("rotate", "carol");
  await expect(connect({ servers: urlOf(password) })).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await (await connect({ servers: urlOf((await login()).password) })).close();
});

it("gives a new agent its key, and rotates the key of a running one", async () => {
  const { file } = await auth("add", "far", "--role", "agent", "--agent", "rack-7");
  expect(file).toMatch(/agents\/rack-7\.creds$/);
  await auth("rotate", "local");
  await eventually("the agent is back with its new key", async () => {
    const { stdout } = await world.bioxen("vm", "exec", CELL, "-e", "return 1", "--json");
    return stdout.includes("INVALID_TRANSITION") || undefined;
  });
  await world.bioxen("vm", "start", CELL);
  expect((await world.bioxen("vm", "exec", CELL, "-e", "return 6 * 7")).stdout).toContain("42");
});

it("replaces the keys of running services under load, and no command fails", async () => {
  attempts += 1;
  const before = world.stack.services();
  const keyed = before.filter(({ name }) => name !== "chassis-agent");
  expect(keyed.length).toBeGreaterThan(4);
  const other = await connect({ servers: world.url });
  const running = load(other);
  for (const { name } of keyed) {
    const file = join(world.stack.dataDir, "keys", "services", `${name}.creds`);
    const former = await seedOf(file);
    expect(await auth("rotate", `service:${name}`)).toMatchObject({ role: "service", inForce: true, file });
    const seed = await seedOf(file);
    expect(seed).not.toBe(former);
    expect(await isRefused(former)).toBe(true);
    // The service itself made its connections again, at a moment of its choice; the server had none to cut.
    const log = await readFile(join(world.stack.dataDir, "log", `${name}.log`), "utf8");
    expect(log, name).toContain("the connections use the new credentials");
  }
  const { sent, perSecond, failures } = await running.end();
  console.log(
    `${sent} commands, ${perSecond.toFixed(0)} a second, while ${keyed.length} services got new keys`,
  );
  await other.close();
  expect(failures).toEqual([]);
  expect(sent).toBeGreaterThan(keyed.length);
  // The processes are those from before: none ended because of its key.
  expect(world.stack.services()).toEqual(before);
});

it("replaces the key of a running agent, and every program has its answer", async () => {
  const before = world.stack.services();
  const file = join(world.stack.dataDir, "keys", "agents", "local.creds");
  const former = await seedOf(file);
  const other = await connect({ servers: world.url });
  const vm = other.vm(CELL);
  let isOver = false;
  let ran = 0;
  const failures: string[] = [];
  const runner = async () => {
    while (!isOver) {
      await vm
        .exec("return 6 * 7", { readOnly: true })
        .catch((thrown: Json) => failures.push(String(thrown)));
      ran += 1;
    }
  };
  const runners = Array.from({ length: PROGRAMS_AT_ONCE }, runner);
  await eventually("programs run", async () => ran > PROGRAMS_AT_ONCE || undefined);
  expect(await auth("rotate", "local")).toMatchObject({ role: "agent", inForce: true, file });
  const atEnd = ran;
  await eventually("programs run on", async () => ran > atEnd + PROGRAMS_AT_ONCE || undefined);
  isOver = true;
  await Promise.all(runners);
  await other.close();
  console.log(`${ran} programs while the agent got its new key`);
  // In the milliseconds of a reload, the server can answer that no service listens. The agent has no part in that.
  expect(failures.filter((one) => !one.includes("no service answers"))).toEqual([]);
  expect(failures.length).toBeLessThanOrEqual(PROGRAMS_AT_ONCE);
  expect(await isRefused(former)).toBe(true);
  expect(world.stack.services()).toEqual(before);
});

it.each([
  [["add", "agent", "--role", "tenant"], 2, "reserved"],
  [["rotate", "service:lifecicle"], 2, "did you mean lifecycle"],
  [["revoke", "service:lifecycle"], 2, "rotate service:lifecycle"],
  [["add", "Alice", "--role", "tenant"], 2, "a-z"],
  [["add", "dora", "--role", "agnet"], 2, "did you mean agent"],
  [["add", "dora", "--role", "tenant", "--agent", "x"], 2, "role agent"],
  [["add", "bob", "--role", "tenant"], 1, "already"],
  [["rotate", "carrol"], 2, "did you mean carol"],
  [["revoke", "admin"], 2, "rotate admin"],
])("refuses %s", async (args, code, text) => {
  const ended = await world.bioxen("auth", ...args);
  expect({ code: ended.code, stderr: ended.stderr }).toMatchObject({
    code,
    stderr: expect.stringContaining(text),
  });
});

it("makes keys for a server elsewhere, in files only", async () => {
  const dir = join(world.dir, "elsewhere");
  const { accounts } = await auth("init", "--out", dir, "--agent", "rack-7", "--server", "nats://10.0.0.5");
  const added = await auth("add", "dora", "--role", "tenant", "--password", "--keys", dir);
  expect(added).toMatchObject({ inForce: false, file: join(dir, "dora.creds") });
  expect(JSON.parse(await readFile(added.passwordFile, "utf8"))).toMatchObject({
    url: "nats://10.0.0.5",
    user: "dora",
  });
  const text = await readFile(accounts, "utf8");
  expect(text).toContain(added.publicKey);
  expect(text).toContain('"A-rack-7"');
  expect((await auth("ls")).keys.map(({ name }: Json) => name)).not.toContain("dora");
});

it("keeps the keys of a server elsewhere, and copies each to the folder of its user", async () => {
  const [dir, secrets] = [join(world.dir, "kept"), join(world.dir, "secrets")];
  await mkdir(join(secrets, "agents", "rack-9"), { recursive: true });
  const first = await auth("init", "--out", dir);
  const again = await auth("init", "--out", dir, "--keep", "--agent", "rack-9", "--secrets", secrets);
  expect(again.keys.slice(0, first.keys.length)).toEqual(first.keys);
  const copied = join(secrets, "agents", "rack-9", "nats.creds");
  expect(await seedOf(copied)).toBe(await seedOf(join(dir, "agents", "rack-9.creds")));
});

it("moves the streams of stopped servers to the account with keys, and back", async () => {
  const out = ["--out", join(world.dir, "moved"), "--keep"];
  const stores = ["a", "b"].map((name) => join(world.dir, name));
  for (const store of stores) await mkdir(join(store, "jetstream", "$G"), { recursive: true });
  const moves = stores.flatMap((store) => ["--store", store]);
  await auth("init", ...out, ...moves);
  for (const store of stores) expect(await readdir(join(store, "jetstream"))).toEqual(["LOG"]);
  await auth("init", ...out, ...moves, "--open");
  for (const store of stores) expect(await readdir(join(store, "jetstream"))).toEqual(["$G"]);
  expect(await world.bioxen("auth", "init", ...out, "--open")).toMatchObject({ code: 2 });
});

it("undoes a change that the server refuses", async () => {
  const keys = join(world.stack.dataDir, "keys");
  const before = await readFile(join(keys, "server", "principals.json"), "utf8");
  const config = join(world.stack.dataDir, "nats-server.conf");
  const text = await readFile(config, "utf8");
  await writeFile(config, `${text}\nno_such_setting: true\n`);
  const { code, stderr } = await world.bioxen("auth", "add", "eve", "--role", "tenant");
  await writeFile(config, text);
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining("no_such_setting") });
  expect(await readFile(join(keys, "server", "principals.json"), "utf8")).toBe(before);
  await expect(stat(join(keys, "eve.creds"))).rejects.toMatchObject({ code: "ENOENT" });
});

it("keeps the keys at a restart, those of principals too", async () => {
  const { keys } = await auth("ls");
  await world.restart();
  expect((await auth("ls")).keys).toEqual(keys);
  const bob = await connect({ servers: world.url, creds: join(world.stack.dataDir, "keys", "bob.creds") });
  expect((await bob.list()).map(({ vmId }) => vmId)).toEqual([CELL]);
  await bob.close();
});
