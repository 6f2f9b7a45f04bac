/**
 * `bioxen down` and `bioxen status`: stop and describe the local stack. `bioxen up` is in up.ts.
 */

import { hostname } from "node:os";
import { defaultedDataDir, SERVICES, stopLocalStack } from "@bioxen/local-stack";
import {
  bioxenHome,
  type Copies,
  discoverServices,
  findLocalStack,
  logCopies,
  readStackRecord,
  type StackRecord,
  stackPointer,
} from "@bioxen/nats";
import type { Command } from "commander";
import { EXIT_UNREACHABLE, endOf } from "../outcome.ts";
import { conclude, globalsOf, say, sayJson, withSession } from "../run.ts";
import type { Session } from "../session.ts";
import { settingOptions } from "../settings.ts";
import { table } from "../table.ts";
import { paint } from "../terminal.ts";
import { agentsOf, waitingLines } from "./agents.ts";
import { standByLine, standBysOf } from "./stand-bys.ts";
import { addUpCommand } from "./up.ts";
import { versionsOf } from "./versions.ts";

/** Time for which the answers of service instances to a ping are collected, ms. */
const DISCOVERY_MS = 400;

/** Longest wait for the list of unreadable messages, ms: an instance of version 0.1.0 does not answer. */
const PROBLEMS_TIMEOUT_MS = 2_000;

export function addStackCommands(program: Command): void {
  addUpCommand(program);
  addDown(program);
  addStatus(program);
}

function addDown(program: Command): void {
  const down = program.command("down");
  for (const option of settingOptions("up.data")) down.addOption(option);
  down
    .description("stop the local stack, and end the processes that a killed one left on its data directory")
    .action(async ({ data }: { readonly data?: string }, command: Command) => {
      const json = globalsOf(command).json === true;
      try {
        const isNamed = command.getOptionValueSource("data") === "cli";
        const { stack, leftovers } = await stopAll(await dataDirsToStop(data, isNamed));
        if (json) return sayJson({ ok: true, changed: stack || leftovers > 0, leftovers });
        if (stack) say("the stack has stopped");
        if (leftovers > 0) say(`ended ${leftovers} processes that a killed stack had left`);
        if (!stack && leftovers === 0) say("no local stack runs");
      } catch (thrown) {
        conclude(endOf(thrown), json);
      }
    });
}

/**
 * Returns the data directories whose processes `down` ends: the directory that the user named, else that of the running
 * stack. Without a running stack, these are the directory of the last stack and the directory that `up` would use.
 */
async function dataDirsToStop(data: string | undefined, isNamed: boolean): Promise<string[]> {
  const home = bioxenHome();
  const usual = defaultedDataDir(data, home);
  if (isNamed) return [usual];
  const running = await findLocalStack();
  if (running !== undefined) return [running.dataDir];
  const last = await readStackRecord(stackPointer(home));
  return [...new Set([...(last === undefined ? [] : [last.dataDir]), usual])];
}

async function stopAll(dataDirs: readonly string[]): Promise<{ stack: boolean; leftovers: number }> {
  const all = { stack: false, leftovers: 0 };
  for (const dataDir of dataDirs) {
    const { stack, leftovers } = await stopLocalStack({ dataDir, home: bioxenHome() });
    all.stack ||= stack;
    all.leftovers += leftovers;
  }
  return all;
}

function addStatus(program: Command): void {
  program
    .command("status")
    .description(
      "show the server, its durability, and the services that run; exit code 3 when a service is away",
    )
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const status = await statusOf(session);
        if (!status.ok) process.exitCode = EXIT_UNREACHABLE;
        if (json === true) return sayJson(status);
        say(`server      ${status.server.url}, nats-server ${status.server.version}`);
        say(`durability  ${status.durability}`);
        say(`copies      ${copiesInWords(status.copies)}`);
        say(`data        ${status.data ?? "unknown: not a stack of this machine"}`);
        say(`auth        ${authInWords(status)}`);
        say(`metrics     ${status.metricsUrl ?? "unknown"}`);
        say(`console     ${status.consoleUrl ?? "none"}`);
        if (status.unreadable !== null && status.unreadable > 0) {
          const messages = status.unreadable === 1 ? "1 message" : `${status.unreadable} messages`;
          const log = `${messages} cannot be read: see bioxen doctor`;
          say(`log         ${paint("red", log)}`);
        }
        const rows = status.services.map((s) => [
          s.name,
          String(s.instances),
          s.ready ? paint("green", "ready") : paint("red", "away"),
          s.versions.join(", "),
          s.processes.map(processName).join(", "),
        ]);
        say(
          table(
            [
              "SERVICE",
              { head: "INSTANCES", importance: 1 },
              "STATE",
              "VERSION",
              { head: "PROCESS", wraps: true, importance: 2 },
            ],
            rows,
          ),
        );
        for (const line of waitingLines(status.agents)) say(paint("red", line));
        for (const one of status.standBys) say(paint("yellow", standByLine(one)));
      });
    });
}

/** Returns the process id, with the name of the host when the process runs on another host. */
function processName({ host, pid }: { readonly host: string; readonly pid: number }): string {
  return host === hostname() ? String(pid) : `${pid} on ${host}`;
}

function copiesInWords(copies: Copies | null): string {
  if (copies === null) return "none: the server has no event log";
  const text = `${copies.present} of ${copies.wanted}`;
  return copies.present < copies.wanted ? paint("red", text) : text;
}

/** How the server knows its clients. */
interface AuthStatus {
  readonly auth: "keys" | "open" | "external";
  /** The directory of the keys of a local stack with keys. */
  readonly keysDir?: string;
}

function authOf({ bus }: Session, own: StackRecord | undefined): AuthStatus {
  if (own?.keysDir !== undefined) return { auth: "keys", keysDir: own.keysDir };
  return { auth: bus.demandsLogin ? "external" : "open" };
}

function authInWords({ auth, keysDir = "" }: AuthStatus): string {
  const words = {
    keys: `keys in ${keysDir}`,
    open: "open: clients need no login",
    external: "clients log in",
  };
  return words[auth];
}

/** Returns the document that `status --json` prints. */
export async function statusOf(session: Session) {
  const record = await findLocalStack();
  const own: StackRecord | undefined = record?.url === session.server ? record : undefined;
  const instances = await discoverServices(session.bus, DISCOVERY_MS);
  const services = SERVICES.map((name) => {
    const own = instances.filter((instance) => instance.name === name && instance.waiting === null);
    const urls = own.flatMap(({ url }) => url ?? []);
    const processes = own.flatMap(({ process }) => process ?? []);
    const versions = versionsOf(own);
    return { name, instances: own.length, ready: own.length > 0, urls, processes, versions };
  });
  const canAsk = services.some(({ name, ready }) => name === "lifecycle" && ready);
  const problems = canAsk
    ? await session.call("logProblems", {}, { timeoutMs: PROBLEMS_TIMEOUT_MS }).catch(() => undefined)
    : undefined;
  return {
    /** False when at least one service has no ready instance. */
    ok: services.every(({ ready }) => ready),
    server: { url: session.server, version: session.bus.serverVersion },
    durability: own?.durability ?? "unknown",
    /** Copies of the event log on the servers; null when the server has no event log or does not answer. */
    copies: (await logCopies(session.bus)) ?? null,
    data: own?.dataDir ?? null,
    ...authOf(session, own),
    services,
    /** Number of messages of the log that no service can read; null when lifecycle does not answer. */
    unreadable: problems?.ok === true ? problems.unreadable.count : null,
    agents: agentsOf(instances),
    standBys: standBysOf(instances),
    metricsUrl: metricsUrlOf(instances),
    /** Address of the web console and the HTTP API of a local stack; null without one. */
    consoleUrl: own?.consoleUrl ?? null,
  };
}

/** Returns the URL of the fleet's metrics, which the monitor serves; null when no running monitor reports a URL. */
function metricsUrlOf(instances: Awaited<ReturnType<typeof discoverServices>>): string | null {
  const monitor = instances.find(({ name, url }) => name === "monitor" && url !== null);
  return monitor === undefined ? null : `${monitor.url}/metrics`;
}
