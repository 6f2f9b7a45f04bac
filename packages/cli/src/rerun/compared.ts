/**
 * Compares what was computed again with what was recorded, and counts what agrees until the first difference.
 */
import type { RecordedColumn } from "@bioxen/vm-driver";
import type { RecordedState } from "./recorded-cells.ts";

export type Value = number | string | null;

/** The first value that differs. `column` is a column of the course, or `checkpoint` for the digest of a stored state. */
export interface Difference {
  readonly minute: number;
  readonly branch: number;
  readonly column: string;
  readonly recorded: Value;
  readonly computed: Value;
}

/** A recorded course: its columns begin with `minute` and `branch`. */
export interface RecordedCourse {
  readonly columns: readonly RecordedColumn[];
  readonly rows: readonly (readonly (number | null)[])[];
}

export class Comparison {
  rows = 0;
  states = 0;
  difference: Difference | undefined;
  readonly #columns: readonly string[];
  /** By branch and minute: the recorded rows. */
  readonly #recorded = new Map<string, readonly (number | null)[]>();
  readonly #lastMinutes = new Map<number, number>();

  constructor(course: RecordedCourse | undefined) {
    this.#columns = course?.columns.map(({ name }) => name) ?? [];
    for (const row of course?.rows ?? []) {
      const [minute, branch] = [row[0] ?? 0, row[1] ?? 0];
      this.#recorded.set(`${branch} ${minute}`, row);
      this.#lastMinutes.set(branch, Math.max(minute, this.#lastMinutes.get(branch) ?? 0));
    }
  }

  /** The last minute of which the branch has a recorded row; undefined: it has none. */
  lastMinute(branch: number): number | undefined {
    return this.#lastMinutes.get(branch);
  }

  /** Compares a computed row, whose columns begin with the minute, with the recorded one. */
  row(branch: number, columns: readonly RecordedColumn[], computed: readonly (number | null)[]): void {
    const minute = computed[0] ?? 0;
    if (this.difference !== undefined || minute > (this.lastMinute(branch) ?? -1)) return;
    const recorded = this.#recorded.get(`${branch} ${minute}`);
    if (recorded === undefined) {
      this.difference = { minute, branch, column: "minute", recorded: null, computed: minute };
      return;
    }
    const values = new Map(columns.map(({ name }, i) => [name, computed[i] ?? null]));
    for (const [i, column] of this.#columns.entries()) {
      if (column === "branch") continue;
      const [before, now] = [recorded[i] ?? null, values.get(column) ?? null];
      if (before === now) continue;
      this.difference = { minute, branch, column, recorded: before, computed: now };
      return;
    }
    this.rows += 1;
  }

  /**
   * Compares the digest of a stored state with those of the states that the cell had at its minute. A state of a VM at the
   * rate of its agent also has the part of a minute that its host owes it, so another digest is a difference only at `max`.
   */
  state(
    branch: number,
    { simMinutes: minute, sha256 }: RecordedState,
    digests: readonly string[],
    isAtMax: boolean,
  ): void {
    if (this.difference !== undefined) return;
    if (digests.includes(sha256)) this.states += 1;
    else if (isAtMax) {
      const computed = digests.at(-1) ?? null;
      this.difference = { minute, branch, column: "checkpoint", recorded: sha256, computed };
    }
  }
}
