/**
 * No command, and no `connect()`, outlives its deadline because a server is silent.
 */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@bioxen/client";
import { muteServer, type SilentServer, stoppedServer } from "@bioxen/testkit/silent-servers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandPaths } from "../../packages/cli/src/program.ts";
import { CliProcess, environmentIn } from "./cli-process.ts";
import { CLI, eventually } from "./world.ts";

/** Deadline of each request, ms. */
const TIMEOUT_MS = 200;
/**
 * Longest time of a command beyond its deadline, ms: some commands send several requests, and closing the connection
 * takes up to 3 s. The rest is for a busy machine.
 */
const GRACE_MS = 12_000;

const EXIT_DONE = 0;
const EXIT_REFUSED = 1;
const EXIT_UNREACHABLE = 3;

/** Commands that talk to no server, or that start their own. */
const WITHOUT_SERVER =
  /^(?:up|down|demo|fake-xapi|env|config .*|completion|version|vm predict|experiment plan|backup verify)$/;
/** Exit codes of the commands that say what is wrong with the server. */
const EXPECTED: Readonly<Record<string, number>> = { doctor: EXIT_REFUSED, "support-bundle": EXIT_DONE };
/** Arguments of the commands that need some. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  "vm create": ["c1", "--type", "syn3a", "--start"],
  "vm resize": ["c1", "--ribosomes", "300"],
  "vm set-environment": ["c1", "--nutrient", "0.3"],
  "vm wait": ["c1", "--for", "running"],
  "pool adopt": ["m1"],
  "pool delete": ["m1"],
  "vm plan": ["--type", "syn3a"],
  "vm restore": ["c1", "s1"],
  "vm fork": ["c1", "c2"],
  "vm exec": ["c1", "-e", "return 1", "--timeout-ms", "100"],
  "chassis register": ["e1", "--type", "ecoli", "--agent", "local"],
  "quota set": ["team=red", "--ribosomes", "1"],
  "quota get": ["team=red"],
  "auth transfer": ["alice", "bob"],
  "events show": ["1"],
  "events skip": ["1", "--reason", "a test"],
  "events unskip": ["1", "--reason", "a test"],
  state: ["--at", "1"],
  "jobs submit": ["vm.start", '{"vmId":"c1"}', "--wait"],
  "alerts set": ["r1", "--metric", "vm.health", "--below", "1", "--severity", "info"],
  top: ["--once"],
};
/** Commands whose one argument is an id. */
const TAKES_ID =
  /^(?:vm|chassis|jobs|alerts|experiment|models) (?:start|pause|resume|stop|destroy|migrate|show|history|course|plot|rerun|explain|watch|logs|console|snapshot|snapshots|optimise|drain|cordon|uncordon|remove|retry|cancel|drop)$/;
/** Commands that work on files of this machine. */
const ON_FILES = /^(?:certs |backup (?:verify|restore)$|auth (?:init|ls|add|show|rotate|revoke|token)$)/;

let dir: string;
let servers: Record<"mute" | "stopped" | "lone", SilentServer>;
/** The error of a connect to the lone mute server. It runs beside the other tests, because it takes 10 s. */
let refusedConnect: Promise<unknown>;
let processes: CliProcess[];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-silent-"));
  servers = { mute: await muteServer(), stopped: await stoppedServer(), lone: await muteServer() };
  refusedConnect = connect({ servers: servers.lone.url }).catch((thrown: unknown) => thrown);
  processes = [1, 2, 3].map(() => new CliProcess(environmentIn(dir)));
  await processes[0]?.run(["auth", "init", "--out", join(dir, "keys")]);
  const experiment = {
    experiment: "a",
    base: { biologicalType: "syn3a" },
    untilMinute: 1,
    record: { everyMinutes: 1 },
  };
  await writeFile(join(dir, "experiment.json"), JSON.stringify(experiment));
  await writeFile(join(dir, "fleet.yaml"), "fleet: lab\nvms:\n  - { vmId: a, biologicalType: syn3a }\n");
});
afterAll(async () => {
  for (const one of processes) one.end();
  for (const one of Object.values(servers)) one.close();
  await rm(dir, { recursive: true, force: true });
});

function argumentsOf(path: string): readonly string[] {
  if (path === "auth provision") return ["--keys", join(dir, "keys")];
  if (path.startsWith("backup ")) return [join(dir, "backup")];
  if (path === "support-bundle") return [join(dir, `${randomUUID()}.zip`)];
  if (path === "experiment plot") return ["a", "--x", "a", "--y", "r"];
  if (path === "experiment run") return [join(dir, "experiment.json")];
  if (path === "apply") return ["-f", join(dir, "fleet.yaml"), "--yes"];
  return ARGUMENTS[path] ?? (TAKES_ID.test(path) ? ["a1"] : []);
}

describe.each(["mute", "stopped"] as const)("with a %s server", (kind) => {
  it("every command ends in time, with exit code 3", async () => {
    const paths = (await commandPaths()).filter((path) => !WITHOUT_SERVER.test(path) && !ON_FILES.test(path));
    const outcomes: string[] = [];
    const work = paths.entries();
    const worker = async (cli: CliProcess) => {
      for (const [, path] of work) {
        const args = [...path.split(" "), ...argumentsOf(path)];
        const beganAtMs = performance.now();
        const { code, stderr } = await cli.run([
          ...args,
          "--server",
          servers[kind].url,
          "--timeout",
          `${TIMEOUT_MS}`,
        ]);
        const tookMs = Math.round(performance.now() - beganAtMs);
        const expected = EXPECTED[path] ?? EXIT_UNREACHABLE;
        if (code !== expected || tookMs > TIMEOUT_MS + GRACE_MS) {
          outcomes.push(`${args.join(" ")}: exit ${code} after ${tookMs} ms: ${stderr}`);
        }
      }
    };
    await Promise.all(processes.map(worker));
    expect(outcomes).toEqual([]);
  });

  it.each([
    ["vm", "ls"],
    ["events", "tail"],
    ["events", "verify"],
  ])("the process of %s %s ends too", async (...args) => {
    const line = [CLI, ...args, "--server", servers[kind].url, "--timeout", `${TIMEOUT_MS}`];
    const code = await new Promise((resolve) => {
      execFile(process.execPath, line, { timeout: TIMEOUT_MS + GRACE_MS }, (error) =>
        resolve(error?.code ?? 0),
      );
    });
    expect(code).toBe(EXIT_UNREACHABLE);
  });
});

describe("the library", () => {
  it("fails to connect to a mute server in time, and leaves no connection open", async () => {
    expect(await refusedConnect).toMatchObject({ code: "UNAVAILABLE" });
    await eventually("no connection is left", async () =>
      servers.lone.connections() === 0 ? true : undefined,
    );
  });

  it("refuses calls to a stopped server in time, and closes", async () => {
    const bioxen = await connect({ servers: servers.stopped.url, timeoutMs: TIMEOUT_MS });
    const next = bioxen.watchEvents({ from: 1 }).next();
    await expect(bioxen.call("vmList", {})).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(bioxen.jobs.submit("vmStart", { vmId: "c1" })).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
    const beganAtMs = performance.now();
    await bioxen.close();
    expect(performance.now() - beganAtMs).toBeLessThan(GRACE_MS);
    expect(await next).toMatchObject({ done: true });
  });
});
