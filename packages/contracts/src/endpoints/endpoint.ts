/**
 * The shape of a request/reply endpoint, and the problems of a payload that its schema rejects.
 */
import type * as z from "zod";
import type { PageShape } from "../page-shape.ts";
import { meantField } from "./field-names.ts";
import { NO_FIELD, type Problem } from "./problem.ts";

export const SERVICE_NAMES = [
  "lifecycle",
  "allocator",
  "chassis-scheduler",
  "monitor",
  "experiments",
  "chassis-agent",
] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

export interface Endpoint<Request extends z.ZodType = z.ZodType, Result extends z.ZodType = z.ZodType> {
  readonly subject: string;
  readonly owner: ServiceName;
  readonly internal: boolean;
  readonly summary: string;
  readonly request: Request;
  /** The fields of a successful reply in addition to `ok`. */
  readonly result: Result;
  /** The lists of the result that are split over pages; absent: the result is never split. */
  readonly pages?: PageShape;
}

/** Makes one entry of the catalogue. */
export function endpoint<Request extends z.ZodType, Result extends z.ZodType>(
  subject: string,
  owner: ServiceName,
  summary: string,
  request: Request,
  result: Result,
  internal = false,
): Endpoint<Request, Result> {
  return { subject, owner, internal, summary, request, result };
}

/**
 * Makes a catalogue entry whose result is split over pages. The request of `one` must have the fields of `pageRequest`,
 * and its result the fields of `pageResult`.
 */
export function paged<E extends Endpoint>(one: E, pages: PageShape): E {
  return { ...one, pages };
}

/**
 * Maximum number of suggestions in one answer. A request can have tens of thousands of unknown fields, and each
 * suggestion compares the field with all names of the schema.
 */
const MAX_SUGGESTIONS = 16;

/** All problems that `schema` found in a payload. An unknown field comes with the field that was probably meant. */
export function problemsOf(error: z.ZodError, schema: z.ZodType): Problem[] {
  let compared = 0;
  return error.issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => {
        compared += 1;
        const meant = compared > MAX_SUGGESTIONS ? undefined : meantField(schema, issue.path, key);
        const path = [...issue.path, key].join(".");
        return { path, message: meant === undefined ? NO_FIELD : `${NO_FIELD}: did you mean ${meant}?` };
      });
    }
    return [{ path: issue.path.join("."), message: issue.message }];
  });
}
