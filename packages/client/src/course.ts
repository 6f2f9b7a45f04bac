/**
 * The recorded time course of a VM as columns.
 */
import type { CourseColumn, ResultOf } from "@bioxen/contracts";

export interface CourseOptions {
  /** Columns after `minute` and `branch`; default: every recorded field. */
  readonly fields?: readonly string[];
  /** An earlier VM with this id; default: the latest one. */
  readonly incarnation?: number;
  /** First and last simulated minute, inclusive. */
  readonly fromMinute?: number;
  readonly toMinute?: number;
}

/** Rows in order of branch and minute. All columns have the same length. */
export interface Course {
  /** Names and units of the columns; `minute` and `branch` come first. */
  readonly columns: readonly CourseColumn[];
  /** The values of each column by its name; null where the quantity does not exist. */
  readonly values: Readonly<Record<string, readonly (number | null)[]>>;
  /** Number of rows. */
  readonly length: number;
}

/** Returns the course by columns. */
export function courseOf({ columns, rows }: Pick<ResultOf<"courseGet">, "columns" | "rows">): Course {
  const values = columns.map(({ name }, at) => [name, rows.map((row) => row[at] ?? null)] as const);
  return { columns, values: Object.fromEntries(values), length: rows.length };
}
