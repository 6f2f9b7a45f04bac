/**
 * Runs every command with `--json` on one real stack: the output must match its schema exactly, and the exit code must
 * be that of the contract. The commands under test also start and stop the stack.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SERVICES } from "@bioxen/local-stack";
import { Jobs } from "@bioxen/nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errorOutput } from "../../packages/cli/src/output/error-schema.ts";
import { OUTPUTS, type Output } from "../../packages/cli/src/output/schemas.ts";
import { commandPaths } from "../../packages/cli/src/program.ts";
import { Session } from "../../packages/cli/src/session.ts";
import { bioxenHere, type Ended } from "./in-process.ts";
import { CLI, eventually, type Json } from "./world.ts";

/** Interval at which the guest prints a line while its logs are followed, ms. */
const PRINT_INTERVAL_MS = 200;

/** Jobs of one VM that are submitted at once: enough that the last one waits when it is cancelled. */
const QUEUED_JOBS = 40;

let home: string;
let fleet: string;
let experiment: string;
let homeBefore: string | undefined;

beforeAll(async () => {
  homeBefore = process.env["BIOXEN_HOME"];
  home = await mkdtemp(join(tmpdir(), "bioxen-output-"));
  process.env["BIOXEN_HOME"] = home;
  process.env["BIOXEN_CONFIG"] = join(home, "config.yaml");
  fleet = join(home, "fleet.yaml");
  experiment = join(home, "experiment.yaml");
  const growth = { experiment: "growth", base: { biologicalType: "ecoli" }, replicates: 2 };
  await writeFile(experiment, JSON.stringify({ ...growth, untilMinute: 10, record: { everyMinutes: 10 } }));
  await writeFile(fleet, "fleet: lab\nvms: [{ vmId: f1, biologicalType: syn3a, state: stopped }]\n");
});
afterAll(async () => {
  await spawned("down", "--json");
  if (homeBefore === undefined) delete process.env["BIOXEN_HOME"];
  else process.env["BIOXEN_HOME"] = homeBefore;
  delete process.env["BIOXEN_CONFIG"];
  await rm(home, { recursive: true, force: true });
});

/** Runs a command in a child process: needed for commands that detach or read standard input. */
function spawned(...args: string[]): Promise<Ended> {
  return spawnedWith("", ...args);
}

function spawnedWith(stdin: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [CLI, ...args], (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr: "" });
    });
    child.stdin?.end(stdin);
  });
}

const checkedCommands = new Set<string>();

/** Fails when the value violates the schema, or has a field that the schema lacks. */
function expectExactly(schema: Output["schema"], value: unknown, what: string): void {
  const parsed = schema.safeParse(value);
  expect(parsed.error?.message, `${what}: ${JSON.stringify(value)}`).toBeUndefined();
  expect(parsed.data, what).toEqual(value);
}

/** Checks the exit code and the output of one run, and returns its first JSON document. */
function checked(command: string, { code, stdout }: Ended, exitCode = 0): Json {
  checkedCommands.add(command);
  const output = OUTPUTS[command];
  if (output === undefined) throw new Error(`${command} has no schema in packages/cli/src/output`);
  expect(code, `${command}: ${stdout}`).toBe(exitCode);
  const documents = stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Json);
  if (output.form === "document") expect(documents, stdout).toHaveLength(1);
  else expect(documents.length, `${command} printed nothing`).toBeGreaterThan(0);
  for (const one of documents) {
    const isRefusal = one.ok === false && one.error !== undefined;
    expectExactly(isRefusal ? errorOutput : output.schema, one, command);
  }
  return documents[0];
}

/** Runs the command named `words`, such as `vm create`, with `args` and `--json`, and checks the result. */
async function run(words: string, args: readonly string[] = [], exitCode = 0): Promise<Json> {
  const untilFirstOutput = OUTPUTS[words]?.form === "lines" || words === "fake-xapi";
  const ended = await bioxenHere([...words.split(" "), ...args, "--json"], { untilFirstOutput });
  return checked(words, ended, exitCode);
}

/** Runs a read-only command twice: as text for people, then with `--json`. */
async function runBoth(words: string, args: readonly string[] = []): Promise<Json> {
  const { code, stdout, stderr } = await bioxenHere([...words.split(" "), ...args]);
  expect(code, `${words}: ${stderr}`).toBe(0);
  expect(stdout.length, words).toBeGreaterThan(10);
  expect(stdout, words).not.toMatch(/^\{|undefined|\[object|NaN/m);
  return run(words, args);
}

describe("--json", () => {
  it("matches the schemas of the commands that start, inspect and configure a stack", async () => {
    const line = "up --detach --chassis ecoli:1,yeast:1 --time-scale 60 --json";
    const up = await spawned(...line.split(" "));
    checked("up", up);
    const { services } = await runBoth("status");
    const processes = services.flatMap((one: { processes: { pid: number }[] }) => one.processes);
    expect(new Set(processes.map(({ pid }: { pid: number }) => pid))).toHaveProperty("size", SERVICES.length);
    await runBoth("doctor");
    await run("support-bundle", [join(home, "support.zip")]);
    await runBoth("env");
    await run("console", ["--no-open"]);
    await run("completion", ["bash"]);
    const certs = join(home, "certs");
    await run("certs init", ["--out", certs, "--host", "nats.example", "--client", "bob"]);
    await run("certs init", ["--out", certs], 1);
    await run("certs add", [certs, "--client", "carol"]);
    await run("certs renew", [certs, "--within", "30"]);
    await runBoth("certs show", [certs]);
    const keys = join(home, "elsewhere");
    await run("auth init", ["--out", keys, "--agent", "rack-7"]);
    await run("auth init", ["--out", keys], 1);
    await run("auth add", ["alice", "--role", "tenant", "--keys", keys, "--password"]);
    await run("auth add", ["alice", "--role", "tenant", "--keys", keys], 1);
    await run("auth add", ["service", "--role", "tenant", "--keys", keys], 2);
    await run("auth add", ["far", "--role", "agent", "--agent", "rack-8", "--keys", keys]);
    await run("auth rotate", ["alice", "--keys", keys]);
    await runBoth("auth show", ["alice", "--keys", keys]);
    await runBoth("auth ls", ["--keys", keys]);
    await run("auth token", ["alice", "--keys", keys, "--expires", "12h"]);
    await run("auth token", ["alice", "--keys", keys, "--expires", "12"], 2);
    const absentServer = ["--server", "nats://127.0.0.1:1", "--timeout", "300"];
    await run("auth provision", ["--keys", keys, ...absentServer], 3);
    await run("auth revoke", ["alice", "--keys", keys]);
    await run("auth show", ["alice", "--keys", keys], 2);
    await run("config set", ["timeout", "15000"]);
    expect(await run("config get", ["timeout"])).toMatchObject({ value: 15_000, origin: "file" });
    await runBoth("config show");
    await run("config unset", ["timeout"]);
    await run("config get", ["timeuot"], 2);
    await run("fake-xapi");
    checked("up", await spawned("up", "--detach", "--json"), 1);
  });

  it("matches the schemas of all VM commands", async () => {
    await run("vm create", ["c1", "--type", "syn3a", "--label", "team=red", "--start"]);
    await run("vm create", ["c2", "--label", "team=red", "--guarantee", "atp=50%", "--burst", "atp=100%"]);
    await run("vm create", ["c1"], 1);
    await run("vm create", ["c3", "--type", "syn3"], 2);
    await run("vm create", ["c3", "--ribosomes", "many"], 2);
    const large = ["--type", "ecoli", "--ribosomes", "85%", "--rnap", "50%", "--chassis", "ecoli-1"];
    await run("vm create", ["c4", ...large, "--start"]);
    await run("vm start", ["c2"]);
    await runBoth("vm show", ["c1"]);
    await runBoth("vm show", ["c1", "--at", "8"]);
    await runBoth("vm ls");
    for (const ids of [["c1"], ["c1", "c2"], ["--selector", "team=red"]]) {
      await run("vm pause", ids);
      await run("vm resume", ids);
      await run("vm resize", [...ids, "--ribosomes", "90%"]);
      await run("vm set-environment", [...ids, "--substrate", "9000"]);
      await run("vm snapshot", [...ids, "--id", "s1"]);
    }
    await run("vm stop", ["c1", "absent"], 1);
    await run("vm stop", ["absent"], 1);
    await run("vm stop", [], 2);
    await run("vm start", ["c1"]);
    await runBoth("vm snapshots", ["c1"]);
    await run("vm restore", ["c1", "s1"]);
    await run("vm fork", ["c1", "c1-fork", "--from", "s1"]);
    await run("vm snapshots", ["c1", "--delete", "s1"]);
    await run("vm migrate", ["c1", "--to", "yeast-1"]);
    await run("vm exec", ["c1", "-e", "return cell.type"]);
    await run("vm exec", ["c1", "-e", "error('no')"], 1);
    const ids = await bioxenHere(["__ids", "vm"]);
    expect(ids.stdout.split("\n")).toContain("c1-fork");
    for (const words of ["vm history", "vm explain", "vm optimise"]) await runBoth(words, ["c1"]);
    await run("vm course", ["c1"], 1);
    await run("vm plot", ["c1"], 1);
    await run("vm create", ["recorded", "--record-every", "10", "--record-fields", "r,a"]);
    await runBoth("vm course", ["recorded"]);
    await runBoth("vm plot", ["recorded", "--fields", "r"]);
    await runBoth("vm rerun", ["recorded"]);
    await run("vm plot", ["recorded", "--out", "recorded.pdf"], 2);
    await runBoth("vm explain", ["c4"]);
    await runBoth("vm plan", ["--type", "ecoli"]);
    await runBoth("vm predict", ["--ribosomes", "50%,100%", "--nutrient", "0.3"]);
    await run("vm predict", ["--parameter-set", "weisse-2015"], 2);
    await runBoth("experiment plan", [experiment]);
    await run("experiment plan", [fleet], 2);
    await run("experiment run", [fleet], 2);
    await runBoth("experiment ls");
    await run("experiment show", ["absent"], 1);
    await run("experiment cancel", ["absent"], 1);
    await run("experiment plot", ["absent", "--x", "a", "--y", "r"], 1);
    await runBoth("vm plan", ["c1", "c4"]);
  });

  it("matches the schemas of the commands that follow a VM or the log", async () => {
    await run("vm watch", ["c1"]);
    const session = await Session.open({ server: (await run("status")).server.url });
    const source = "print('hello')";
    const print = () => void session.call("vmExec", { vmId: "c1", source }).catch(() => undefined);
    const printing = setInterval(print, PRINT_INTERVAL_MS);
    await run("vm logs", ["c1"]).finally(() => clearInterval(printing));
    await session.close();
    const typed = "1 + 1\nprint('x')\nerror('no')\n";
    checked("vm console", await spawnedWith(typed, "vm", "console", "c1", "--json"));
    await run("events tail", ["--from", "1"]);
    await run("events tail", ["--since", "1h", "--vm", "c1", "--type", "placed", "--no-follow"]);
    await run("events tail", ["--since", "1h", "--from", "1", "--no-follow"], 2);
    await runBoth("events tail", ["--no-follow"]);
    await run("metrics export");
  });

  it("matches the schemas of chassis, ledger, quota and log commands", async () => {
    await runBoth("chassis ls");
    await runBoth("chassis show", ["ecoli-1"]);
    await run("chassis show", ["nothing"], 1);
    await run("chassis register", ["y1", "--type", "yeast", "--agent", "absent", "--taint", "lab=p2"]);
    await run("chassis drain", ["y1", "--wait"]);
    await runBoth("chassis drain", ["y1", "--progress"]);
    for (const words of ["chassis cordon", "chassis uncordon", "chassis remove"]) await run(words, ["y1"]);
    await run("chassis rebalance", ["--dry-run"]);
    await runBoth("ledger show");
    await runBoth("ledger show", ["ecoli-1"]);
    await run("quota set", ["team=red", "--ribosomes", "20000"]);
    await runBoth("quota get", ["team=red"]);
    await runBoth("quota ls");
    await runBoth("models ls");
    await runBoth("models show", ["weisse"]);
    await run("models show", ["absent"], 1);
    for (const words of [
      "ledger verify",
      "events verify",
      "events seal",
      "events accept-older-log",
      "replay",
    ])
      await runBoth(words);
    const backup = join(home, "backup");
    await runBoth("backup create", [backup]);
    await runBoth("backup verify", [backup]);
    await run("backup verify", [home], 1);
    await run("backup restore", [backup, "--data", join(home, "restored")]);
    await run("backup restore", [backup, "--data", join(home, "restored")], 1);
    await runBoth("events show", ["5"]);
    await run("events show", ["100000"], 1);
    await run("events skip", ["5", "--reason", "a readable event is not skipped"], 1);
    await run("events unskip", ["5", "--reason", "it is not skipped"]);
    await runBoth("state", ["--at", "10"]);
    await run("state");
    await run("vm wait", ["c1", "--for", "running"]);
    await run("vm wait", ["c1", "--for", "destroyed", "--timeout", "300"], 3);
    await run("vm wait", ["absent", "--for", "running"], 1);
    await run("vm wait", ["c1"], 2);
    await runBoth("ps");
    await run("vm ls", ["--sort", "-age", "--state", "running"]);
    expect((await bioxenHere(["version", "--json"])).stdout).toContain("version");
    await run("version");
    const ids = (await bioxenHere(["vm", "list", "-q", "--sort", "id"])).stdout.trim().split("\n");
    expect(ids).toEqual([...ids].sort());
    const rows = (await bioxenHere(["vm", "ps", "--no-headers"])).stdout.trim().split("\n");
    expect(rows.map((row) => row.split(" ")[0])).toEqual(ids);
    const wide = (await bioxenHere(["vm", "ls", "-o", "wide"])).stdout;
    expect(wide.split("\n")[0]).toMatch(
      /VM .*VM TYPE +GUEST +RNAP +ATP\/S +DNA KB +VCPUS +MEM MIB +VERSION +LABELS/,
    );
    expect((await bioxenHere(["chassis", "list", "-q"])).stdout).toContain("ecoli-1");
    for (const [words, code] of [
      ["vm rm absent", 1],
      ["vm delete absent", 1],
      ["vm info absent", 1],
      ["vm ls --sort sice", 2],
    ] as const)
      expect((await bioxenHere(words.split(" "))).code, words).toBe(code);
    await run("top");
  });

  it("matches the schemas of job, alert and report commands", async () => {
    await run("jobs submit", ["vm.create", '{"vmId":"j1","biologicalType":"syn3a"}', "--id", "good"]);
    await run("jobs submit", ["vm.create", '{"vmId":"J"}', "--id", "bad", "--wait"], 1);
    await run("jobs show", ["bad"]);
    await runBoth("jobs ls");
    await run("jobs retry", ["bad"]);
    await eventually("the retried job failed again", async () => {
      const { stdout } = await bioxenHere(["jobs", "ls", "--failed", "--json"]);
      return JSON.parse(stdout).jobs[0]?.round === 2 || undefined;
    });
    await run("jobs drop", ["bad"]);
    await run("jobs drop", ["bad"], 1);
    await run("jobs cancel", ["good"], 1);
    const session = await Session.open({ server: (await run("status")).server.url });
    let round = 0;
    await eventually("a waiting job is cancelled", async () => {
      round += 1;
      // The last job waits for its turn, which is that of its VM.
      const ids = Array.from({ length: QUEUED_JOBS }, (_, i) => `queued-${round}-${i + 1}`);
      const jobs = new Jobs(session.bus);
      await Promise.all(ids.map((id) => jobs.submit("bioxen.cmd.vm.pause", { vmId: "j1" }, id)));
      const { code } = await bioxenHere(["jobs", "cancel", ids.at(-1) ?? ""]);
      // A second cancel of the same job changes nothing, and has the same form of reply.
      if (code === 0) await run("jobs cancel", [ids.at(-1) ?? ""]);
      return code === 0 || undefined;
    });
    await session.close();
    await run("alerts set", ["r1", "--metric", "vm.pendingMs", "--above", "1", "--for", "0"]);
    await eventually(
      "the alert on the pending VM c4 is raised",
      async () => (await run("alerts ls")).activeTotal > 0 || undefined,
    );
    for (const words of ["alerts rules", "alerts dead", "report"]) await runBoth(words);
    await runBoth("pool orphans");
    await run("pool adopt", ["absent"], 1);
    await run("pool delete", ["absent"], 1);
    await run("alerts retry", ["r1"]);
    await run("alerts remove", ["r1"]);
  });

  it("matches the schemas of apply, destroy and down, and of an unreachable server", async () => {
    await run("apply", ["-f", fleet, "--dry-run"]);
    await run("apply", ["-f", fleet], 2);
    await run("apply", ["-f", fleet, "--yes"]);
    const owner = (await run("vm show", ["c1"])).vm.owner;
    await run("auth transfer", [owner, "alice"]);
    await run("vm destroy", ["c1", "c2", "f1"]);
    await run("vm ls", ["--server", "nats://127.0.0.1:1", "--timeout", "300"], 3);
    checked("down", await spawned("down", "--json"));
    await run("vm ls", [], 3);
  });

  it("was checked for every command", async () => {
    // test/e2e/command.test.ts checks the output of the demo.
    checkedCommands.add("demo");
    expect((await commandPaths()).sort()).toEqual([...checkedCommands].sort());
  });
});
