/**
 * The processes of this machine, as far as a local stack needs them: parents, command lines and sessions.
 *
 * Linux lists the processes in `/proc`; on other systems `ps` prints them. Where neither works, the functions find no
 * process, and their callers go on without this information.
 */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";

/** Longest run of `ps`, ms. */
const PS_TIMEOUT_MS = 3_000;
/** Indices of the fields of `/proc/PID/stat` that follow the name of the program. */
const STATE_FIELD = 0;
const PARENT_FIELD = 1;
const SESSION_FIELD = 3;

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** True for the process that leads its session: a daemon, or the first process of a terminal. */
  readonly leadsSession: boolean;
  /** The arguments of the command line; a single text where the system does not separate them. */
  readonly args: readonly string[];
}

/** Returns the process `pid`; undefined when it has ended, is a zombie, or cannot be looked at. */
export async function processOf(pid: number): Promise<ProcessEntry | undefined> {
  if (process.platform !== "linux") return (await printedBy(["-p", String(pid)]))[0];
  try {
    const [stat, line] = await Promise.all([
      readFile(`/proc/${pid}/stat`, "utf8"),
      readFile(`/proc/${pid}/cmdline`, "utf8"),
    ]);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[STATE_FIELD] === "Z") return undefined;
    return {
      pid,
      parent: Number(fields[PARENT_FIELD]),
      leadsSession: Number(fields[SESSION_FIELD]) === pid,
      args: line.split("\0").filter((arg, i, all) => arg !== "" || i < all.length - 1),
    };
  } catch {
    return undefined;
  }
}

/** Returns the parent of the process `pid`; undefined as for {@link processOf}. */
export async function parentOf(pid: number): Promise<number | undefined> {
  return pid === process.pid ? process.ppid : (await processOf(pid))?.parent;
}

/** Returns the environment variables with which the process `pid` was started; empty where they cannot be read. */
export async function environmentOfProcess(pid: number): Promise<ReadonlyMap<string, string>> {
  if (pid === process.pid)
    return new Map(Object.entries(process.env).map(([name, value]) => [name, value ?? ""]));
  const text = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
  return new Map(
    text.split("\0").flatMap((line) => {
      const split = line.indexOf("=");
      return split < 1 ? [] : [[line.slice(0, split), line.slice(split + 1)] as const];
    }),
  );
}

/** Returns all processes of this machine that this user can look at. */
export async function allProcesses(): Promise<ProcessEntry[]> {
  if (process.platform !== "linux") return printedBy(["-ax"]);
  const names = await readdir("/proc").catch(() => []);
  const pids = names.filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map(processOf));
  return found.filter((one) => one !== undefined);
}

async function printedBy(selection: readonly string[]): Promise<ProcessEntry[]> {
  const columns = ["-ww", "-o", "pid=,ppid=,sess=,stat=,args="];
  const run = promisify(execFile)("ps", [...selection, ...columns], { timeout: PS_TIMEOUT_MS });
  const { stdout } = await run.catch(() => ({ stdout: "" }));
  return stdout.split("\n").flatMap((line) => {
    const [, pid, parent, , state = "", args = ""] =
      /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || state.startsWith("Z")) return [];
    return [{ pid: Number(pid), parent: Number(parent), leadsSession: state.includes("s"), args: [args] }];
  });
}
