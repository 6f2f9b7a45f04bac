/**
 * `bioxen up`: starts a local stack, in the foreground or in the background.
 *
 * The stack ends with this command: on SIGINT, SIGTERM and SIGHUP, and when the launcher of the command has ended. With
 * --detach, the stack ends with the command only while the stack is starting. Once the stack is up, the command ends
 * and the stack keeps running in the background.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { Fault, messageOf } from "@bioxen/kernel";
import { startLocalStack } from "@bioxen/local-stack";
import { findLocalStack, type TlsSettings } from "@bioxen/nats";
import type { Command } from "commander";
import { Interrupted, Interruption, interruptedStart } from "../interruption.ts";
import { MAIN_PATH } from "../main-path.ts";
import { CommandEnd, EXIT_REFUSED, EXIT_UNREACHABLE, endOf, usage } from "../outcome.ts";
import { portOption } from "../parse.ts";
import { conclude, globalsOf, note, say, sayJson } from "../run.ts";
import { Session } from "../session.ts";
import { CONNECTION_KEYS, settingOptions } from "../settings.ts";
import { orphansLine } from "./pool.ts";
import { endOfUnanswered, orphansOf } from "./pool-orphans.ts";
import { type PoolOptions, poolOf, withPoolOptions } from "./up-pool.ts";
import { type ServerOptions, serverOptionsOf, withServerOptions } from "./up-server.ts";

/** Longest wait for a stack that starts in the background, ms. It exceeds every deadline within the start itself. */
const DETACHED_DEADLINE_MS = 90_000;
/**
 * Environment variable of the process in the background. With it, the process reports to the command that started the
 * process. If that command ends before the report that the stack is up, the process ends too.
 */
const DETACHED_VARIABLE = "BIOXEN_UP_DETACHED";
const UP_SETTINGS = ["up.chassis", "up.data", "up.port", "up.timeScale", "up.durability"] as const;

interface UpOptions extends PoolOptions, ServerOptions {
  readonly chassis: string;
  readonly data?: string;
  readonly port?: number;
  readonly timeScale: number;
  readonly durability: "always" | "relaxed";
  readonly detach?: boolean;
  readonly acceptOlderLog?: boolean;
  readonly open?: boolean;
  readonly console: boolean;
  readonly consolePort?: number;
}

/** A stack that is up, as the process in the background reports it. */
export interface StackUp {
  readonly url: string;
  readonly dataDir: string;
  readonly durability: "always" | "relaxed";
  /** Directory of the keys; absent for a stack without keys. */
  readonly keysDir?: string | undefined;
  /** Certificates with which clients connect; absent without TLS. */
  readonly tls?: TlsSettings | undefined;
  /** URL of the listener for browsers; absent without one. */
  readonly websocket?: string | undefined;
  /** Address of the web console and the HTTP API; absent without them. */
  readonly consoleUrl?: string | undefined;
  readonly pid: number;
}

/** The report of the process in the background: the stack is up, or `up` has failed with this exit code and error. */
type Report =
  | ({ readonly kind: "up" } & StackUp)
  | { readonly kind: "failed"; readonly exitCode: number; readonly message: string; readonly error: unknown };

export function addUpCommand(program: Command): void {
  const up = program.command("up");
  for (const option of settingOptions(...UP_SETTINGS)) up.addOption(option);
  withPoolOptions(withServerOptions(up))
    .description("start a local stack: NATS, all services and one agent")
    .option("--detach", "run it in the background; returns when it is up")
    .option(
      "--console-port <port>",
      "port of the web console and the HTTP API on the loopback interface; default: 7480, or a free one",
      portOption,
    )
    .option("--no-console", "start without the web console and the HTTP API")
    .option("--accept-older-log", "start on an event log that has lost events, or is another one than it was")
    .option(
      "--open",
      "start without keys: every process of this machine may send commands and publish events",
    )
    .action(async (options: UpOptions, command: Command) => {
      const json = globalsOf(command).json === true;
      const background = isInBackground();
      const interruption = Interruption.listen({ withLauncher: !background });
      try {
        await (options.detach === true
          ? upDetached(options, json, interruption)
          : upHere(options, json, interruption));
      } catch (thrown) {
        const end = thrown instanceof Interrupted ? interruptedStart(thrown) : endOf(thrown);
        const { exitCode, message, error } = end;
        if (background) await report({ kind: "failed", exitCode, message, error });
        conclude(end, json);
      } finally {
        interruption.end();
      }
    });
}

function isInBackground(): boolean {
  return process.env[DETACHED_VARIABLE] !== undefined && process.send !== undefined;
}

async function upHere(options: UpOptions, json: boolean, interruption: Interruption): Promise<void> {
  const background = isInBackground();
  const onDisconnect = () => interruption.request("the command that started it has ended");
  if (background) process.once("disconnect", onDisconnect);
  const running = await findLocalStack();
  if (running !== undefined) note(`another local stack is running (pid ${running.pid}, ${running.dataDir})`);
  const starting = startLocalStack({
    ...serverOptionsOf(options),
    xcpng: await interruption.during(poolOf(options)),
    dataDir: options.data,
    port: options.port,
    chassis: options.chassis,
    timeScale: options.timeScale,
    durability: options.durability,
    acceptOlderLog: options.acceptOlderLog,
    keys: options.open !== true,
    gateway: options.console ? { port: options.consolePort } : undefined,
    onProgress: note,
    signal: interruption.signal,
  });
  const stack = await starting.catch((thrown: unknown) => {
    // A setting of the stack or of one of its services is wrong: the command was used wrongly.
    throw thrown instanceof Fault && thrown.code === "BAD_REQUEST" ? usage(thrown.message) : thrown;
  });
  const { url, dataDir, durability, connection, keysDir, consoleUrl, websocketUrl: websocket } = stack;
  const { tls } = connection;
  if (background) {
    process.off("disconnect", onDisconnect);
    await report({
      ...{ kind: "up", url, dataDir, durability, keysDir, tls, websocket, consoleUrl },
      pid: process.pid,
    });
  } else if (json) {
    sayJson({ ok: true, url, data: dataDir, durability, keysDir, tls, websocket, consoleUrl });
  } else {
    say(`BioXen is up on ${url}, ${options.timeScale} simulated minutes per second. Next:`);
    say("  bioxen vm create c1 --type syn3a --start");
    say("  bioxen vm show c1");
    if (keysDir !== undefined) say("Other clients need a key: `bioxen env` prints the settings of the admin");
    if (tls !== undefined) say(`Other clients need the authority: BIOXEN_NATS_CA=${tls.ca}`);
    if (websocket !== undefined) say(`Browsers connect to ${websocket}`);
    if (consoleUrl !== undefined) say(`The web console and the HTTP API are on ${consoleUrl}`);
    say("Ctrl-C stops it; the data directory keeps all state.");
  }
  if (!background) await noteOrphans(url, options);
  await interruption.requested;
  note("stopping…");
  await stack.stop();
}

/** Starts a stack in a background process, by the same command without `--detach`, and prints where it runs. */
async function upDetached(options: UpOptions, json: boolean, interruption: Interruption): Promise<void> {
  const before = await findLocalStack();
  if (before !== undefined) {
    throw new CommandEnd(
      EXIT_REFUSED,
      `a local stack is running already (pid ${before.pid}): stop it with \`bioxen down\``,
    );
  }
  serverOptionsOf(options);
  await interruption.during(poolOf(options));
  const args = withoutConnectionFlags(process.argv.slice(2)).filter((arg) => arg !== "--detach");
  const up = await startDetached(args, interruption);
  const { url, dataDir: data, durability, keysDir, tls, websocket, consoleUrl, pid } = up;
  if (json) sayJson({ ok: true, url, data, durability, keysDir, tls, websocket, consoleUrl, pid });
  else say(`BioXen is up on ${url} (pid ${pid}); \`bioxen down\` stops it`);
  await noteOrphans(url, options);
}

/** Notes how many machines of other owners the pool of the new stack has. Never rejects. */
async function noteOrphans(url: string, { xcpng }: UpOptions): Promise<void> {
  if (xcpng === undefined) return;
  try {
    const session = await Session.open({ server: url, fromFlags: ["server"] });
    const { total, unanswered } = await orphansOf(session).finally(() => session.close());
    if (unanswered.length > 0) throw endOfUnanswered(unanswered);
    if (total > 0) note(`${orphansLine(total)}: list them with \`bioxen pool orphans\``);
  } catch (thrown) {
    note(`the machines of other owners in the pool are unknown: ${messageOf(thrown)}`);
  }
}

/**
 * Returns the arguments without the flags of a connection. The new stack has a server of its own, so it does not need
 * them. A URL with a password would also be visible in the list of processes while the stack runs.
 */
function withoutConnectionFlags(args: readonly string[]): string[] {
  const flags = CONNECTION_KEYS.map((key) => `--${key}`);
  return args.filter((arg, at) => {
    const isValue = flags.includes(args[at - 1] ?? "");
    return !isValue && !flags.includes(arg.split("=", 1)[0] ?? "");
  });
}

/**
 * Runs `bioxen` with `args`, the arguments of an `up` command, in the background. Resolves when the stack is up. When
 * the interruption comes first, ends the process in the background, waits for its end, and rejects.
 */
export async function startDetached(args: readonly string[], interruption: Interruption): Promise<StackUp> {
  const child = spawn(process.execPath, [MAIN_PATH, ...args], {
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    env: { ...process.env, [DETACHED_VARIABLE]: "1" },
  });
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  try {
    const reported = await interruption.during(reportOf(child, exited));
    if (reported?.kind === "up") return reported;
    const { exitCode = EXIT_UNREACHABLE, message = "", error } = reported ?? {};
    if (message !== "") throw new CommandEnd(exitCode, message, error as CommandEnd["error"]);
    throw new CommandEnd(
      EXIT_UNREACHABLE,
      "the stack did not start: run `bioxen up` without --detach to see why",
    );
  } catch (thrown) {
    child.kill("SIGTERM");
    await exited;
    throw thrown;
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
}

/**
 * Returns the report of the process in the background. Returns undefined when the process ends without a report, or
 * when no report arrives within `DETACHED_DEADLINE_MS`.
 */
async function reportOf(child: ChildProcess, exited: Promise<void>): Promise<Report | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const reported = new Promise<Report>((resolve) =>
    child.once("message", (message) => resolve(message as Report)),
  );
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), DETACHED_DEADLINE_MS);
  });
  try {
    return await Promise.race([reported, exited.then(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Sends the report to the command that started this process. Does nothing when that command has already ended. */
function report(message: Report): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) return resolve();
    process.send(message, undefined, undefined, () => resolve());
  });
}
