/**
 * `bioxen up`, `down` and `status`: start, stop and describe the local stack.
 */
import { spawn } from "node:child_process";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { SERVICES, startLocalStack } from "@bioxen/local-stack";
import { discoverServices, findLocalStack, isAlive, type StackRecord } from "@bioxen/nats";
import type { Command } from "commander";
import { CommandEnd, EXIT_UNREACHABLE, endOf } from "../outcome.ts";
import { conclude, globalsOf, note, say, sayJson, withSession } from "../run.ts";
import type { Session } from "../session.ts";
import { settingOptions } from "../settings.ts";
import { paint, table } from "../terminal.ts";
import { untilInterrupted } from "../until.ts";
import { type PoolOptions, poolOf, withPoolOptions } from "./up-pool.ts";

/** Maximum time to wait until a stack in another process has started or ended, ms. */
const OTHER_DEADLINE_MS = 60_000;
const POLL_INTERVAL_MS = 100;
const UP_SETTINGS = ["up.chassis", "up.data", "up.port", "up.timeScale", "up.durability"] as const;
/** Time for which the answers of service instances to a ping are collected, ms. */
const DISCOVERY_MS = 400;

interface UpOptions extends PoolOptions {
  readonly chassis: string;
  readonly data?: string;
  readonly port?: number;
  readonly timeScale: number;
  readonly durability: "always" | "relaxed";
  readonly detach?: boolean;
}

export function addStackCommands(program: Command): void {
  const up = program.command("up");
  for (const option of settingOptions(...UP_SETTINGS)) up.addOption(option);
  withPoolOptions(up)
    .description("start a local stack: NATS, all services and one agent")
    .option("--detach", "run it in the background; returns when it is up")
    .action(async (options: UpOptions, command: Command) => {
      const json = globalsOf(command).json === true;
      try {
        await (options.detach === true ? upDetached(options, json) : upHere(options, json));
      } catch (thrown) {
        conclude(endOf(thrown), json);
      }
    });
  program
    .command("down")
    .description("stop the local stack")
    .action(async (_options, command: Command) => {
      const json = globalsOf(command).json === true;
      const record = await findLocalStack();
      if (record !== undefined) {
        process.kill(record.pid, "SIGTERM");
        await until(
          () => Promise.resolve(!isAlive(record.pid)),
          "the stack did not stop within 60 s: see its logs in the data directory",
        );
      }
      if (json) sayJson({ ok: true, changed: record !== undefined });
      else say(record === undefined ? "no local stack runs" : "the stack has stopped");
    });
  program
    .command("status")
    .description("show the server, its durability, and the services that run")
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const status = await statusOf(session);
        if (json === true) return sayJson(status);
        say(`server      ${status.server.url}, nats-server ${status.server.version}`);
        say(`durability  ${status.durability}`);
        say(`data        ${status.data ?? "unknown: not a stack of this machine"}`);
        say(`metrics     ${status.metricsUrl ?? "unknown"}`);
        const rows = status.services.map((s) => [
          s.name,
          String(s.instances),
          s.ready ? paint("green", "ready") : paint("red", "away"),
          s.processes.map(processName).join(", "),
        ]);
        say(table(["SERVICE", "INSTANCES", "STATE", "PROCESS"], rows));
      });
    });
}

/** Returns the process id, with the name of the host when the process runs on another host. */
function processName({ host, pid }: { readonly host: string; readonly pid: number }): string {
  return host === hostname() ? String(pid) : `${pid} on ${host}`;
}

/** Returns the document that `status --json` prints. */
export async function statusOf(session: Session) {
  const record = await findLocalStack();
  const own: StackRecord | undefined = record?.url === session.url ? record : undefined;
  const instances = await discoverServices(session.bus, DISCOVERY_MS);
  return {
    ok: true,
    server: { url: session.url, version: session.bus.serverVersion },
    durability: own?.durability ?? "unknown",
    data: own?.dataDir ?? null,
    services: SERVICES.map((name) => {
      const own = instances.filter((instance) => instance.name === name);
      const urls = own.flatMap(({ url }) => url ?? []);
      const processes = own.flatMap(({ process }) => process ?? []);
      return { name, instances: own.length, ready: own.length > 0, urls, processes };
    }),
    metricsUrl: metricsUrlOf(instances),
  };
}

/** Returns the URL of the fleet's metrics, which the monitor serves; null without a monitor that has a URL. */
function metricsUrlOf(instances: Awaited<ReturnType<typeof discoverServices>>): string | null {
  const monitor = instances.find(({ name, url }) => name === "monitor" && url !== null);
  return monitor === undefined ? null : `${monitor.url}/metrics`;
}

async function upHere(options: UpOptions, json: boolean): Promise<void> {
  const running = await findLocalStack();
  if (running !== undefined) note(`another local stack is running (pid ${running.pid}, ${running.dataDir})`);
  const xcpng = await poolOf(options);
  const stack = await startLocalStack({
    xcpng,
    dataDir: options.data,
    port: options.port,
    chassis: options.chassis,
    timeScale: options.timeScale,
    durability: options.durability,
    onProgress: note,
  });
  if (json) sayJson({ ok: true, url: stack.url, data: stack.dataDir, durability: stack.durability });
  else {
    say(`BioXen is up on ${stack.url}, ${options.timeScale} simulated minutes per second. Next:`);
    say("  bioxen vm create c1 --type syn3a --start");
    say("  bioxen vm show c1");
    say("Ctrl-C stops it; the data directory keeps all state.");
  }
  await untilInterrupted();
  note("stopping…");
  await stack.stop();
}

/** Starts a stack in a background process, by the same command without `--detach`, and prints where it runs. */
async function upDetached(options: UpOptions, json: boolean): Promise<void> {
  const before = await findLocalStack();
  if (before !== undefined) {
    throw new CommandEnd(
      1,
      `a local stack is running already (pid ${before.pid}): stop it with \`bioxen down\``,
    );
  }
  await poolOf(options);
  const {
    url,
    dataDir: data,
    durability,
    pid,
  } = await startDetached(process.argv.slice(2).filter((arg) => arg !== "--detach"));
  if (json) sayJson({ ok: true, url, data, durability, pid });
  else say(`BioXen is up on ${url} (pid ${pid}); \`bioxen down\` stops it`);
}

/**
 * Runs `bioxen` with `args`, the arguments of an `up` command, in the background. Resolves with the record of the stack
 * when the stack is up.
 */
export async function startDetached(args: readonly string[]): Promise<StackRecord> {
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  const child = spawn(process.execPath, [main, ...args], { detached: true, stdio: "ignore" });
  let exited = false;
  child.once("exit", () => {
    exited = true;
  });
  let record: StackRecord | undefined;
  await until(async () => {
    record = await findLocalStack();
    return exited || record !== undefined;
  }, "the stack did not start within 60 s: run `bioxen up` without --detach to see why");
  child.unref();
  if (record === undefined) {
    throw new CommandEnd(
      EXIT_UNREACHABLE,
      "the stack did not start: run `bioxen up` without --detach to see why",
    );
  }
  return record;
}

async function until(holds: () => Promise<boolean>, otherwise: string): Promise<void> {
  const deadline = Date.now() + OTHER_DEADLINE_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new CommandEnd(EXIT_UNREACHABLE, otherwise);
    await sleep(POLL_INTERVAL_MS);
  }
}
