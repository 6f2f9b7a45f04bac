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
  const header = csvRow(columns.map(({ name, unit }) => `${name} [${unit}]`));
  return [header, ...rows.map(csvRow), ""].join("\n");
}

/** Returns one line of CSV, without its end. Null is empty. */
export function csvRow(values: readonly (string | number | null)[]): string {
  return values.map((value) => (value === null ? "" : quoted(String(value)))).join(",");
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
