/**
 * The canonical text of a JSON value: the same value has the same text, in whatever order its fields were written.
 *
 * The form is that of RFC 8785: fields sorted by UTF-16 code units, no spaces, numbers and texts as ECMAScript writes
 * them. Digests of values are taken of this text.
 */

/** Returns the canonical text of `value`. Recurses once for each level of the value, whose depth the caller limits. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`).join()}}`;
}
