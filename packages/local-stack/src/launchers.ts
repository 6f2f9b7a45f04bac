/**
 * Notices when the program that launched this process has gone, so that a stack does not outlive its launcher.
 *
 * A launcher is the package manager that runs the command (`npx … pnpm … bioxen up` has several processes between the
 * terminal and this one). Without a package manager, the launcher is the parent process, unless the next paragraph
 * excludes that parent. When the parent of a process ends, the kernel gives the process another parent. The change of
 * parent therefore reveals the end of the launcher, even while the launcher is still listed as a zombie.
 *
 * Three kinds of processes are no launchers, because they may end while their command goes on, as with `nohup`, `&` and
 * `disown`: a shell, the first process of the machine or container, and the parent of a process that leads its session
 * (`setsid`, systemd, cron, a container engine, `bioxen up --detach`).
 */
import { environmentOfProcess, type ProcessEntry, parentOf, processOf } from "./process-table.ts";

/** Interval between two checks of the launchers, ms. A check reads one small file for each process up to a launcher. */
const LOOK_INTERVAL_MS = 500;
/** Maximum number of processes between this one and its launcher. Two package managers with a shell each make six. */
const MAX_DEPTH = 16;
const PACKAGE_MANAGER = /^(?:npx|npm|pnpx|pnpm|yarn|yarnpkg|corepack|bun|bunx)(?:-cli)?(?:\.[cm]?js)?$/;
const SHELL = /^-?(?:sh|ash|bash|busybox|csh|dash|fish|ksh|mksh|nu|pwsh|tcsh|zsh)$/;
/** Names of the programs that adopt orphaned processes, besides the first process of the machine. */
const REAPER = /^(?:systemd|init|launchd|tini|dumb-init|docker-init)$/;
/** Number of words at the start of a command line that can name its program: interpreter, its options, script. */
const NAMING_WORDS = 4;
/** Environment variable that each package manager gives to the commands it runs. */
const PACKAGE_MANAGER_VARIABLE = "npm_config_user_agent";

/** Environment variable in which a shell names the program that it starts. */
const STARTED_PROGRAM_VARIABLE = "_";

/** A process and its parent, as they were when the watch began. */
export interface Kinship {
  readonly pid: number;
  readonly parent: number;
}

function wordsOf({ args }: ProcessEntry): string[] {
  // A package manager replaces its command line by one text, such as `npm exec pnpm@10.34.9 start`.
  return args.join(" ").split(" ");
}

function namesOf(entry: ProcessEntry): string[] {
  const words = wordsOf(entry).slice(0, NAMING_WORDS);
  return words.map((word) => word.split("/").at(-1) ?? "");
}

function isPackageManager(entry: ProcessEntry): boolean {
  return namesOf(entry).some((name) => PACKAGE_MANAGER.test(name));
}

function isShell(entry: ProcessEntry): boolean {
  return SHELL.test(namesOf(entry)[0] ?? "");
}

/** True for a shell that runs a command or script, such as a package manager's shell; false for interactive shells. */
function isScript(entry: ProcessEntry): boolean {
  return (
    isShell(entry) &&
    wordsOf(entry)
      .slice(1)
      .some((word) => word === "-c" || !word.startsWith("-"))
  );
}

function isReaper(entry: ProcessEntry): boolean {
  return entry.pid <= 1 || REAPER.test(namesOf(entry)[0] ?? "");
}

/** How a process was launched: by a launcher that still runs, without a launcher, or by a launcher that has gone. */
export type Launch =
  | { readonly kind: "watched"; readonly line: readonly Kinship[] }
  | { readonly kind: "independent" }
  | { readonly kind: "orphaned" };

export interface LaunchOptions {
  /** Returns a process by its id; undefined when it has ended. */
  readonly look: (pid: number) => Promise<ProcessEntry | undefined>;
  /** Returns the environment variables of a process; empty where they cannot be read. */
  readonly environmentOf: (pid: number) => Promise<ReadonlyMap<string, string>>;
}

const SYSTEM: LaunchOptions = { look: processOf, environmentOf: environmentOfProcess };

/** Finds out how the process `self` was launched. */
export async function launchOf(
  self: number,
  { look, environmentOf }: LaunchOptions = SYSTEM,
): Promise<Launch> {
  const own = await look(self);
  if (own === undefined) return { kind: "independent" };
  const line: Kinship[] = [];
  /** The topmost package manager above `self`, and the number of steps from child to parent that lead to it. */
  let manager = { pid: self, steps: 0 };
  let above: ProcessEntry | undefined;
  for (let entry = own; line.length < MAX_DEPTH; entry = above) {
    above = await look(entry.parent);
    if (above === undefined) break;
    line.push({ pid: entry.pid, parent: above.pid });
    if (isPackageManager(above)) manager = { pid: above.pid, steps: line.length };
    else if (!isScript(above)) break;
  }
  // A package manager marks the environment of its commands. A marked process is an orphan when the process above it is
  // no package manager, but the system process that adopts orphans.
  const isOrphan = above !== undefined && isReaper(above) && !isPackageManager(above);
  if (isOrphan && (await environmentOf(manager.pid)).has(PACKAGE_MANAGER_VARIABLE))
    return { kind: "orphaned" };
  if (manager.steps > 0) return { kind: "watched", line: line.slice(0, manager.steps) };
  const parent = await look(own.parent);
  const isIndependent = own.leadsSession || parent === undefined || isShell(parent) || isReaper(parent);
  return isIndependent ? { kind: "independent" } : { kind: "watched", line: line.slice(0, 1) };
}

/**
 * True when a shell started the process `self` by `nohup`. The end of the terminal (SIGHUP) must then not end `self`.
 * `nohup` sets SIGHUP to be ignored, but Node resets this setting at its start. False for the children of a program
 * that was started by `nohup`, although these children inherit the shell's variable `_`.
 */
export async function isStartedByNohup(
  self: number,
  { look, environmentOf }: LaunchOptions = SYSTEM,
): Promise<boolean> {
  const program = (await environmentOf(self)).get(STARTED_PROGRAM_VARIABLE) ?? "";
  const parent = await look((await look(self))?.parent ?? 0);
  return (
    /(?:^|\/)nohup$/.test(program) &&
    parent !== undefined &&
    isShell(parent) &&
    !wordsOf(parent).includes("-c")
  );
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
