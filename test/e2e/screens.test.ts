/**
 * Runs every command with text output on terminals of 60, 80 and 120 columns, with ids of the greatest length: no line
 * is wider than the terminal, so that the terminal wraps none.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { commandPaths } from "../../packages/cli/src/program.ts";
import { width } from "../../packages/cli/src/screen.ts";
import { bioxenHere, type RunOptions, useStackOf } from "./in-process.ts";
import { eventually, World } from "./world.ts";

const WIDTHS = [60, 80, 120] as const;
/** Longest id of a VM, a chassis, a rule or a job, characters. */
const MAX_ID = 63;
/**
 * Commands that print a text for another program, or a text that the user copies, exactly as it is. Their output can be
 * wider than the terminal.
 */
const AS_IT_IS = ["completion", "env", "metrics export", "events seal"];

let world: World;
let dir: string;
let homeOfNone: string;

beforeAll(async () => {
  world = await World.shared({ chassis: "ecoli:1,yeast:1" });
  useStackOf(world);
  dir = await mkdtemp(join(tmpdir(), "bioxen-screens-"));
  homeOfNone = join(dir, "none");
  vi.stubEnv("BIOXEN_CONFIG", join(dir, "config.yaml"));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await world?.close();
  await rm(dir, { recursive: true, force: true });
});

/** Returns an id of the greatest length. */
const longId = (start: string, columns: number) => `${start}-${columns}-`.padEnd(MAX_ID, "x");

/** The commands that were checked, by width. */
const checked = new Map<number, Set<string>>(WIDTHS.map((columns) => [columns, new Set()]));

/** Runs a command on a terminal of this width and checks the width of each line. Returns the output. */
async function show(
  columns: number,
  words: string,
  args: readonly string[] = [],
  options: RunOptions & { readonly code?: number } = {},
): Promise<string> {
  const { code: wanted = 0, ...others } = options;
  const { code, stdout, stderr } = await bioxenHere([...words.split(" "), ...args], { ...others, columns });
  // A progress line is erased before the text that follows it.
  const text = stripVTControlCharacters(`${stdout}${stderr}`).replaceAll(/[^\n]*\r/g, "");
  expect(code, `${words}: ${text}`).toBe(wanted);
  expect(text, words).not.toMatch(/undefined|\[object|NaN|\d\.\d{7}|\d\.\d+e-\d/);
  checked.get(columns)?.add(words);
  if (AS_IT_IS.includes(words)) return text;
  for (const line of text.split("\n")) {
    const problem = `${words} at ${columns} columns: ${line}`;
    expect(width(line), problem).toBeLessThanOrEqual(columns);
  }
  return text;
}

const untilFirstOutput = { untilFirstOutput: true };

describe.each(WIDTHS)("on a terminal of %i columns", (columns) => {
  const cell = longId("cell", columns);
  const twin = longId("twin", columns);
  const chassis = longId("chassis", columns);
  const rule = longId("rule", columns);
  const job = longId("job", columns);
  const label = `${longId("team", columns)}=${longId("red", columns)}`;
  const run = (words: string, args?: readonly string[], options?: RunOptions & { readonly code?: number }) =>
    show(columns, words, args, options);

  it("commands on a VM fit", async () => {
    expect(await run("vm ls", ["--label", label])).toContain("no VM matches");
    await run("chassis register", [chassis, "--type", "yeast", "--agent", "local"]);
    await eventually(`${chassis} is ready`, async () => {
      const reply = await world.look("qry.chassis.get", { chassisId: chassis });
      return reply.chassis?.state === "ready" ? true : undefined;
    });
    await run("vm plan", ["--type", "ecoli"]);
    await run("vm predict", ["--type", "ecoli", "--ribosomes", "50%"]);
    await run("vm predict", ["--ribosomes", "50%,100%", "--atp", "50%,100%", "--nutrient", "0.2,0.5"]);
    const experiment = join(dir, `experiment-${columns}.yaml`);
    const sweep = "sweep: { environment.nutrientQuality: [0.1, 0.2], resources.ribosomes: [50%, 100%] }";
    const until = "untilMinute: 10\nrecord: { everyMinutes: 10 }";
    const base = "base: { biologicalType: ecoli }";
    await writeFile(
      experiment,
      `experiment: ${longId("e", columns).slice(2)}\n${base}\n${sweep}\n${until}\n`,
    );
    await run("experiment plan", [experiment]);
    await run("experiment run", [experiment]);
    await run("experiment ls");
    await run("experiment show", [longId("e", columns).slice(2)]);
    await run("experiment show", ["absent"], { code: 1 });
    await run("experiment cancel", ["absent"], { code: 1 });
    await run("experiment plot", ["absent", "--x", "a", "--y", "r"], { code: 1 });
    await run("vm create", [cell, "--chassis", chassis, "--label", label, "--start"]);
    await run("vm create", [twin, "--type", "ecoli", "--label", label]);
    await run("vm start", [twin]);
    await run("vm show", [cell]);
    await run("vm show", [twin]);
    const listed = await run("vm ls");
    expect(listed).toContain("DOUBLING");
    await run("ps", ["--sort", "-age"]);
    await run("version");
    expect(listed).toContain("HEALTH");
    expect(listed).toContain("…");
    for (const words of ["vm history", "vm explain", "vm optimise"]) await run(words, [cell]);
    await run("vm course", [cell], { code: 1 });
    await run("vm plot", [cell], { code: 1 });
    await run("vm rerun", [twin]);
    await run("vm explain", [twin]);
    await run("vm history", [twin]);
    await run("vm plan", [cell, twin]);
    await run("vm pause", [cell]);
    await run("vm resume", [cell]);
    await run("vm wait", [cell, "--for", "running"]);
    await run("vm wait", [cell, twin, "--for", "destroyed", "--timeout", "300"], { code: 3 });
    await run("vm resize", [cell, "--ribosomes", "90%"]);
    await run("vm set-environment", [cell, "--nutrient", "0.3", "--at-minute", "100000"]);
    expect(await run("vm snapshots", [cell])).toContain("bioxen vm snapshot");
    await run("vm snapshot", [cell, "--id", longId("snapshot", columns)]);
    await run("vm snapshots", [cell]);
    await run("vm restore", [cell, longId("snapshot", columns)]);
    await run("vm fork", [cell, longId("fork", columns)]);
    await run("vm exec", [cell, "-e", "return cell.type"]);
    await run("vm exec", [cell, "-e", "error('no')"], { code: 1 });
    await run("vm watch", [cell], untilFirstOutput);
    await run("vm migrate", [cell, "--to", "ecoli-1"], { code: 1 });
    await run("vm migrate", [longId("absent", columns)], { code: 1 });
  });

  it("commands on chassis, ledgers, quotas and the log fit", async () => {
    await run("chassis ls");
    await run("chassis show", [chassis]);
    await run("chassis drain", [chassis]);
    await run("chassis drain", [chassis, "--progress"]);
    const refused = await run("chassis uncordon", [chassis], { code: 1 });
    expect(refused).toContain("Cancel the drain with: bioxen chassis drain");
    await run("chassis drain", [chassis, "--cancel"]);
    await run("chassis cordon", [chassis]);
    await run("chassis uncordon", [chassis]);
    await run("chassis remove", [chassis], { code: 1 });
    await run("chassis rebalance", ["--dry-run"]);
    await run("ledger show");
    await run("ledger show", [chassis]);
    await run("ledger verify");
    await run("quota set", [label, "--ribosomes", "20000", "--dna", "5000"]);
    await run("quota get", [label]);
    await run("quota ls");
    await run("models ls");
    await run("models show", ["weisse"]);
    await run("quota set", [label, "--lift"]);
    const { lastSeq } = JSON.parse((await bioxenHere(["events", "verify", "--json"])).stdout);
    for (const words of ["events verify", "events seal", "events accept-older-log", "replay", "top --once"]) {
      await run(words);
    }
    checked.get(columns)?.add("top");
    const own = await mkdtemp(join(dir, "backup-"));
    await run("backup create", [join(own, "backup")]);
    await run("backup verify", [join(own, "backup")]);
    await run("backup restore", [join(own, "backup"), "--data", join(own, "data")]);
    await run("backup verify", [join(dir, "absent")], { code: 1 });
    await run("events show", [String(lastSeq)]);
    await run("events show", ["100000000"], { code: 1 });
    await run("events tail", ["--from", String(Math.max(1, lastSeq - 200)), "--no-follow"]);
    await run("events skip", [String(lastSeq), "--reason", "a readable event is not skipped"], { code: 1 });
    await run("events unskip", [String(lastSeq), "--reason", "it is not skipped"]);
    await run("state", ["--at", String(lastSeq)]);
  });

  it("commands on jobs, alerts, reports and settings fit", async () => {
    await run("jobs ls");
    await run("jobs submit", ["vm.create", '{"vmId":"J","priority":9}', "--id", job, "--wait"], { code: 1 });
    await run("jobs ls");
    await run("jobs show", [job]);
    await run("jobs retry", [job]);
    await eventually("the retried job failed again", async () => {
      const { stdout } = await bioxenHere(["jobs", "ls", "--failed", "--json"]);
      return JSON.parse(stdout).jobs.some(({ round }: { round: number }) => round === 2) || undefined;
    });
    await run("jobs cancel", [job], { code: 1 });
    await run("jobs drop", [job]);
    await run("alerts set", [rule, "--metric", "vm.health", "--above", "0", "--for", "0", "--label", label]);
    await eventually("the alert is raised", async () => {
      const { stdout } = await bioxenHere(["alerts", "ls", "--rule", rule, "--json"]);
      return JSON.parse(stdout).activeTotal > 0 || undefined;
    });
    for (const words of ["alerts ls", "alerts rules", "alerts dead", "report", "status"]) await run(words);
    await run("doctor");
    await run("support-bundle", [join(dir, `${columns}.zip`)]);
    await run("pool orphans");
    await run("pool adopt", ["absent"], { code: 1 });
    await run("pool delete", ["absent"], { code: 1 });
    await run("alerts retry", [rule]);
    await run("alerts remove", [rule]);
    await run("metrics export");
    await run("completion", ["bash"]);
    const certs = join(dir, `certs-${columns}`);
    await run("certs init", [
      "--out",
      certs,
      "--host",
      `${"long.".repeat(20)}example`,
      "--client",
      longId("client", columns),
    ]);
    await run("certs init", ["--out", certs], { code: 1 });
    await run("certs add", [certs, "--client", longId("other", columns)]);
    await run("certs renew", [certs]);
    await run("certs show", [certs]);
    const keys = join(dir, `keys-${columns}`);
    const tenant = longId("tenant", columns);
    await run("auth init", ["--out", keys, "--agent", longId("agent", columns)]);
    await run("auth init", ["--out", keys], { code: 1 });
    await run("auth add", [tenant, "--role", "tenant", "--password", "--keys", keys]);
    await run("auth ls", ["--keys", keys]);
    await run("auth show", [tenant, "--keys", keys]);
    await run("auth rotate", [tenant, "--keys", keys]);
    await run("auth revoke", [tenant, "--keys", keys]);
    const absentServer = ["--server", "nats://127.0.0.1:1", "--timeout", "300"];
    await run("auth provision", ["--keys", keys, ...absentServer], { code: 3 });
    await run("auth transfer", [tenant, longId("other", columns)]);
    await run("env");
    await run("config show", ["--origin"]);
    await run("config set", ["up.data", `/tmp/${"long/".repeat(30)}`]);
    await run("config show", ["--origin"]);
    await run("config get", ["timeout"]);
    await run("config unset", ["up.data"]);
    await run("fake-xapi", [], untilFirstOutput);
  });

  it("fleets, and the end of VMs, fit", async () => {
    const fleet = join(dir, `fleet-${columns}.yaml`);
    const vm = `{ vmId: ${longId("fleet", columns)}, biologicalType: syn3a, state: stopped }`;
    await writeFile(fleet, `fleet: ${longId("lab", columns)}\nvms: [${vm}]\n`);
    await run("apply", ["-f", fleet, "--dry-run"]);
    await run("apply", ["-f", fleet, "--yes"]);
    await run("vm stop", [cell]);
    await run("vm stop", [cell, longId("absent", columns)], { code: 1 });
    const all = [cell, twin, longId("fork", columns), longId("fleet", columns)];
    await run("vm destroy", all);
    await run("chassis remove", [chassis]);
  });

  it("a stack that starts and stops, and its absence, fit", async () => {
    vi.stubEnv("BIOXEN_HOME", homeOfNone);
    try {
      await run("down");
      await run("vm ls", [], { code: 3 });
      const data = join(dir, `data-${columns}`);
      await run("up", ["--data", data, "--chassis", "ecoli:1"], untilFirstOutput);
    } finally {
      vi.stubEnv("BIOXEN_HOME", world.home);
    }
  });

  it("the help of every command fits", async () => {
    for (const path of await commandPaths()) {
      const text = (await bioxenHere([...path.split(" "), "--help"], { columns })).stdout;
      for (const line of text.split("\n"))
        expect(width(line), `${path}: ${line}`).toBeLessThanOrEqual(columns);
    }
  });
});

it("every command was checked at every width", async () => {
  // The demo is checked in test/e2e/command.test.ts, logs and console show what the guest prints, as it is. A token and the
  // address with a code are copied as a whole, so that they are never broken into lines.
  const others = ["demo", "vm logs", "vm console", "auth token", "console"];
  const all = (await commandPaths()).filter((path) => !others.includes(path)).sort();
  for (const columns of WIDTHS) {
    const seen = checked.get(columns) ?? new Set();
    expect(
      all.filter((path) => !seen.has(path)),
      `${columns} columns`,
    ).toEqual([]);
  }
});
