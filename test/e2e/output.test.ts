/**
 * Every command with `--json` on one real stack: what it prints is what its schema says, nothing more and nothing less, and it ends with
 * the exit code of the contract. The stack itself is brought up and ended by the commands under test.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errorOutput, OUTPUTS, type Output } from "../../packages/cli/src/output/schemas.ts";
import { commandPaths } from "../../packages/cli/src/program.ts";
import { Session } from "../../packages/cli/src/session.ts";
import { bioxenHere, type Ended } from "./in-process.ts";
import { CLI, eventually, type Json } from "./world.ts";

/** A guest that is listened to says something so often, ms. */
const TALK_INTERVAL_MS = 200;

let home: string;
let fleet: string;
let homeBefore: string | undefined;

beforeAll(async () => {
  homeBefore = process.env["BIOXEN_HOME"];
  home = await mkdtemp(join(tmpdir(), "bioxen-output-"));
  process.env["BIOXEN_HOME"] = home;
  process.env["BIOXEN_CONFIG"] = join(home, "config.yaml");
  fleet = join(home, "fleet.yaml");
  await writeFile(fleet, "fleet: lab\nvms: [{ vmId: f1, biologicalType: syn3a, state: stopped }]\n");
});
afterAll(async () => {
  await spawned("down", "--json");
  if (homeBefore === undefined) delete process.env["BIOXEN_HOME"];
  else process.env["BIOXEN_HOME"] = homeBefore;
  delete process.env["BIOXEN_CONFIG"];
  await rm(home, { recursive: true, force: true });
});

/** In a process of its own: what goes to the background, or reads standard input. */
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

const tried = new Set<string>();

/** What `schema` leaves out would be printed and not be said. */
function expectExactly(schema: Output["schema"], value: unknown, what: string): void {
  const parsed = schema.safeParse(value);
  expect(parsed.error?.message, `${what}: ${JSON.stringify(value)}`).toBeUndefined();
  expect(parsed.data, what).toEqual(value);
}

/** Checks one run; what it printed. */
function checked(command: string, { code, stdout }: Ended, exitCode = 0): Json {
  tried.add(command);
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

/** `words`: how the command is called; what follows are its arguments. */
async function run(words: string, args: readonly string[] = [], exitCode = 0): Promise<Json> {
  const untilFirstOutput = OUTPUTS[words]?.form === "lines" || words === "fake-xapi";
  const ended = await bioxenHere([...words.split(" "), ...args, "--json"], { untilFirstOutput });
  return checked(words, ended, exitCode);
}

/** What only looks, in words too. */
async function look(words: string, args: readonly string[] = []): Promise<Json> {
  const { code, stdout, stderr } = await bioxenHere([...words.split(" "), ...args]);
  expect(code, `${words}: ${stderr}`).toBe(0);
  expect(stdout.length, words).toBeGreaterThan(10);
  expect(stdout, words).not.toMatch(/^\{|undefined|\[object|NaN/m);
  return run(words, args);
}

describe("--json", () => {
  it("of what brings a stack up and looks at it", async () => {
    const up = await spawned(
      "up",
      "--detach",
      "--chassis",
      "ecoli:1,yeast:1",
      "--time-scale",
      "60",
      "--json",
    );
    checked("up", up);
    const { services } = await look("status");
    const processes = services.flatMap((one: { processes: { pid: number }[] }) => one.processes);
    expect(new Set(processes.map(({ pid }: { pid: number }) => pid))).toHaveProperty("size", 5);
    await look("doctor");
    await run("completion", ["bash"]);
    await run("config set", ["timeout", "15000"]);
    expect(await run("config get", ["timeout"])).toMatchObject({ value: 15_000, origin: "file" });
    await look("config show");
    await run("config unset", ["timeout"]);
    await run("config get", ["timeuot"], 2);
    await run("fake-xapi");
    checked("up", await spawned("up", "--detach", "--json"), 1);
  });

  it("of every command on VMs", async () => {
    await run("vm create", ["c1", "--type", "syn3a", "--label", "team=red", "--start"]);
    await run("vm create", ["c2", "--label", "team=red", "--guarantee", "atp=50%", "--burst", "atp=100%"]);
    await run("vm create", ["c1"], 1);
    await run("vm create", ["c3", "--type", "syn3"], 1);
    await run("vm create", ["c3", "--ribosomes", "many"], 2);
    const large = ["--type", "ecoli", "--ribosomes", "85%", "--rnap", "50%", "--chassis", "ecoli-1"];
    await run("vm create", ["c4", ...large, "--start"]);
    await run("vm start", ["c2"]);
    await look("vm show", ["c1"]);
    await look("vm show", ["c1", "--at", "8"]);
    await look("vm ls");
    for (const ids of [["c1"], ["c1", "c2"], ["--selector", "team=red"]]) {
      await run("vm pause", ids);
      await run("vm resume", ids);
      await run("vm resize", [...ids, "--ribosomes", "90%"]);
      await run("vm snapshot", [...ids, "--id", "s1"]);
    }
    await run("vm stop", ["c1", "nobody"], 1);
    await run("vm stop", ["nobody"], 1);
    await run("vm stop", [], 2);
    await run("vm start", ["c1"]);
    await look("vm snapshots", ["c1"]);
    await run("vm restore", ["c1", "s1"]);
    await run("vm fork", ["c1", "c1-fork", "--from", "s1"]);
    await run("vm snapshots", ["c1", "--delete", "s1"]);
    await run("vm migrate", ["c1", "--to", "yeast-1"]);
    await run("vm exec", ["c1", "-e", "return cell.type"]);
    await run("vm exec", ["c1", "-e", "error('no')"], 1);
    const ids = await bioxenHere(["__ids", "vm"]);
    expect(ids.stdout.split("\n")).toContain("c1-fork");
    for (const words of ["vm history", "vm explain", "vm optimise"]) await look(words, ["c1"]);
    await look("vm explain", ["c4"]);
    await look("vm plan", ["--type", "ecoli"]);
    await look("vm plan", ["c1", "c4"]);
  });

  it("of what follows a VM or the log", async () => {
    await run("vm watch", ["c1"]);
    const session = await Session.open({ server: (await run("status")).server.url });
    const source = "print('hello')";
    const talk = () => void session.call("vmExec", { vmId: "c1", source }).catch(() => undefined);
    const talking = setInterval(talk, TALK_INTERVAL_MS);
    await run("vm logs", ["c1"]).finally(() => clearInterval(talking));
    await session.close();
    const typed = "1 + 1\nprint('x')\nerror('no')\n";
    checked("vm console", await spawnedWith(typed, "vm", "console", "c1", "--json"));
    await run("events tail", ["--from", "1"]);
    await look("events tail", ["--no-follow"]);
    await run("metrics export");
  });

  it("of chassis, ledgers, quotas and the log", async () => {
    await look("chassis ls");
    await look("chassis show", ["ecoli-1"]);
    await run("chassis show", ["nothing"], 1);
    await run("chassis register", ["y1", "--type", "yeast", "--agent", "nobody", "--taint", "lab=p2"]);
    await run("chassis drain", ["y1", "--wait"]);
    await look("chassis drain", ["y1", "--progress"]);
    for (const words of ["chassis cordon", "chassis uncordon", "chassis remove"]) await run(words, ["y1"]);
    await run("chassis rebalance", ["--dry-run"]);
    await look("ledger show");
    await look("ledger show", ["ecoli-1"]);
    await run("quota set", ["team=red", "--ribosomes", "20000"]);
    await look("quota get", ["team=red"]);
    await look("quota ls");
    for (const words of ["ledger verify", "events verify", "events seal", "replay"]) await look(words);
    await look("events show", ["5"]);
    await run("events show", ["100000"], 1);
    await look("state", ["--at", "10"]);
    await run("top");
  });

  it("of jobs, alerts and reports", async () => {
    await run("jobs submit", ["vm.create", '{"vmId":"j1","biologicalType":"syn3a"}', "--id", "good"]);
    await run("jobs submit", ["vm.create", '{"vmId":"J"}', "--id", "bad", "--wait"], 1);
    await run("jobs show", ["bad"]);
    await look("jobs ls");
    await run("jobs retry", ["bad"]);
    await eventually("it is dead again", async () => {
      const { stdout } = await bioxenHere(["jobs", "ls", "--failed", "--json"]);
      return JSON.parse(stdout).jobs[0]?.round === 2 || undefined;
    });
    await run("jobs drop", ["bad"]);
    await run("jobs drop", ["bad"], 1);
    await run("alerts set", ["r1", "--metric", "vm.pendingMs", "--above", "1", "--for", "0"]);
    await eventually("c4 waits too long", async () => (await run("alerts ls")).activeTotal > 0 || undefined);
    for (const words of ["alerts rules", "alerts dead", "report"]) await look(words);
    await run("alerts retry", ["r1"]);
    await run("alerts remove", ["r1"]);
  });

  it("of apply and of destroying, of a server that is away, and of the end", async () => {
    await run("apply", ["-f", fleet, "--dry-run"]);
    await run("apply", ["-f", fleet], 2);
    await run("apply", ["-f", fleet, "--yes"]);
    await run("vm destroy", ["c1", "c2", "f1"]);
    await run("vm ls", ["--server", "nats://127.0.0.1:1", "--timeout", "300"], 3);
    checked("down", await spawned("down", "--json"));
    await run("vm ls", [], 3);
  });

  it("was tried of every command there is", () => {
    // Its output is checked where it runs: test/e2e/command.test.ts.
    tried.add("demo");
    expect([...commandPaths()].sort()).toEqual([...tried].sort());
  });
});
