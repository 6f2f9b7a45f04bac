/**
 * Backups on a real stack with keys: a quiet BioXen is restored with every answer as it was, its cells continue bit for
 * bit, an increment has only what is new, and each flipped byte is found.
 */
import { cp, mkdir, open, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { datedName } from "@bioxen/backup";
import { WEISSE } from "@bioxen/cell-models";
import { type LocalStack, startLocalStack } from "@bioxen/local-stack";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CliProcess, environmentIn } from "./cli-process.ts";
import { eventually, type Json, World } from "./world.ts";

const EVERY = 5;
const PROGRAM = "state.n = 0 function on_minute(_, minutes) state.n = state.n + minutes end";

let world: World;
let restored: LocalStack | undefined;
beforeAll(async () => {
  process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"] = "1000";
  world = await World.open({ keys: true, chassis: "ecoli:1" });
});
afterAll(async () => {
  delete process.env["BIOXEN_CHECKPOINT_INTERVAL_MS"];
  await restored?.stop();
  await world.close();
});

const passphrase = () => join(world.dir, "passphrase");
const backup = () => join(world.dir, "backup");

async function json(cli: CliProcess, ...args: string[]): Promise<Json> {
  const result = await cli.run([...args, "--json"]);
  expect(result.code, `bioxen ${args.join(" ")}: ${result.stdout}${result.stderr}`).toBe(0);
  return JSON.parse(result.stdout);
}

async function filesOf(dir: string): Promise<string[]> {
  const names = (await readdir(dir, { recursive: true })).map((name) => join(dir, name)).sort();
  const sizes = await Promise.all(names.map((name) => stat(name)));
  return names.filter((_, i) => sizes[i]?.isFile() === true && (sizes[i]?.size ?? 0) > 0);
}

/** Changes one byte of the file; a second call with the same position changes it back. */
async function flip(path: string, position: number): Promise<void> {
  const file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, position);
  byte[0] = (byte[0] ?? 0) ^ 1;
  await file.write(byte, 0, 1, position);
  await file.close();
}

it("writes a backup of a stack with keys, and an increment with only what is new", async () => {
  const record = { everyMinutes: EVERY, fields: ["r", "growthRatePerMinute"] };
  for (const vmId of ["cell-a", "cell-b"]) {
    const vm = { vmId, biologicalType: "syn3a", seed: 7, program: PROGRAM, record };
    await world.done("cmd.vm.create", vm);
    await world.done("cmd.vm.start", { vmId });
  }
  await world.sample("cell-a", (sample) => sample.simMinutes > 60);
  await world.done("cmd.vm.snapshot", { vmId: "cell-a", snapshotId: "early" });
  const first = await world.bioxenJson("backup", "create", backup());
  expect(first).toMatchObject({
    ok: true,
    incremental: false,
    clusterId: expect.stringMatching(/^[0-9a-f]{16}$/),
  });
  await world.done("cmd.vm.pause", { vmId: "cell-a" });
  await world.done("cmd.vm.pause", { vmId: "cell-b" });
  const more = await world.bioxenJson("backup", "create", backup(), "--incremental");
  expect(more).toMatchObject({ ok: true, incremental: true, clusterId: first.clusterId });
  expect(more.seq).toBeGreaterThan(first.seq);
  expect(more.bytesAdded).toBeLessThan(more.bytes);
  const verified = await world.bioxenJson("backup", "verify", backup());
  expect(verified).toMatchObject({ state: "valid", seq: more.seq, problems: [], leftovers: [] });
});

it("keeps the youngest dated backups of a folder", async () => {
  const parent = join(world.dir, "nightly");
  const made: string[] = [];
  for (const removed of [0, 0, 1]) {
    const { dir, ...written } = await world.bioxenJson("backup", "create", parent, "--keep", "2");
    expect(written.removed).toEqual(made.splice(0, removed).map((path) => basename(path)));
    made.push(dir);
    // The next folder has another second in its name.
    await eventually("a second has passed", () => (datedName(Date.now()) > basename(dir) ? true : undefined));
  }
  expect((await readdir(parent)).sort()).toEqual(made.map((path) => basename(path)));
  for (const dir of made) expect((await world.bioxenJson("backup", "verify", dir)).state).toBe("valid");
  const both = await world.bioxen("backup", "create", parent, "--keep", "2", "--incremental");
  expect(both.code).toBe(2);
});

it("finds a flipped byte in any file", async () => {
  const files = await filesOf(backup());
  expect(files.length).toBeGreaterThanOrEqual(8);
  for (const file of files) {
    const { size } = await stat(file);
    for (const position of new Set([0, Math.floor(size / 2), size - 1])) {
      await flip(file, position);
      const result = await world.bioxen("backup", "verify", backup(), "--json");
      expect(result.code, `${file} at ${position}`).toBe(1);
      expect(JSON.parse(result.stdout)).toMatchObject({ state: "damaged" });
      await flip(file, position);
    }
  }
  expect(await world.bioxenJson("backup", "verify", backup())).toMatchObject({ state: "valid" });
});

it("calls an interrupted backup incomplete, and replaces it", async () => {
  const dir = join(world.dir, "interrupted");
  await mkdir(join(dir, "streams"), { recursive: true });
  await cp(join(backup(), "bioxen-backup"), join(dir, "bioxen-backup"));
  await writeFile(join(dir, "streams", "BIOXEN_EVENTS-000001-messages-1.zst"), "half a file");
  const result = await world.bioxen("backup", "verify", dir, "--json");
  expect(result.code).toBe(1);
  expect(JSON.parse(result.stdout)).toMatchObject({ state: "incomplete" });
  const restore = await world.bioxen("backup", "restore", dir, "--data", join(world.dir, "never"), "--json");
  expect(restore.code).toBe(1);
  await world.bioxenJson("backup", "create", dir, "--incremental");
  expect(await world.bioxenJson("backup", "verify", dir)).toMatchObject({ state: "valid", leftovers: [] });
});

it("refuses a directory of something else, and a backup of another log", async () => {
  const dir = join(world.dir, "data");
  const foreign = await world.bioxen("backup", "create", dir, "--json");
  expect(foreign.code).toBe(1);
  expect(JSON.parse(foreign.stdout).error).toMatchObject({ code: "CONFLICT" });
  const used = await world.bioxen("backup", "restore", backup(), "--data", dir, "--json");
  expect(used.code).toBe(1);
  expect(JSON.parse(used.stdout).error).toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining("not empty"),
  });
  const nowhere = await world.bioxen("backup", "restore", backup());
  expect(nowhere.code).toBe(2);
});

// A retry would find the stack stopped.
it("restores every answer, and the cells continue bit for bit", async () => {
  const keys = join(world.dir, "data", "keys");
  const seed = /^S[A-Z2-7]{50,}$/m.exec(await readFile(join(keys, "admin.creds"), "utf8"))?.[0] ?? "no seed";
  expect(seed).not.toBe("no seed");
  await writeFile(passphrase(), "correct horse battery\n");
  const alone = await world.bioxen("backup", "create", backup(), "--with-keys");
  expect(alone.code).toBe(2);
  await writeFile(join(world.dir, "short"), "short");
  const short = await world.bioxen(
    "backup",
    "create",
    backup(),
    "--with-keys",
    "--passphrase-file",
    join(world.dir, "short"),
  );
  expect(short.stderr).toContain("too short");
  const flags = ["--with-keys", "--passphrase-file", passphrase()];
  expect(await world.bioxenJson("backup", "create", backup(), "--incremental", ...flags)).toMatchObject({
    keys: true,
  });
  for (const file of await filesOf(backup())) expect((await readFile(file)).includes(seed), file).toBe(false);
  const before = await answers((...args) => world.bioxenJson(...args));
  const { vm } = await world.bioxenJson("vm", "show", "cell-a");
  const { rows } = await world.bioxenJson("vm", "course", "cell-a");
  await world.nats.close();
  await world.stack.stop();
  const dataDir = join(world.dir, "restored");
  const home = join(world.dir, "home");
  const cli = new CliProcess(environmentIn(home));
  await writeFile(join(world.dir, "wrong"), "incorrect horse battery");
  const restore = ["backup", "restore", backup(), "--data", dataDir, "--passphrase-file"];
  const wrong = await cli.run([...restore, join(world.dir, "wrong"), "--json"]);
  expect(JSON.parse(wrong.stdout).error).toMatchObject({ code: "FORBIDDEN" });
  const result = await json(cli, ...restore, passphrase());
  expect(await readFile(join(dataDir, "keys", "admin.creds"), "utf8")).toContain(seed);
  expect((await stat(join(dataDir, "keys", "admin.creds"))).mode & 0o777).toBe(0o600);
  expect(result.clusterId).not.toBe((await manifest()).log.clusterId);
  // A record of the original beside the restored log: another log, which an operator has to accept.
  await cp(join(world.dir, "data", "log-record.json"), join(dataDir, "log-record.json"));
  const options = { dataDir, home, chassis: "ecoli:1", timeScale: 60, logLevel: "warn" };
  await expect(startLocalStack(options)).rejects.toThrow("this is another event log");
  restored = await startLocalStack({ ...options, acceptOlderLog: true });
  expect(await answers((...args) => json(cli, ...args), before.seq)).toEqual(before);
  expect(await json(cli, "events", "verify")).toMatchObject({ violations: [] });

  await json(cli, "vm", "resume", "cell-a");
  const last = Number(rows.at(-1)[0]) + 60;
  const course = await eventually("cell-a grows on", async () => {
    const now = await json(cli, "vm", "course", "cell-a");
    return Number(now.rows.at(-1)?.[0] ?? 0) >= last ? now : undefined;
  });
  // The cell continues from its last checkpoint, and records the minutes after it once more.
  expect(course.rows.slice(0, rows.length)).toEqual(rows);
  expect(course.rows.map(([minute, _branch, ...values]: Json) => [minute, ...values])).toEqual(
    computed(vm, course.rows.at(-1)[0]),
  );
  cli.end();
});

async function manifest(): Promise<Json> {
  return JSON.parse(await readFile(join(backup(), "manifest.json"), "utf8")).manifest;
}

/** What the public commands say of the state at the end of the backup. */
async function answers(ask: (...args: string[]) => Promise<Json>, atSeq?: number): Promise<Json> {
  const seq = atSeq ?? (await manifest()).log.seq;
  return {
    seq,
    state: await ask("state", "--at", String(seq)),
    snapshots: await ask("vm", "snapshots", "cell-a"),
  };
}

/** The rows of the same cell without an interruption, computed by the model alone. */
function computed(vm: Json, lastMinute: number): number[][] {
  const cell = WEISSE.boot({ biologicalType: "syn3a", seed: vm.seed, allocation: vm.allocation });
  if (!("stateValues" in cell)) throw new Error("a cell of this model is not computed at once");
  const at = WEISSE.stateVariables?.findIndex(({ name }) => name === "r") ?? -1;
  const rows: number[][] = [];
  for (;;) {
    rows.push([cell.simMinutes, cell.stateValues()[at] ?? Number.NaN, cell.sample().growthRatePerMinute]);
    if (cell.simMinutes >= lastMinute) return rows;
    cell.advance(EVERY);
  }
}
