/**
 * Parses option values: returns the value for the contract, or throws an error that names the valid form.
 */
import { readFile } from "node:fs/promises";
import { text as readStream } from "node:stream/consumers";
import { InvalidArgumentError, Option } from "commander";
import { suggestion } from "./did-you-mean.ts";
import { usage } from "./outcome.ts";

/** Returns why the text is neither an amount (`300`) nor a share (`50%`); undefined when it is one of them. */
export function amountProblem(text: string): string | undefined {
  if (/^(?:[0-9]+|(?:100|[1-9]?[0-9])%)$/.test(text)) return undefined;
  return 'must be an integer, or a share "0%" to "100%".';
}

/** Parses an amount such as `300` into a number; returns a share such as `50%` as text. */
export function amountOption(text: string): number | string {
  const problem = amountProblem(text);
  if (problem !== undefined) throw new InvalidArgumentError(problem);
  return text.endsWith("%") ? text : Number(text);
}

export function integerOption(text: string): number {
  if (/^-?[0-9]+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new InvalidArgumentError("must be an integer.");
}

export function numberOption(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("must be a number.");
}

/**
 * Returns an option that accepts only the values `names`. The error for another value lists them and suggests the
 * closest.
 */
export function oneOf(flags: string, description: string, names: readonly string[]): Option {
  return new Option(flags, description).choices(names).argParser((text) => {
    if (names.includes(text)) return text;
    throw new InvalidArgumentError(`must be one of ${names.join(", ")}${suggestion(text, names)}.`);
  });
}

/** Returns an option that accepts any value. Help and completion offer `names`, and the service checks the value. */
export function openChoice(flags: string, description: string, names: readonly string[]): Option {
  return new Option(flags, description).choices(names).argParser((text) => text);
}

/** Parses one `name=value` of a repeated label option. Returns the labels in `before` together with this one. */
export function labelOption(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const split = text.indexOf("=");
  if (split < 1) throw new InvalidArgumentError("must be name=value.");
  return { ...before, [text.slice(0, split)]: text.slice(split + 1) };
}

const RATES = { ribosomes: "ribosomes", atp: "atpPerSecond", rnap: "rnaPolymerases" } as const;

/**
 * Parses one amount of a repeated guarantee or burst option, such as `ribosomes=200` or `atp=50%`. Returns the amounts
 * in `before` together with this one.
 */
export function rateOption(
  text: string,
  before: Readonly<Record<string, number | string>> = {},
): Record<string, number | string> {
  const [name = "", amount = ""] = text.split("=");
  if (!Object.hasOwn(RATES, name)) {
    throw new InvalidArgumentError(
      `must be name=amount with one of the names ${Object.keys(RATES).join(", ")}.`,
    );
  }
  return { ...before, [RATES[name as keyof typeof RATES]]: amountOption(amount) };
}

/** Returns the text of the file at `path`; with `-`, the text of standard input. */
export async function readSource(path: string): Promise<string> {
  if (path === "-") return readStream(process.stdin);
  return readFile(path, "utf8").catch((thrown: NodeJS.ErrnoException) => {
    throw usage(`cannot read ${path}: ${thrown.code ?? thrown.message}`);
  });
}

/** Returns a copy of the object without the fields whose value is undefined. */
export function given<T extends object>(value: T): { [K in keyof T]: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]: NonNullable<T[K]>;
  };
}
