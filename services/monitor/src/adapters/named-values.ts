/**
 * `name=value,name=value`: how targets are named in the configuration. A comma inside a value is the value's own
 * affair.
 */
export interface NamedValue {
  /** As it was written, for messages. */
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
