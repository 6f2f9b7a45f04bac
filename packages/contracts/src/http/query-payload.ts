/**
 * The payload of a query from the parameters of a URL.
 *
 * A parameter has the name of a field of the request. Its text becomes a number or a boolean where the schema of the
 * field says so. A text that is no such value stays text: the service then answers what is wrong with it, in the words
 * that a caller on NATS reads. Fields with parts of their own are in the parameter `payload`, as JSON.
 */
import * as z from "zod";

/** Name of the parameter that holds fields as JSON. */
export const PAYLOAD_PARAMETER = "payload";

export type QueryParameters = Readonly<Record<string, string | readonly string[]>>;

export type QueryPayload =
  | { readonly ok: true; readonly payload: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly problem: string };

/** Returns the payload that the parameters mean for a request of `schema`, or what is wrong with the parameters. */
export function queryPayload(parameters: QueryParameters, schema: z.ZodType): QueryPayload {
  const { [PAYLOAD_PARAMETER]: text, ...fields } = parameters;
  const nested = text === undefined ? {} : parsedObject(text);
  if (nested === undefined) {
    return { ok: false, problem: "payload must be one JSON object, encoded for a URL" };
  }
  const payload: Record<string, unknown> = { ...nested };
  for (const [name, value] of Object.entries(fields)) {
    if (Object.hasOwn(nested, name))
      return { ok: false, problem: `${name} is also in payload: send it once` };
    const kind = kindOf(schema, name);
    if (typeof value !== "string" && kind !== "list") {
      return { ok: false, problem: `${name} is there several times: send it once` };
    }
    // `defineProperty`, because an assignment to `__proto__` would set no field.
    const field = typeof value === "string" && kind !== "list" ? parsedText(value, kind) : [value].flat();
    Object.defineProperty(payload, name, { value: field, enumerable: true });
  }
  return { ok: true, payload };
}

function parsedObject(text: string | readonly string[]): Record<string, unknown> | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

type Kind = "text" | "number" | "boolean" | "list";

/** Returns what the field `name` of a request is. */
function kindOf(schema: z.ZodType, name: string): Kind {
  const shape = schema instanceof z.ZodObject ? (schema.shape as Readonly<Record<string, z.ZodType>>) : {};
  const field = Object.hasOwn(shape, name) ? withoutWrappers(shape[name]) : undefined;
  if (field instanceof z.ZodNumber) return "number";
  if (field instanceof z.ZodBoolean) return "boolean";
  return field instanceof z.ZodArray ? "list" : "text";
}

function withoutWrappers(schema: unknown): unknown {
  const isWrapper =
    schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable;
  return isWrapper ? withoutWrappers(schema.unwrap()) : schema;
}

/** A number as JSON writes it. */
const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

function parsedText(text: string, kind: Kind): unknown {
  if (kind === "number" && NUMBER.test(text)) return Number(text);
  if (kind === "boolean" && (text === "true" || text === "false")) return text === "true";
  return text;
}
