/**
 * A time course as CSV (RFC 4180, UTF-8): a header `name [unit]`, and one line per row.
 *
 * A number has the shortest text that reads back as the same number. A value that does not exist is empty.
 */
import type { CourseColumn } from "@bioxen/contracts";

export function csvOf({
  columns,
  rows,
}: {
  readonly columns: readonly CourseColumn[];
  readonly rows: readonly (readonly (number | null)[])[];
}): string {
  const header = columns.map(({ name, unit }) => quoted(`${name} [${unit}]`)).join(",");
  const lines = rows.map((row) => row.map((value) => (value === null ? "" : String(value))).join(","));
  return [header, ...lines, ""].join("\n");
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
