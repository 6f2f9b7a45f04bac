/**
 * One random moment, one signal: what is left of a command that owns processes, and whether its data can be used again.
 *
 * Every process of a case has a mark in its environment, which its children inherit. A process is therefore found
 * wherever it is in the process tree (Linux only: `/proc/PID/environ`).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startLocalStack } from "@bioxen/local-stack";
import { findLocalStack } from "@bioxen/nats";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CLI = join(ROOT, "packages/cli/src/main.ts");
const MARK = "BIOXEN_SIGNAL_CASE";
/**
 * Longest time until a command and all its processes have ended after a signal, ms. A stack takes at most 18 s when none
 * of its processes ends by itself; the guard of the server waits 5 s before it begins.
 */
const END_DEADLINE_MS = 60_000;
const POLL_INTERVAL_MS = 100;
/** Time for which only a stack that is up must be left, before it counts as up, ms: it may be about to end. */
const SETTLED_MS = 3_000;

const COMMANDS = ["up", "up --detach", "demo", "down"] as const;
/** How the command is started: by Node, or by `npx … pnpm`, as a user starts it. */
const LAUNCHES = ["node", "npx"] as const;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const;
/** Which processes get the signal: the one that was started, or its process group, as by Ctrl-C on a terminal. */
const TARGETS = ["process", "group"] as const;

export interface SignalCase {
  readonly command: (typeof COMMANDS)[number];
  readonly launch: (typeof LAUNCHES)[number];
  readonly signal: (typeof SIGNALS)[number];
  readonly target: (typeof TARGETS)[number];
  /** Moment of the signal after the start of the command, ms. */
  readonly atMs: number;
}

/** Returns a generator of numbers from 0 to 1 (exclusive): mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Returns `count` cases. Each command, launch and signal comes in turn, so that few cases cover all of them; the moments
 * are random, up to `longestMs`.
 */
export function signalCases(seed: number, count: number, longestMs: number): SignalCase[] {
  const random = randomOf(seed);
  const pick = <T>(all: readonly T[], turn: number): T => all[turn % all.length] as T;
  const first = Math.floor(random() * COMMANDS.length);
  return Array.from({ length: count }, (_, i) => {
    const command = pick(COMMANDS, first + i);
    const launch = pick(LAUNCHES, i + Math.floor(i / COMMANDS.length));
    // The launch by npx begins its command about 1.5 s later.
    const longest = (command === "down" ? 2_500 : longestMs) + (launch === "npx" ? 2_000 : 0);
    const signal = pick(SIGNALS, Math.floor(random() * SIGNALS.length));
    const target = pick(TARGETS, Math.floor(random() * TARGETS.length));
    return {
      command,
      launch,
      signal,
      target: isHeldByShell(launch, signal) ? "group" : target,
      atMs: Math.round(random() * longest),
    };
  });
}

/**
 * Returns true for a signal that no command of BioXen can get if only the launcher gets it: npm runs its command by
 * `sh -c` and sends SIGINT to that shell alone, which holds it until its command has ended (dash, `trap.c`, `setsignal`:
 * a shell with `-c` catches SIGINT). On a terminal, Ctrl-C reaches the whole group.
 */
function isHeldByShell(launch: SignalCase["launch"], signal: SignalCase["signal"]): boolean {
  return launch === "npx" && signal === "SIGINT";
}

export function wordsOf({ command, launch, signal, target, atMs }: SignalCase): string {
  return `${signal} to the ${target} of ${launch} ${command} after ${atMs} ms`;
}

/** Runs the cases of one data directory. */
export class SignalRun {
  readonly #dir: string;
  readonly #mark: string;

  /** `dir` is an empty folder; `mark` distinguishes the processes of this run from all others. */
  constructor(dir: string, mark: string) {
    this.#dir = dir;
    this.#mark = mark;
  }

  /** Carries out one case. Resolves with the problems that it found, in words. */
  async run(one: SignalCase): Promise<string[]> {
    const problems: string[] = [];
    if (one.command === "down") {
      const code = await exitOf(this.#start("node", ["up", "--detach"]));
      if (code !== 0) return [`up --detach ended with ${code}`];
    }
    const child = this.#start(one.launch, one.command.split(" "));
    await Promise.race([sleep(one.atMs), exitOf(child)]);
    send(child, one);
    // A signal can come when `up --detach` has handed over its stack, or before `down` has begun.
    const mayBeUp = one.command === "up --detach" || one.command === "down";
    const state = await this.#settled(mayBeUp);
    if (state === "busy") {
      problems.push(`left: ${(await this.#processes()).join(", ")}`);
    }
    if (state !== "ended") {
      const code = await exitOf(this.#start("node", ["down"]));
      if (code !== 0) problems.push(`down ended with ${code}`);
      if ((await this.#settled(false)) !== "ended")
        problems.push(`left by down: ${(await this.#processes()).join(", ")}`);
    }
    problems.push(...(await this.#upAgain()));
    return problems;
  }

  /** Ends all processes of this run; for a test that has failed. */
  async kill(): Promise<void> {
    for (const pid of await markedPids(this.#mark)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  #start(launch: SignalCase["launch"], words: readonly string[]): ChildProcess {
    const data = words[0] === "demo" ? ["--data", join(this.#dir, "data")] : [];
    const args = [...words, ...data];
    const env = {
      ...process.env,
      PATH: pathOfUser(),
      [MARK]: this.#mark,
      BIOXEN_HOME: this.#dir,
      BIOXEN_LOG_LEVEL: "warn",
    };
    const options = { cwd: ROOT, env, detached: true, stdio: "ignore" } as const;
    return launch === "node"
      ? spawn(process.execPath, [CLI, ...args], options)
      : spawn("npx", ["-y", "pnpm@10.34.9", "-s", "bioxen", ...args], options);
  }

  /**
   * Waits until no process of this run is left or, if that is right, only a stack that is up, whose launcher has ended.
   * Resolves with `busy` when neither comes about in time.
   */
  async #settled(mayBeUp: boolean): Promise<"ended" | "up" | "busy"> {
    const deadline = performance.now() + END_DEADLINE_MS;
    let upSinceMs: number | undefined;
    while (performance.now() < deadline) {
      const left = await markedPids(this.#mark);
      if (left.length === 0) return "ended";
      const record = mayBeUp ? await findLocalStack(this.#dir) : undefined;
      const isUp = record !== undefined && (await this.#isSettled(record.pid));
      upSinceMs = isUp ? (upSinceMs ?? performance.now()) : undefined;
      if (upSinceMs !== undefined && performance.now() - upSinceMs > SETTLED_MS) return "up";
      await sleep(POLL_INTERVAL_MS);
    }
    return "busy";
  }

  /** True when every process of this run is the stack `pid` or one of its children. */
  async #isSettled(pid: number): Promise<boolean> {
    const stats = await Promise.all((await markedPids(this.#mark)).map(parentAndPid));
    return stats.every(([own, parent]) => own === pid || parent === pid);
  }

  async #processes(): Promise<string[]> {
    const pids = await markedPids(this.#mark);
    const lines = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""));
    return (await Promise.all(lines)).map((line, i) => `${pids[i]} ${line.replaceAll("\0", " ").trim()}`);
  }

  async #upAgain(): Promise<string[]> {
    try {
      const stack = await startLocalStack({
        dataDir: join(this.#dir, "data"),
        home: this.#dir,
        logLevel: "warn",
      });
      await stack.stop();
      return [];
    } catch (thrown) {
      return [`the next up failed: ${String(thrown)}`];
    }
  }
}

/**
 * Returns the PATH without the folders of this repository's packages. In them `node` is a shell script, so that a signal
 * to `npx` would reach the shell only.
 */
function pathOfUser(): string {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.filter((folder) => !folder.includes("node_modules")).join(delimiter);
}

function send(child: ChildProcess, { signal, target }: SignalCase): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(target === "group" ? -child.pid : child.pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  if (child.exitCode !== null || child.signalCode !== null)
    return Promise.resolve(child.exitCode ?? child.signalCode);
  return new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)));
}

async function parentAndPid(pid: number): Promise<readonly [pid: number, parent: number]> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return [pid, Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])];
}

async function markedPids(mark: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const marked = pids.map(async (pid) => {
    const variables = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    return pid !== process.pid && variables.split("\0").includes(`${MARK}=${mark}`);
  });
  const flags = await Promise.all(marked);
  return pids.filter((_, i) => flags[i]);
}
