/**
 * A damaged event log on real processes: a start is refused with one sentence, services that run end with it, `doctor` and
 * `events verify` name the same sequence, and `--accept-older-log` goes on with what is left.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LocalStack, startLocalStack } from "@bioxen/local-stack";
import { eventually } from "@bioxen/testkit/eventually";
import { connect } from "@nats-io/transport-node";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CLI, type CommandResult } from "./world.ts";

let dir: string;
let stack: LocalStack | undefined;
let said: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-damaged-"));
});
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
  await rm(dir, { recursive: true, force: true });
});

async function up(acceptOlderLog = false): Promise<LocalStack> {
  said = [];
  const onProgress = (line: string) => said.push(line);
  const dataDir = join(dir, "data");
  stack = await startLocalStack({
    // Without keys: the test deletes the log.
    keys: false,
    dataDir,
    home: dir,
    chassis: "ecoli:1",
    logLevel: "warn",
    onProgress,
    acceptOlderLog,
  });
  return stack;
}

async function down(): Promise<void> {
  await stack?.stop();
  stack = undefined;
}

async function ask(subject: string, payload: unknown) {
  const nats = await connect({ servers: stack?.url ?? "" });
  try {
    return (await nats.request(subject, JSON.stringify(payload), { timeout: 10_000 })).json<{
      vms?: unknown[];
    }>();
  } finally {
    await nats.close();
  }
}

async function createVms(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const vm = { vmId: `cell-${i}`, biologicalType: "syn3a" };
    expect(await ask("bioxen.cmd.vm.create", vm)).toMatchObject({ ok: true });
  }
}

async function block(): Promise<string> {
  const messages = join(dir, "data", "jetstream", "jetstream", "$G", "streams", "BIOXEN_EVENTS", "msgs");
  const [name = ""] = (await readdir(messages)).filter((file) => file.endsWith(".blk"));
  return join(messages, name);
}

function bioxen(...args: string[]): Promise<CommandResult> {
  const env = { ...process.env, BIOXEN_HOME: dir, BIOXEN_CONFIG: join(dir, "config.yaml"), NO_COLOR: "1" };
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

it("refuses a log that lost its end, and services end when the log is deleted under them", async () => {
  await up();
  await createVms(4);
  await down();
  const file = await block();
  await truncate(file, (await stat(file)).size - 300);
  const lost = /^acknowledged events are lost: event \d+ was stored.*--accept-older-log/;
  await expect(up()).rejects.toMatchObject({ code: "CONFLICT", message: expect.stringMatching(lost) });
  await up(true);
  expect(said).toContainEqual(expect.stringMatching(/^accepted: acknowledged events are lost: event \d+/));
  expect((await ask("bioxen.qry.vm.list", {})).vms).toHaveLength(3);

  const nats = await connect({ servers: stack?.url ?? "" });
  await nats.request("$JS.API.STREAM.DELETE.BIOXEN_EVENTS");
  await nats.close();
  await eventually(
    "every service has ended",
    () => (stack?.services().every(({ state }) => state === "failed") === true ? true : undefined),
    20_000,
  );
  const gone = "the event log is gone: the log known here";
  expect(await readFile(join(dir, "data", "log", "allocator.log"), "utf8")).toContain(gone);
  const doctor = await bioxen("doctor");
  expect(doctor.code).toBe(1);
  expect(doctor.stdout).toContain(`fail event log: ${gone}`);
  const verify = await bioxen("events", "verify");
  expect([verify.code, verify.stderr]).toEqual([1, expect.stringContaining(gone)]);
  await down();
  await expect(up()).rejects.toThrow(gone);
  await up(true);
  expect((await ask("bioxen.qry.vm.list", {})).vms).toEqual([]);
});

it("names the event that a flipped byte has made unreadable, everywhere alike", async () => {
  await up();
  await createVms(4);
  const sealed = JSON.parse((await bioxen("events", "seal", "--json")).stdout) as { seal: string };
  await down();
  const file = await block();
  const bytes = await readFile(file);
  let at = -1;
  for (let seq = 1; seq <= 3; seq += 1) at = bytes.indexOf("bioxen.evt", at + 1);
  bytes[at + 150] = (bytes[at + 150] ?? 0) ^ 1;
  await writeFile(file, bytes);
  const sentence = "event 3 is missing in the event log";
  await expect(up()).rejects.toThrow(sentence);
  await up(true);
  expect(said).toContain(`accepted: ${sentence}`);
  const verify = JSON.parse((await bioxen("events", "verify", "--json")).stdout);
  expect(verify).toMatchObject({ missingAccepted: 1 });
  expect((await bioxen("doctor")).stdout).toContain("event 3 given up");
  const compared = await bioxen("events", "verify", "--seal", sealed.seal, "--json");
  expect(compared.code).toBe(1);
  expect(JSON.parse(compared.stdout).violations).toContainEqual(expect.objectContaining({ rule: "seal" }));
});
