/**
 * Parses option values: returns the value for the contract, or throws an error that names the valid form.
 */
import { readFile } from "node:fs/promises";
import { text as readStream } from "node:stream/consumers";
import { InvalidArgumentError, Option } from "commander";
import { suggestion } from "./did-you-mean.ts";
import { usage } from "./outcome.ts";

/** Why the text is neither an amount (`300`) nor a share (`50%`); undefined when it is valid. */
export function amountProblem(text: string): string | undefined {
  if (/^(?:[0-9]+|(?:100|[1-9]?[0-9])%)$/.test(text)) return undefined;
  return 'must be an integer, or a share "0%" to "100%".';
}

/** Parses an amount or a share. */
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

/** An option with the values `names`. The error for another value lists them and suggests the closest. */
export function oneOf(flags: string, description: string, names: readonly string[]): Option {
  return new Option(flags, description).choices(names).argParser((text) => {
    if (names.includes(text)) return text;
    throw new InvalidArgumentError(`must be one of ${names.join(", ")}${suggestion(text, names)}.`);
  });
}

/** Returns an option for which help and completion offer `names`. Other values are checked by the service only. */
export function openChoice(flags: string, description: string, names: readonly string[]): Option {
  return new Option(flags, description).choices(names).argParser((text) => text);
}

/** Collects the labels of a repeated option, each as `name=value`. */
export function labelOption(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const split = text.indexOf("=");
  if (split < 1) throw new InvalidArgumentError("must be name=value.");
  return { ...before, [text.slice(0, split)]: text.slice(split + 1) };
}

const RATES = { ribosomes: "ribosomes", atp: "atpPerSecond", rnap: "rnaPolymerases" } as const;

/** Collects the amounts of a repeated option such as `ribosomes=200` or `atp=50%`, for guarantee and burst. */
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

/** The text of a file; `-` is standard input. */
export async function readSource(path: string): Promise<string> {
  if (path === "-") return readStream(process.stdin);
  return readFile(path, "utf8").catch((thrown: NodeJS.ErrnoException) => {
    throw usage(`cannot read ${path}: ${thrown.code ?? thrown.message}`);
  });
}

/** The object without its undefined fields. */
export function given<T extends object>(value: T): { [K in keyof T]: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]: NonNullable<T[K]>;
  };
}
