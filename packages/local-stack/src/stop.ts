/**
 * Stops the stack of a data directory from another process, and ends what a killed stack left there.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "@bioxen/kernel";
import { DataDirectory, type Holder, isDataDirectory } from "./data-directory.ts";
import { removePointer } from "./stack-file.ts";

/**
 * Longest time of an orderly stop, ms: the agent, the other services and the server get 6 s each before they are
 * killed. After this time, the process that runs the stack is killed.
 */
const STOP_DEADLINE_MS = 30_000;
/** Longest wait for the end of a killed stack, ms. */
const KILL_DEADLINE_MS = 5_000;
const POLL_INTERVAL_MS = 50;

export interface StopOptions {
  readonly dataDir: string;
  /** Folder of the pointer file. */
  readonly home: string;
}

export interface Stopped {
  /** True when a stack ran. */
  readonly stack: boolean;
  /** Number of processes that a killed stack had left and that were ended. */
  readonly leftovers: number;
}

/**
 * Ends all processes of the data directory: stops its running stack in order, and ends the processes that a killed
 * stack left. Touches no process of another data directory. Does nothing when no stack has used the directory. Throws
 * `Fault` TIMEOUT when the stack does not end.
 */
export async function stopLocalStack({ dataDir, home }: StopOptions): Promise<Stopped> {
  if (!(await isDataDirectory(dataDir))) return { stack: false, leftovers: 0 };
  const startedAtMs = performance.now();
  let isRunning = false;
  let told: number | undefined;
  for (;;) {
    const taken = await DataDirectory.take(dataDir);
    if (taken instanceof DataDirectory) {
      const leftovers = await taken.leftovers.end();
      await removePointer(home);
      await taken.release();
      return { stack: isRunning, leftovers };
    }
    isRunning = true;
    const waitedMs = performance.now() - startedAtMs;
    if (waitedMs > STOP_DEADLINE_MS + KILL_DEADLINE_MS) throw stuck(dataDir, taken.heldBy);
    if (waitedMs > STOP_DEADLINE_MS) signal(taken.heldBy, "SIGKILL");
    else if (taken.heldBy !== undefined && taken.heldBy.pid !== told) {
      signal(taken.heldBy, "SIGTERM");
      told = taken.heldBy.pid;
    }
    await sleep(POLL_INTERVAL_MS);
  }
}

function signal(holder: Holder | undefined, name: NodeJS.Signals): void {
  try {
    if (holder !== undefined) process.kill(holder.pid, name);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}

function stuck(dataDir: string, holder: Holder | undefined): Fault {
  const pid = holder === undefined ? "" : ` (pid ${holder.pid})`;
  const message = `the stack of ${dataDir}${pid} did not stop: see its logs in ${dataDir}/log`;
  return new Fault("TIMEOUT", message, { retryable: true });
}
