/**
 * Lists of named targets in the configuration: `name=value,name=value`. A value that needs a comma must encode it.
 */
export interface NamedValue {
  /** The text of the whole entry, as error messages quote it. */
  readonly part: string;
  readonly name: string;
  readonly value: string;
}

export function namedValues(text: string): NamedValue[] {
  return text
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "")
    .map((part) => {
      const split = part.indexOf("=");
      return { part, name: part.slice(0, Math.max(0, split)), value: part.slice(split + 1) };
    });
}
