/**
 * A time course as a Parquet file: one column for each quantity, under its name.
 *
 * Values are the same doubles as in CSV; a value that does not exist is null. `minute` and `branch` are 32-bit integers
 * where they fit. The units are in the metadata of the file: under the key `units` as a JSON object, by column.
 */
import { BIOXEN_VERSION, COURSE_KEYS, type CourseColumn } from "@bioxen/contracts";
import { parquetWriteBuffer } from "hyparquet-writer";

const LARGEST_INT32 = 2 ** 31 - 1;
const KEYS: ReadonlySet<string> = new Set(COURSE_KEYS.map(({ name }) => name));

export function parquetOf({
  columns,
  rows,
}: {
  readonly columns: readonly CourseColumn[];
  readonly rows: readonly (readonly (number | null)[])[];
}): Uint8Array {
  const units = Object.fromEntries(columns.map(({ name, unit }) => [name, unit]));
  const columnData = columns.map(({ name }, at) => {
    const data = rows.map((row) => row[at] ?? null);
    const isKey = KEYS.has(name);
    const isInt = isKey && data.every((value) => value !== null && value <= LARGEST_INT32);
    return { name, data, type: isInt ? "INT32" : "DOUBLE", nullable: !isKey } as const;
  });
  const written = parquetWriteBuffer({
    columnData,
    kvMetadata: [{ key: "units", value: JSON.stringify(units) }],
    createdBy: `bioxen ${BIOXEN_VERSION}`,
  });
  return new Uint8Array(written);
}
