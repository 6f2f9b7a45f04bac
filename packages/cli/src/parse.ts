/**
 * Parses option values: returns the value for the contract, or throws an error that names the valid form.
 */
import { readFile } from "node:fs/promises";
import { text as readStream } from "node:stream/consumers";
import { suggestion, UNTIL_ACTIONS, type Until, until } from "@bioxen/contracts";
import { InvalidArgumentError, Option } from "commander";
import type * as z from "zod";
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

export interface NumberRange {
  /** Smallest valid value; undefined when the range has no lower end. */
  readonly min?: number | undefined;
  /** Largest valid value; undefined when the range has no upper end. */
  readonly max?: number | undefined;
}

/** Describes a range in words: "from 1 to 5", "of at least 1"; an empty text for a range without ends. */
function rangeWords({ min, max }: NumberRange): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of at least ${min}`;
  return max === undefined ? "" : ` of at most ${max}`;
}

function inRange(value: number, { min, max }: NumberRange): boolean {
  return (min === undefined || value >= min) && (max === undefined || value <= max);
}

/** Returns a parser of integers in the range. Its error names the range. */
export function integerIn(range: NumberRange): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^-?[0-9]+$/.test(text) && Number.isSafeInteger(value) && inRange(value, range)) return value;
    throw new InvalidArgumentError(`must be an integer${rangeWords(range)}.`);
  };
}

/** Returns a parser of numbers in the range. Its error names the range. */
export function numberIn(range: NumberRange): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value) && inRange(value, range)) return value;
    throw new InvalidArgumentError(`must be a number${rangeWords(range)}.`);
  };
}

/** Returns a parser of several values with commas between them, such as `25%,50%`. Each value is parsed by `one`. */
export function listOf<T>(one: (text: string) => T): (text: string) => T[] {
  return (text) => text.split(",").map((part) => one(part.trim()));
}

/** Parses a sequence of the log. */
export const sequenceOption = integerIn({ min: 1 });
/** Parses a TCP port. */
export const portOption = integerIn({ min: 1, max: 65_535 });

/**
 * Returns a parser for a number that is sent to a service. The parser accepts the range of the contract's schema. A
 * number outside the range is a usage error that names its flag, and no request is sent.
 */
export function numberOf(schema: z.ZodType): (text: string) => number {
  const { minValue, maxValue, isInt } = numberSchema(schema);
  const range = { min: limit(minValue), max: limit(maxValue) };
  return isInt ? integerIn(range) : numberIn(range);
}

/** Tells the kinds of schemas apart by their definitions, because the classes of zod are loaded only with a schema. */
function numberSchema(schema: z.ZodType): z.ZodNumber {
  const { type } = schema.def;
  if (type === "optional" || type === "default")
    return numberSchema((schema as z.ZodOptional<z.ZodType>).unwrap());
  if (type === "number") return schema as z.ZodNumber;
  throw new TypeError("the schema is not one of a number");
}

/** Returns a bound of a schema; undefined for no bound, which is null, infinity or the largest safe integer there. */
function limit(value: number | null): number | undefined {
  return value === null || Math.abs(value) >= Number.MAX_SAFE_INTEGER ? undefined : value;
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

/** Parses one label, `name=value`, of a repeated option. Returns the labels in `before` and the parsed label. */
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
 * in `before` and the parsed amount.
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

/** Parses the last minute of a cell and what its VM does there, such as `600` or `600:stop`. */
export function untilOption(text: string): Until {
  const [minutes = "", action = "pause", ...rest] = text.split(":");
  const then = UNTIL_ACTIONS.find((one) => one === action);
  const simMinutes = numberOf(until.shape.simMinutes);
  if (then !== undefined && rest.length === 0) return { simMinutes: simMinutes(minutes), then };
  throw new InvalidArgumentError(
    `must be minutes, or minutes and ${UNTIL_ACTIONS.join(" or ")}, as 600:stop.`,
  );
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

/** Parses names with commas between them, such as `r,growthRatePerMinute`. */
export function fieldNames(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.includes("")) throw new InvalidArgumentError("must be names with commas between them.");
  return names;
}
