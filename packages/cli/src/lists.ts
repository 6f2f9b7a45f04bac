/**
 * The options that all commands which list things have: only ids, no headers, every column, and the order.
 */
import { suggestion } from "@bioxen/contracts";
import { type Command, InvalidArgumentError } from "commander";
import { oneOf } from "./parse.ts";
import { say, sayRaw } from "./run.ts";
import type { TableForm } from "./table.ts";

export interface ListOptions {
  readonly quiet?: boolean;
  /** False with `--no-headers`. */
  readonly headers?: boolean;
  readonly output?: "wide";
}

/** Adds the options. With `wide`, the table has further columns with `-o wide`. */
export function withListOptions(command: Command, { wide = false } = {}): Command {
  command
    .option("-q, --quiet", "print only ids, one on each line")
    .option("--no-headers", "leave out the line with the names of the columns");
  if (!wide) return command;
  return command.addOption(
    oneOf("-o, --output <form>", "every column, however wide the terminal is", ["wide"]),
  );
}

export interface List {
  readonly ids: readonly string[];
  /** Text in place of an empty table. */
  readonly empty: string;
  readonly table: (form: TableForm) => string;
}

/** Prints the list in the form of the options. With `--quiet` or `--no-headers`, an empty list is no output. */
export function showList({ quiet, headers, output }: ListOptions, { ids, empty, table }: List): void {
  const isForScript = quiet === true || headers === false;
  const isWide = output === "wide";
  if (ids.length === 0) {
    if (!isForScript) say(empty);
  } else if (quiet === true) sayRaw(ids.join("\n"));
  else {
    const text = table({ hasHeader: headers !== false, isWide });
    if (isWide) sayRaw(text);
    else say(text);
  }
}

type SortValue = string | number | null | undefined;

/** Adds the option `--sort` with these keys. */
export function withSort(command: Command, keys: readonly string[]): Command {
  return command.option(
    "--sort <key>",
    `order by ${keys.join(", ")}; with - before the key, such as --sort=-age, descending`,
    (text: string) => {
      const key = text.replace(/^-/, "");
      if (keys.includes(key)) return text;
      throw new InvalidArgumentError(`must be one of ${keys.join(", ")}${suggestion(key, keys)}.`);
    },
  );
}

/**
 * Returns the items in the order of a value of `--sort`. Items without the value come last, in both directions. Items
 * with equal values keep their order.
 */
export function sortedBy<T>(
  items: readonly T[],
  sort: string | undefined,
  values: Readonly<Record<string, (item: T) => SortValue>>,
): readonly T[] {
  const read = sort === undefined ? undefined : values[sort.replace(/^-/, "")];
  if (sort === undefined || read === undefined) return items;
  const direction = sort.startsWith("-") ? -1 : 1;
  return [...items].sort((a, b) => {
    const [x, y] = [read(a) ?? null, read(b) ?? null];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    if (x === y) return 0;
    return x < y ? -direction : direction;
  });
}
