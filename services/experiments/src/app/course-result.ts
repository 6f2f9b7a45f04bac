/**
 * The result of a VM from its course: the last row, and the digest of all rows.
 *
 * The course must have exactly the rows that the experiment records. A cell that began again at minute 0 repeats them in
 * a new branch, and only the last branch counts. The digest leaves the number of the branch out, so it is the same with
 * and without such a beginning.
 */
import { createHash, type Hash } from "node:crypto";
import {
  type CourseColumn,
  callEndpoint,
  callFailure,
  ENDPOINTS,
  isFinalRefusal,
  MAX_PAGE,
  type ReplyFrom,
  type RequestOf,
} from "@bioxen/contracts";
import type { Caller, Causation, ReplyError } from "@bioxen/kernel";
import type { RecordedVm } from "../domain/experiment.ts";

/** Deadline of one page of a course, ms. */
const PAGE_TIMEOUT_MS = 10_000;
/** Columns of a course before its fields: `minute` and `branch`. */
const KEYS = 2;

export interface CourseOf {
  readonly vmId: string;
  readonly incarnation: number;
  readonly everyMinutes: number;
  readonly rowCount: number;
}

export type CourseResult =
  | {
      readonly kind: "complete";
      readonly columns: readonly CourseColumn[];
      readonly result: Omit<RecordedVm, "index">;
    }
  /** Rows are missing; the agent may still store them. */
  | { readonly kind: "incomplete"; readonly reason: string }
  /** The course can no longer become that of the experiment. */
  | { readonly kind: "spoilt"; readonly reason: string };

type Row = readonly (number | null)[];

/** Reads the course of a VM page by page. Throws `Fault` UNAVAILABLE when lifecycle does not answer. */
export async function courseResult(
  caller: Caller,
  of: CourseOf,
  causation: Causation,
): Promise<CourseResult> {
  const rows = new CourseRows(of.everyMinutes);
  let columns: readonly CourseColumn[] = [];
  let cursor: string | null = null;
  do {
    const { vmId, incarnation } = of;
    const request: RequestOf<"courseGet"> = {
      vmId,
      incarnation,
      limit: MAX_PAGE,
      ...(cursor === null ? {} : { cursor }),
    };
    const options = { timeoutMs: PAGE_TIMEOUT_MS, causation };
    const page: ReplyFrom<typeof ENDPOINTS.courseGet> = await callEndpoint(
      caller,
      ENDPOINTS.courseGet,
      request,
      options,
    );
    if (!page.ok) return refused(page.error);
    columns = page.columns.slice(KEYS);
    for (const row of page.rows) {
      const problem = rows.add(row);
      if (problem !== undefined) return problem;
    }
    cursor = page.cursor;
  } while (cursor !== null);
  if (rows.count !== of.rowCount) {
    return { kind: "incomplete", reason: `its course has ${rows.count} of ${of.rowCount} rows` };
  }
  const { incarnation, rowCount } = of;
  const result = { incarnation, rowCount, digest: rows.digest(columns), values: [...rows.last] };
  return { kind: "complete", columns, result };
}

function refused(error: ReplyError): CourseResult {
  const { subject } = ENDPOINTS.courseGet;
  if (!isFinalRefusal(error)) throw callFailure(subject, error);
  return { kind: "incomplete", reason: `${error.code}: ${error.message}` };
}

/** The rows of the last branch of a course, of which only the digest and the last one are kept. */
class CourseRows {
  readonly #everyMinutes: number;
  #hash: Hash = createHash("sha256");
  #branch: number | null = null;
  count = 0;
  /** The values of the last row, without its keys. */
  last: Row = [];

  constructor(everyMinutes: number) {
    this.#everyMinutes = everyMinutes;
  }

  /** Takes the next row; returns what is wrong with the course, if anything is. */
  add(row: Row): CourseResult | undefined {
    const [minute = null, branch = null] = row;
    if (branch !== this.#branch) {
      if (this.#branch !== null && minute !== 0) {
        return { kind: "spoilt", reason: `it was restored to another state at minute ${minute}` };
      }
      this.#branch = branch;
      this.#hash = createHash("sha256");
      this.count = 0;
    }
    const expected = this.count * this.#everyMinutes;
    if (minute !== expected) {
      return { kind: "incomplete", reason: `its course has no row of minute ${expected}` };
    }
    this.last = row.slice(KEYS);
    this.#hash.update(`${JSON.stringify([minute, ...this.last])}\n`);
    this.count += 1;
    return undefined;
  }

  /** Returns the digest of the rows and of their columns, hexadecimal. */
  digest(columns: readonly CourseColumn[]): string {
    return this.#hash.update(JSON.stringify(columns.map(({ name, unit }) => [name, unit]))).digest("hex");
  }
}
