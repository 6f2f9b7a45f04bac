/**
 * Secrets in commands of a whole run: none of them is in the event log, in a reply, in the output of a command, in a
 * trace, in a log line or in the list of processes.
 */
import { execFile } from "node:child_process";
import { appendFile, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { strFromU8, unzipSync } from "fflate";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Collector } from "./collector.ts";
import { eventually, World } from "./world.ts";

const VARIABLES = {
  OTEL_BSP_SCHEDULE_DELAY: "500",
  OTEL_METRIC_EXPORT_INTERVAL: "1000",
  OTEL_BLRP_SCHEDULE_DELAY: "500",
};

let world: World;
let collector: Collector;
let planted = 0;

/** A value that stands nowhere else. The parts are joined here, so that the source of this test does not match. */
const secret = () => {
  planted += 1;
  return ["horse", "battery", planted].join("~");
};
const ANY_SECRET = new RegExp(["horse", "battery"].join("~"));

beforeAll(async () => {
  collector = await Collector.http();
  Object.assign(process.env, VARIABLES, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  world = await World.open({ chassis: "ecoli:1", logLevel: "info" });
});
afterAll(async () => {
  for (const name of ["OTEL_EXPORTER_OTLP_ENDPOINT", ...Object.keys(VARIABLES)]) delete process.env[name];
  await world.close();
  await collector.close();
});

/** Commands with a secret, each with the path that the refusal must name. */
const commands = (): [subject: string, payload: object, path: string][] => {
  const vm = { vmId: "leaky", biologicalType: "syn3a" };
  return [
    ["cmd.vm.create", { ...vm, config: { password: secret() } }, "config.password"],
    ["cmd.vm.create", { ...vm, config: { pool: [{ apiKey: secret() }] } }, "config.pool.0.apiKey"],
    ["cmd.vm.create", { ...vm, labels: { "db-password": secret() } }, "labels.db-password"],
    ["cmd.vm.create", { ...vm, program: `local db_password = "${secret()}"` }, "program"],
    ["cmd.vm.exec", { vmId: "sound", source: `token = "${secret()}" return 1` }, "source"],
    ["cmd.quota.set", { label: `password=${secret()}`, resources: {} }, "label"],
    [
      "cmd.chassis.register",
      { chassisId: "c", chassisType: "ecoli", agentId: "a", labels: { token: secret() } },
      "labels.token",
    ],
  ];
};

it("is in no output of a whole run", async () => {
  await world.done("cmd.vm.create", { vmId: "sound", biologicalType: "syn3a" });
  await world.done("cmd.vm.start", { vmId: "sound" });
  await world.reach("sound", "running");
  const outputs: string[] = [];
  for (const [subject, payload, path] of commands()) {
    const reply = await world.ask(subject, payload);
    expect(reply.error?.code, subject).toBe("BAD_REQUEST");
    const paths = reply.error.details.problems.map((problem: { path: string }) => problem.path);
    expect(paths, subject).toEqual([path]);
    outputs.push(JSON.stringify(reply));
  }
  const typed = await world.bioxen("vm", "exec", "sound", "-e", `api_key = "${secret()}" return 1`);
  expect(typed.code).toBe(1);
  outputs.push(typed.stdout, typed.stderr);
  for (const [i, payload] of [{ password: secret() }, { config: { password: secret() } }].entries()) {
    const job = { vmId: "leaky", biologicalType: "syn3a", ...payload };
    await world.ask("job.vm.create", job, `leaky-job-${i}`);
    const dead = await eventually("the malformed job is a dead letter", async () => {
      const { stdout } = await world.bioxen("jobs", "show", `leaky-job-${i}`, "--json");
      return stdout.includes('"payload"') ? stdout : undefined;
    });
    expect(dead).toContain("removed: it may be a credential");
    outputs.push(dead, (await world.bioxen("jobs", "ls", "--failed", "--json")).stdout);
  }
  const logDir = join(world.stack.dataDir, "log");
  for (const name of await readdir(logDir)) outputs.push(await readFile(join(logDir, name), "utf8"));
  const told = await world.bioxen("events", "tail", "--from", "1", "--no-follow", "--json");
  expect(told.stdout, "the log has the sound VM").toContain("vm/sound");
  const { stdout: processes } = await promisify(execFile)("ps", ["axww", "-o", "args"]);
  outputs.push(told.stdout, told.stderr, processes);
  await eventually("the traces of the refused commands are collected", () =>
    JSON.stringify(collector.spans).includes("BAD_REQUEST") ? true : undefined,
  );
  outputs.push(JSON.stringify([collector.spans, collector.logs, collector.metrics]));
  expect(planted).toBeGreaterThan(5);
  for (const output of outputs) expect(output).not.toMatch(ANY_SECRET);
});

it("is in no support bundle, although the logs have it", async () => {
  const log = join(world.stack.dataDir, "log", "monitor.log");
  const seed = `SU${"A2".repeat(28)}`;
  await appendFile(log, `{"msg":"login","password":"${secret()}"}\nPOOL_PASSWORD=${secret()}\n${seed}\n`);
  const file = join(world.stack.dataDir, "support.zip");
  const written = await world.bioxen("support-bundle", file);
  expect(written.code, written.stderr).toBe(0);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const files = unzipSync(await readFile(file));
  const texts = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, strFromU8(bytes)]));
  expect(JSON.parse(texts["bundle.json"] ?? "")).toMatchObject({ leftOut: [] });
  for (const name of ["doctor", "machine", "settings", "status"]) JSON.parse(texts[`${name}.json`] ?? "");
  expect(texts["metrics/monitor.prom"]).toContain("process_cpu_seconds_total");
  expect(texts["log/monitor.log"]).toContain("monitor is ready");
  expect(texts["log/monitor.log"]?.match(/removed: it may be a credential/g)).toHaveLength(3);
  for (const [name, text] of Object.entries(texts)) {
    expect(text, name).not.toMatch(ANY_SECRET);
    expect(text, name).not.toContain(seed);
  }
  const again = await world.bioxen("support-bundle", file);
  expect(again.code).toBe(2);
  expect(again.stderr).toContain("exists: name another file");
});
