/**
 * Notices when the program that launched this process has gone, so that a stack does not outlive its launcher.
 *
 * A launcher is the package manager that runs the command (`npx … pnpm … bioxen up` has several processes between the
 * terminal and this one), or else the parent, if it is a program. A process whose parent has gone gets another parent:
 * the kernel tells the loss of a parent even before the killed process is removed.
 *
 * Not launchers, because they may end while their command goes on, as with `nohup`, `&` and `disown`: a shell, the first
 * process of the machine or container, and the parent of a process that leads its session (`setsid`, systemd, cron, a
 * container engine, `bioxen up --detach`).
 */
import { type ProcessEntry, parentOf, processOf } from "./process-table.ts";

/** Interval at which the launchers are looked at, ms. Each look reads one small file per process between. */
const LOOK_INTERVAL_MS = 500;
/** Most processes between this one and its launcher. Two package managers with a shell each make six. */
const MAX_DEPTH = 16;
const PACKAGE_MANAGER = /^(?:npx|npm|pnpx|pnpm|yarn|yarnpkg|corepack|bun|bunx)(?:-cli)?(?:\.[cm]?js)?$/;
const SHELL = /^-?(?:sh|ash|bash|busybox|csh|dash|fish|ksh|mksh|nu|pwsh|tcsh|zsh)$/;
/** Number of words at the start of a command line that can name its program: interpreter, its options, script. */
const NAMING_WORDS = 4;

/** A process and its parent, as they were when the watch began. */
export interface Kinship {
  readonly pid: number;
  readonly parent: number;
}

function namesOf({ args }: ProcessEntry): string[] {
  // A package manager replaces its command line by one text, such as `npm exec pnpm@10.34.9 start`.
  const words = args.join(" ").split(" ").slice(0, NAMING_WORDS);
  return words.map((word) => word.split("/").at(-1) ?? "");
}

function isPackageManager(entry: ProcessEntry): boolean {
  return namesOf(entry).some((name) => PACKAGE_MANAGER.test(name));
}

function isShell(entry: ProcessEntry): boolean {
  return SHELL.test(namesOf(entry)[0] ?? "");
}

/** How a process was launched: the line from it to its launcher, or no launcher, or one that has gone already. */
export type Launch =
  | { readonly kind: "watched"; readonly line: readonly Kinship[] }
  | { readonly kind: "independent" }
  | { readonly kind: "orphaned" };

export interface LaunchOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Returns a process by its id; undefined when it has ended. */
  readonly look: (pid: number) => Promise<ProcessEntry | undefined>;
}

/** Finds out how the process `self` was launched. */
export async function launchOf(
  self: number,
  { env, look }: LaunchOptions = { env: process.env, look: processOf },
): Promise<Launch> {
  const own = await look(self);
  if (own === undefined) return { kind: "independent" };
  const line: Kinship[] = [];
  let toManager = 0;
  let entry = own;
  while (entry.parent > 1 && line.length < MAX_DEPTH) {
    const parent = await look(entry.parent);
    if (parent === undefined) break;
    line.push({ pid: entry.pid, parent: parent.pid });
    if (isPackageManager(parent)) toManager = line.length;
    else if (!isShell(parent)) break;
    entry = parent;
  }
  if (toManager > 0) return { kind: "watched", line: line.slice(0, toManager) };
  const parent = await look(own.parent);
  if (own.leadsSession || parent === undefined || isShell(parent)) return { kind: "independent" };
  if (own.parent > 1) return { kind: "watched", line: line.slice(0, 1) };
  // Package managers leave their mark in the environment of a command. A command of theirs whose parent is the first
  // process has lost them, unless the package manager itself is the first process, as in a container.
  const isOrphan = env["npm_execpath"] !== undefined && !isPackageManager(parent);
  return isOrphan ? { kind: "orphaned" } : { kind: "independent" };
}

/**
 * Calls `onLost` once when a launcher of this process has gone. Returns a function that ends the watch. The watch does
 * not keep the process alive.
 */
export function watchLaunchers(onLost: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const end = () => {
    isOver = true;
    clearTimeout(timer);
  };
  const begin = async () => {
    const launch = await launchOf(process.pid);
    if (launch.kind === "independent") return;
    const look = async () => {
      const isLost = launch.kind === "orphaned" || !(await isWhole(launch.line));
      if (isOver) return;
      if (!isLost) {
        timer = setTimeout(() => void look(), LOOK_INTERVAL_MS).unref();
        return;
      }
      end();
      onLost();
    };
    await look();
  };
  void begin();
  return end;
}

async function isWhole(line: readonly Kinship[]): Promise<boolean> {
  for (const { pid, parent } of line) {
    if ((await parentOf(pid)) !== parent) return false;
  }
  return true;
}
