/**
 * Describes what a schema found wrong with a value, in the words of BioXen: `must be at most 5`, `is required`. The
 * texts of the schema library are written for programmers. Every part of BioXen that checks a value of a user against a
 * schema uses {@link checkedBy}, so that the same problem has the same text everywhere.
 */
import type { z } from "zod";
import { suggestion } from "./did-you-mean.ts";

type Issue = z.core.$ZodRawIssue;

/** Names of the types that an issue expects, with their articles. */
const TYPES: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "an integer",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
  null: "null",
};

/** What a text, a list or an object has a number of. */
const PARTS: Readonly<Record<string, string>> = {
  string: "character",
  array: "item",
  set: "item",
  map: "entry",
  object: "entry",
};

/** Names of text formats that the schemas use without a text of their own. */
const FORMATS: Readonly<Record<string, string>> = {
  url: "a URL",
  email: "an e-mail address",
  uuid: "a UUID",
  datetime: "a date and time of ISO 8601",
  json_string: "JSON",
};

/** Checks a value against a schema. The messages of the result are in the words of this module. */
export function checkedBy<S extends z.ZodType>(schema: S, value: unknown): z.ZodSafeParseResult<z.output<S>> {
  return schema.safeParse(value, { error: wordsOf });
}

/** Returns the text for an issue; undefined for an issue that has none here, such as one with a text of its schema. */
export function wordsOf(issue: Issue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return typeWords(issue);
    case "too_big":
      return sizeWords(
        issue.origin,
        Number(issue.maximum),
        issue.inclusive === false ? "less than" : "at most",
      );
    case "too_small":
      return sizeWords(
        issue.origin,
        Number(issue.minimum),
        issue.inclusive === false ? "more than" : "at least",
      );
    case "not_multiple_of":
      return issue.divisor === 1 ? "must be an integer" : `must be a multiple of ${issue.divisor}`;
    case "invalid_value":
      return choiceWords(issue.values, issue.input);
    case "invalid_format":
      return formatWords(issue);
    case "invalid_key":
      return nameWords(issue.issues);
    case "invalid_union":
    case "custom":
      return "is not valid";
    default:
      return undefined;
  }
}

function typeWords(issue: Extract<Issue, { code: "invalid_type" }>): string {
  if (issue.input === undefined) return "is required";
  return `must be ${TYPES[issue.expected] ?? issue.expected}`;
}

function sizeWords(origin: string, limit: number, relation: string): string {
  const part = PARTS[origin];
  if (part === undefined) return `must be ${relation} ${limit}`;
  if (limit === 1 && relation === "at least") return "must not be empty";
  const parts = limit === 1 ? part : part === "entry" ? "entries" : `${part}s`;
  return `must have ${relation} ${limit} ${parts}`;
}

function choiceWords(values: readonly unknown[], input: unknown): string {
  if (input === undefined) return `is required: ${values.length === 1 ? "" : "one of "}${values.join(", ")}`;
  if (values.length === 1) return `must be ${JSON.stringify(values[0])}`;
  const meant = typeof input === "string" ? suggestion(input, values.map(String)) : "";
  return `must be one of ${values.join(", ")}${meant}`;
}

/** Returns the text for the name of an entry that has these issues. */
function nameWords(issues: readonly { readonly message?: string | undefined }[]): string {
  const reasons = issues.flatMap(({ message }) => (message === undefined ? [] : [message]));
  return reasons.length === 0 ? "has an invalid name" : `has an invalid name: it ${reasons.join(", and ")}`;
}

function formatWords(issue: Extract<Issue, { code: "invalid_format" }>): string {
  const name = FORMATS[issue.format];
  if (name !== undefined) return `must be ${name}`;
  return issue.pattern === undefined ? "has an invalid form" : `must match ${issue.pattern}`;
}
