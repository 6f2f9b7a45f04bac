/**
 * Ids that name a process, and a check whether the process of such an id has certainly ended.
 *
 * An id has the form `host/pid/life/id`. `life` consists of the kernel's boot id, the PID namespace and the start time
 * of the process. Another process of the same boot and namespace looks up the pid in its process table. If the pid is
 * absent, or has another start time, the named process has ended, and its lease can be taken without a wait. In case of
 * doubt, the named process counts as alive. This applies to processes of another host or container, and to systems that
 * do not provide these facts. A host name alone proves nothing, because two machines can have the same host name.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { IdSource } from "@bioxen/kernel";
import { randomIds } from "./real-world.ts";

/** The part `life` in the id of a process whose boot, namespace or start time cannot be determined. */
const UNKNOWN = "unknown";
/** Index of the process state among the fields that follow the name in `/proc/PID/stat` (proc(5)). */
const STATE_FIELD = 0;
/** Index of the start time, in ticks since the boot, among the fields that follow the name in `/proc/PID/stat`. */
const START_FIELD = 19;
/** States of a process that has ended and is still in the table (proc(5)): zombie, dead. */
const ENDED_STATES: readonly string[] = ["Z", "X"];

/** The facts about processes that the operating system's process table provides. */
export interface ProcessTable {
  /** Ids of the kernel's boot and of the PID namespace, without slash or colon; undefined when an id is unknown. */
  readonly space: string | undefined;
  /** Returns false only if no process has this pid. */
  exists(pid: number): boolean;
  /** Returns state and start time of a process of this user; undefined when they cannot be read. */
  look(pid: number): { readonly state: string; readonly startedAt: string } | undefined;
}

export const systemProcesses: ProcessTable = {
  space: spaceOf(),
  exists(pid) {
    try {
      process.kill(pid, 0);
      return true;
    } catch (thrown) {
      // EPERM: the process exists and belongs to another user.
      return (thrown as NodeJS.ErrnoException).code !== "ESRCH";
    }
  },
  look(pid) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const [state, startedAt] = [fields[STATE_FIELD], fields[START_FIELD]];
      return state === undefined || startedAt === undefined ? undefined : { state, startedAt };
    } catch {
      return undefined;
    }
  },
};

function spaceOf(): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0];
    return namespace === undefined ? undefined : `${boot}.${namespace}`;
  } catch {
    return undefined;
  }
}

/** Returns a source of ids that name this process, in the form `host/pid/life/id`. */
export function processIds(table: ProcessTable = systemProcesses): IdSource {
  const startedAt = table.look(process.pid)?.startedAt;
  const life = table.space === undefined || startedAt === undefined ? UNKNOWN : `${table.space}:${startedAt}`;
  return { next: () => `${hostname()}/${process.pid}/${life}/${randomIds.next()}` };
}

/**
 * Returns true if `id` comes from {@link processIds} and its process has certainly ended. Returns false in every other
 * case.
 */
export function hasEnded(id: string, table: ProcessTable = systemProcesses): boolean {
  const [, pidText = "", life = ""] = id.split("/");
  const [space = "", startedAt = ""] = life.split(":");
  const pid = Number(pidText);
  if (table.space === undefined || space !== table.space || !Number.isInteger(pid) || pid < 1) return false;
  if (!table.exists(pid)) return true;
  const seen = table.look(pid);
  return seen !== undefined && (seen.startedAt !== startedAt || ENDED_STATES.includes(seen.state));
}
