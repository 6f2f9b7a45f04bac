/**
 * The query of time courses: reads the batches that agents have stored, one page at a time.
 */
import {
  badCursor,
  COURSE_KEYS,
  type CourseBatch,
  type CourseColumn,
  cellFieldsOf,
  courseBatch,
  cursorOf,
  type Handled,
  PageBuilder,
  type ParsedRequestOf,
  type Problem,
  positionOfCursor,
  type ResultOf,
  refuse,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import {
  type Aggregates,
  type Causation,
  type CourseBatchName,
  type CourseStore,
  closestWord,
  type Logger,
} from "@bioxen/kernel";
import { type BranchRow, inOrder, rowsOf } from "./course-rows.ts";

type Request = ParsedRequestOf<"courseGet">;
type Course = ResultOf<"courseGet">;

/** Where a page begins: a minute of a branch, in the course of one incarnation. */
interface Start {
  readonly incarnation: number;
  readonly branch: number;
  readonly minute: number;
}

export interface CourseQueryPorts {
  readonly vms: Aggregates<VmState>;
  readonly courses: CourseStore;
  readonly logger: Logger;
}

export class CourseQueries {
  readonly #ports: CourseQueryPorts;

  constructor(ports: CourseQueryPorts) {
    this.#ports = ports;
  }

  /** Returns one page. Rejects with `Fault` UNAVAILABLE when the store of courses is unreachable. */
  async get(request: Request, causation: Causation, maxBytes: number): Promise<Handled<Course>> {
    const { vmId, fromMinute = 0, toMinute = Number.MAX_SAFE_INTEGER } = request;
    const { state } = await this.#ports.vms.refresh(vmId);
    if (!state.exists) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
    const read = startOf(request, state);
    if ("ok" in read) return read;
    const { incarnation } = read;
    const names = inOrder(await this.#ports.courses.batches({ vmId, incarnation }));
    if (!isReadable(state, incarnation, names, causation)) {
      return refuse("COURSE_NOT_FOUND", `there is no time course of incarnation ${incarnation} of ${vmId}`);
    }
    const load = (name: CourseBatchName) => this.#load(name);
    const all = await columnsOf(names[0], load, incarnation === state.incarnation ? state : undefined);
    const columns = chosen(all, request.fields);
    if ("ok" in columns) return columns;
    const pages = new PageBuilder(
      { columns: [...COURSE_KEYS, ...columns], rows: [] },
      maxBytes,
      request.limit,
    );
    for await (const row of rowsOf(names, load, { fromMinute, toMinute }, read)) {
      const value = valuesOf(row, columns);
      const added = pages.add({ value, add: (page) => (page as Course).rows.push(value), field: "rows" });
      if (added === "full") return ended(pages, cursorAt(incarnation, row));
      if (added !== undefined) return added;
    }
    return ended(pages, null);
  }

  async #load(name: CourseBatchName): Promise<CourseBatch | undefined> {
    const bytes = await this.#ports.courses.get(name);
    if (bytes === undefined) return undefined;
    const read = courseBatch.safeParse(jsonOf(bytes));
    if (read.success) return read.data;
    this.#ports.logger.warn({ batch: name }, `leaving out an unreadable batch of the course of ${name.vmId}`);
    return undefined;
  }
}

function ended(pages: PageBuilder, cursor: string | null): Handled<Course> {
  return { ok: true, result: pages.end(cursor) as Course };
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

/**
 * Returns whether the caller may read this course. A tenant owns the present incarnation; an earlier VM with the same id
 * may have had another owner.
 */
function isReadable(
  vm: Vm,
  incarnation: number,
  names: readonly CourseBatchName[],
  { role }: Causation,
): boolean {
  const isPresent = incarnation === vm.incarnation;
  if (role === "tenant" && !isPresent) return false;
  return names.length > 0 || (isPresent && vm.record !== undefined);
}

function cursorAt(incarnation: number, { branch, minute }: BranchRow): string {
  return cursorOf({ seq: incarnation, id: String(branch), index: minute });
}

function startOf({ cursor, incarnation }: Request, vm: Vm): Start | ReturnType<typeof refuse> {
  if (cursor === undefined) return { incarnation: incarnation ?? vm.incarnation, branch: 0, minute: 0 };
  const read = positionOfCursor(cursor);
  if (!read.ok) return read;
  const { position } = read;
  const branch = "id" in position ? Number(position.id) : Number.NaN;
  if (!("id" in position) || !Number.isSafeInteger(branch))
    return badCursor("is not a cursor of a time course");
  if (incarnation !== undefined && incarnation !== position.seq) {
    return badCursor(`is of incarnation ${position.seq}`);
  }
  return { incarnation: position.seq, branch, minute: position.index };
}

/** Returns the columns of a course after its keys: those of its first batch, or those that it will have. */
async function columnsOf(
  first: CourseBatchName | undefined,
  load: (name: CourseBatchName) => Promise<CourseBatch | undefined>,
  vm: Pick<Vm, "record" | "config"> | undefined,
): Promise<readonly CourseColumn[]> {
  const batch = first && (await load(first));
  if (batch !== undefined) return batch.columns.slice(1);
  // The columns of another model are known from the first batch on.
  const fields = cellFieldsOf(vm?.config ?? {}) ?? [];
  return (
    vm?.record?.fields?.map((name) => fields.find((one) => one.name === name) ?? { name, unit: "" }) ?? fields
  );
}

/** Returns the columns that the request names, in its order; a refusal that names every field the course lacks. */
function chosen(
  columns: readonly CourseColumn[],
  fields: readonly string[] | undefined,
): readonly CourseColumn[] | ReturnType<typeof refuse> {
  if (fields === undefined) return columns;
  const problems = fields.flatMap((name, i): Problem[] =>
    columns.some((one) => one.name === name)
      ? []
      : [{ path: `fields.${i}`, message: missing(name, columns) }],
  );
  if (problems.length > 0) {
    const message = `fields: ${problems.map(({ message: why }) => why).join("; ")}`;
    return refuse("BAD_REQUEST", message, { details: { problems } });
  }
  return fields.flatMap((name) => columns.find((one) => one.name === name) ?? []);
}

function missing(name: string, columns: readonly CourseColumn[]): string {
  const names = columns.map((column) => column.name);
  const meant = closestWord(name, names);
  const hint = meant === undefined ? `it has ${names.join(", ")}` : `did you mean ${meant}?`;
  return `${name} is not recorded: ${hint}`;
}

/** Returns the row with its minute, its branch and the chosen columns; null for a column that its batch does not have. */
function valuesOf(
  { minute, branch, row, columns }: BranchRow,
  chosenOnes: readonly CourseColumn[],
): (number | null)[] {
  const values = chosenOnes.map(({ name }) => {
    const at = columns.findIndex((column) => column.name === name);
    return at < 0 ? null : (row[at] ?? null);
  });
  return [minute, branch, ...values];
}
