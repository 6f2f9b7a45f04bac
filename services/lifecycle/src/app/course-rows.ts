/**
 * Joins the batches of a course to rows in order of branch and minute, each minute once.
 *
 * Each guest of the VM is a run with batches of its own. A guest that continues from a checkpoint computes the minutes
 * after it again, so runs overlap. Of two rows of a minute the later run's is taken. Rows of earlier runs at and after
 * the first minute of the newest run are left out: the cell has gone back there, and may take another course.
 */
import type { CourseBatch, CourseColumn } from "@bioxen/contracts";
import type { CourseBatchName } from "@bioxen/kernel";

export type Row = readonly (number | null)[];

/** A row with its branch; its first value is the minute. */
export interface BranchRow {
  readonly branch: number;
  readonly minute: number;
  readonly row: Row;
  readonly columns: readonly CourseColumn[];
}

/** The batches of one branch that have rows of the course. */
interface Branch {
  readonly branch: number;
  /** The batches in order of their first minutes. */
  readonly batches: readonly CourseBatchName[];
  readonly newestRun: number;
  /** First minute of the newest run. */
  readonly cutMinute: number;
}

type Load = (name: CourseBatchName) => Promise<CourseBatch | undefined>;

/** Returns the batches in order of branch, first minute and run. */
export function inOrder(names: readonly CourseBatchName[]): CourseBatchName[] {
  return names.toSorted((a, b) => a.branch - b.branch || a.firstMinute - b.firstMinute || a.run - b.run);
}

/**
 * Yields the rows of a course from `from.minute` of branch `from.branch` on. In each branch only the minutes from
 * `fromMinute` to `toMinute` are read.
 */
export async function* rowsOf(
  names: readonly CourseBatchName[],
  load: Load,
  range: { readonly fromMinute: number; readonly toMinute: number },
  from: { readonly branch: number; readonly minute: number },
): AsyncGenerator<BranchRow> {
  for (const branch of branchesOf(names)) {
    if (branch.branch < from.branch) continue;
    const resumed = branch.branch === from.branch ? from.minute : 0;
    yield* rowsOfBranch(branch, load, Math.max(range.fromMinute, resumed), range.toMinute);
  }
}

function branchesOf(names: readonly CourseBatchName[]): Branch[] {
  return [...Map.groupBy(inOrder(names), ({ branch }) => branch)].map(([branch, batches]) => {
    const newestRun = Math.max(...batches.map(({ run }) => run));
    const cutMinute = batches.find(({ run }) => run === newestRun)?.firstMinute ?? 0;
    const kept = batches.filter(({ run, firstMinute }) => run === newestRun || firstMinute < cutMinute);
    return { branch, batches: kept, newestRun, cutMinute };
  });
}

async function* rowsOfBranch(
  { branch, batches, newestRun, cutMinute }: Branch,
  load: Load,
  fromMinute: number,
  toMinute: number,
): AsyncGenerator<BranchRow> {
  /** Rows that a later batch may still replace, by minute. */
  let open = new Map<number, BranchRow & { readonly run: number }>();
  const ready = (beforeMinute: number) =>
    [...open.values()].filter(({ minute }) => minute < beforeMinute).toSorted((a, b) => a.minute - b.minute);
  const firstNeeded = neededFrom(batches, fromMinute);
  for (const name of batches) {
    if (name.firstMinute > toMinute) break;
    if (name.firstMinute < (firstNeeded.get(name.run) ?? 0)) continue;
    yield* ready(name.firstMinute);
    open = new Map([...open].filter(([minute]) => minute >= name.firstMinute));
    const batch = await load(name);
    for (const row of batch?.rows ?? []) {
      const minute = row[0] ?? 0;
      const isLeftOut = name.run !== newestRun && minute >= cutMinute;
      if (isLeftOut || minute < fromMinute || minute > toMinute) continue;
      if ((open.get(minute)?.run ?? 0) > name.run) continue;
      open.set(minute, { branch, minute, row, columns: batch?.columns ?? [], run: name.run });
    }
  }
  yield* ready(Number.POSITIVE_INFINITY);
}

/**
 * Returns the first minute of the batch of each run that has the given minute. Earlier batches of the run end before it.
 */
function neededFrom(batches: readonly CourseBatchName[], minute: number): Map<number, number> {
  const needed = new Map<number, number>();
  for (const { run, firstMinute } of batches) if (firstMinute <= minute) needed.set(run, firstMinute);
  return needed;
}
