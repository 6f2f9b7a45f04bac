/**
 * A server that BioXen does not start, with the keys and accounts of `bioxen auth init`: its streams are made by
 * `auth provision`, services and an agent log in with their keys, and a VM runs.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TestServer } from "@bioxen/testkit";
import { eventually } from "@bioxen/testkit/eventually";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CliProcess, environmentIn } from "./cli-process.ts";
import type { Json } from "./json.ts";

const AGENT = "rack-7";
const CORE = ["lifecycle", "allocator", "chassis-scheduler", "monitor", "experiments"] as const;

let dir: string;
let keys: string;
let cli: CliProcess;
let server: TestServer;
const children: ChildProcess[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-elsewhere-"));
  keys = join(dir, "keys");
  cli = new CliProcess(environmentIn(dir));
  const { accounts } = await json("auth", "init", "--out", keys, "--agent", AGENT);
  server = await TestServer.start(await readFile(accounts, "utf8"));
});
afterAll(async () => {
  cli?.end();
  for (const child of children) child.kill("SIGKILL");
  await server?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function json(...args: string[]): Promise<Json> {
  const { code, stdout, stderr } = await cli.run([...args, "--json"]);
  expect(code, `bioxen ${args.join(" ")}: ${stdout}${stderr}`).toBe(0);
  return JSON.parse(stdout);
}

/** Runs a command as the admin of the server. */
const asAdmin = (...args: string[]) =>
  json(...args, "--server", server.url, "--creds", join(keys, "admin.creds"));

async function start(service: string, creds: string): Promise<void> {
  const main = fileURLToPath(new URL(`../../services/${service}/main.ts`, import.meta.url));
  const env = {
    ...process.env,
    BIOXEN_NATS_URL: server.url,
    BIOXEN_NATS_CREDS: creds,
    BIOXEN_IDENTITIES: "mapped",
    BIOXEN_METRICS_TOKEN_FILE: join(keys, "metrics.token"),
    BIOXEN_LOG_LEVEL: "warn",
    BIOXEN_AGENT_ID: AGENT,
    BIOXEN_CHASSIS: "ecoli:1",
    BIOXEN_TIME_SCALE: "60",
  };
  const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "inherit", "inherit", "ipc"] });
  children.push(child);
  await new Promise<void>((resolve, reject) => {
    child.once("message", () => resolve());
    child.once("exit", (code) => reject(new Error(`${service} ended with ${code}`)));
  });
}

it("runs a VM on streams that were provisioned twice", async () => {
  for (let i = 0; i < 2; i += 1)
    expect(await json("auth", "provision", "--keys", keys, "--server", server.url)).toEqual({
      ok: true,
      server: server.url,
    });
  await Promise.all(CORE.map((name) => start(name, join(keys, "services", `${name}.creds`))));
  await start("chassis-agent", join(keys, "agents", `${AGENT}.creds`));
  await eventually("the chassis is ready", async () => {
    const { chassis } = await asAdmin("chassis", "ls");
    return chassis[0]?.state === "ready" || undefined;
  });
  await asAdmin("vm", "create", "cell", "--type", "syn3a", "--start");
  await asAdmin("vm", "wait", "cell", "--for", "running");
  const history = JSON.stringify(await asAdmin("vm", "history", "cell"));
  expect(history).toContain(`"principal":"agent:${AGENT}"`);
  expect(await asAdmin("status")).toMatchObject({ ok: true, auth: "external" });
  expect((await asAdmin("events", "verify")).violations).toEqual([]);
});
