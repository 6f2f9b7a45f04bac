/**
 * Recognises a process by its id and its start time, because the kernel can give the id of an ended process to another
 * process.
 */
import { readFile } from "node:fs/promises";

/** Index of the start time in the fields of `/proc/PID/stat` that follow the name of the program. */
const START_FIELD = 19;

/** True when a process with this id runs, whichever user owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Returns the kernel's boot id and the start time of the process. The two distinguish the process from every other
 * process of this machine with the same id, also after a restart of the machine. Returns undefined when no process has
 * this id, and where the kernel has no `/proc`.
 */
export async function startOf(pid: number): Promise<string | undefined> {
  try {
    const [stat, bootId] = await Promise.all([
      readFile(`/proc/${pid}/stat`, "utf8"),
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
    ]);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return `${bootId.trim()} ${fields[START_FIELD]}`;
  } catch {
    return undefined;
  }
}

/** The identity of a process as a file stores it. Files of earlier versions have no `start`. */
export interface RecordedProcess {
  readonly pid: number;
  /** The value of {@link startOf} for the process when the file was written. */
  readonly start?: string | undefined;
}

/** True when the recorded process still runs. Without `start`, any process with its id counts. */
export async function stillRuns({ pid, start }: RecordedProcess): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const now = start === undefined ? undefined : await startOf(pid);
  return now === undefined || now === start;
}
