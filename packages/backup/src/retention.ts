/**
 * A folder with several whole backups, each in a folder that is named by its time. The youngest ones are kept.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { BackupDirectory, BackupProblem } from "./directory.ts";

/** Most backups that one folder keeps: ten years of days. */
export const MAX_KEPT_BACKUPS = 3_650;
/** Names of folders that {@link datedName} makes. No other folder is ever removed. */
const DATED = /^\d{8}T\d{6}Z$/;

/** Returns the name of a backup that begins at this time, ms since 1970. Names sort by time. */
export function datedName(atMs: number): string {
  return new Date(atMs).toISOString().replaceAll(/[-:]|\.\d+/g, "");
}

/**
 * Removes the backups in `parent` that are older than the `keep` youngest finished ones, interrupted ones among them. A
 * folder without the mark of a backup stays, whatever its name. Returns the names of the removed folders, oldest first.
 */
export async function removeOlderBackups(parent: string, keep: number): Promise<string[]> {
  const youngestFirst = (await readdir(parent))
    .filter((name) => DATED.test(name))
    .sort()
    .reverse();
  const removed: string[] = [];
  let finished = 0;
  for (const name of youngestFirst) {
    const kind = await kindOf(join(parent, name));
    if (finished >= keep && kind !== "absent") {
      await rm(join(parent, name), { recursive: true });
      removed.unshift(name);
    }
    if (kind === "finished") finished += 1;
  }
  return removed;
}

/** A damaged backup counts as one that was not finished: it does not replace a sound one. */
async function kindOf(path: string): Promise<"finished" | BackupProblem["kind"]> {
  try {
    await BackupDirectory.forReading(path).manifest();
    return "finished";
  } catch (thrown) {
    if (thrown instanceof BackupProblem) return thrown.kind;
    throw thrown;
  }
}
