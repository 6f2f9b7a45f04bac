/**
 * Finds and ends the processes that a killed stack left on its data directory.
 *
 * A process belongs to a data directory when the command line of the process names the directory: for a service by the
 * option `--stack`, for the server by its configuration file. Process ids in files are not trusted, because the kernel
 * may have given such an id to another program.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { allProcesses, type ProcessEntry } from "./process-table.ts";

/** Name of the server's configuration file in the data directory. */
export const SERVER_CONFIG = "nats-server.conf";
/** Option of a service's command line that names the data directory. The service ignores it. */
const STACK_OPTION = "--stack";
/** Time from SIGTERM to SIGKILL, ms: longer than a service takes to drain. */
const END_DEADLINE_MS = 6_000;
/** Longest wait for the end of a process after SIGKILL, ms: the kernel may have to end a write to the disk first. */
const KILL_DEADLINE_MS = 5_000;
const POLL_INTERVAL_MS = 50;

/** Returns the arguments by which {@link Leftovers} recognise a service of the data directory. */
export function serviceMark(dataDir: string): string[] {
  return [STACK_OPTION, dataDir];
}

export function serverArguments(dataDir: string): string[] {
  return ["-c", join(dataDir, SERVER_CONFIG)];
}

export class Leftovers {
  readonly #dataDirs: readonly string[];

  /** `dataDirs` are the names of one data directory, such as its path with and without symbolic links. */
  constructor(...dataDirs: readonly string[]) {
    this.#dataDirs = [...new Set(dataDirs)];
  }

  /** Returns the running servers of the data directory. */
  async servers(): Promise<ProcessEntry[]> {
    return this.#ending((dir) => serverArguments(dir));
  }

  /**
   * Ends the services of the data directory, and then its servers: a service needs the server for an orderly end.
   * Resolves with the number of processes that ran. A process that ignores SIGTERM is killed after `killAfterMs`, by
   * default 6 s.
   */
  async end(killAfterMs: number = END_DEADLINE_MS): Promise<number> {
    const services = await this.#endAll(() => this.#ending(serviceMark), killAfterMs);
    return services + (await this.#endAll(() => this.servers(), killAfterMs));
  }

  async #endAll(find: () => Promise<ProcessEntry[]>, killAfterMs: number): Promise<number> {
    const found = await find();
    for (const { pid } of found) send(pid, "SIGTERM");
    const killAt = performance.now() + killAfterMs;
    const giveUpAt = killAt + KILL_DEADLINE_MS;
    for (let rest = found; rest.length > 0 && performance.now() < giveUpAt; rest = await find()) {
      if (performance.now() > killAt) for (const { pid } of rest) send(pid, "SIGKILL");
      await sleep(POLL_INTERVAL_MS);
    }
    return found.length;
  }

  /** Returns the processes whose command line ends with the arguments that `mark` returns for the data directory. */
  async #ending(mark: (dataDir: string) => readonly string[]): Promise<ProcessEntry[]> {
    const tails = this.#dataDirs.map((dir) => ` ${mark(dir).join(" ")}`);
    const all = await allProcesses();
    return all.filter(({ args }) => tails.some((tail) => args.join(" ").endsWith(tail)));
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process has ended meanwhile, or belongs to another user. `end` lists the running processes again anyway.
  }
}
