/**
 * Typed calls from one service to another: the request and the reply have the types of the endpoint.
 */
import { type Caller, type CallOptions, Fault, type ReplyError } from "@bioxen/kernel";
import * as z from "zod";
import { callByShape } from "./call-shape.ts";
import type { Endpoint } from "./endpoints/endpoint.ts";

/** The reply of an endpoint: its result, or its refusal as a value. */
export type ReplyFrom<E extends Endpoint> =
  | ({ readonly ok: true } & z.output<E["result"]>)
  | { readonly ok: false; readonly error: ReplyError };

/** Sends one request to `endpoint` and returns the reply, as {@link callByShape} does. */
export async function callEndpoint<E extends Endpoint>(
  caller: Pick<Caller, "call">,
  endpoint: E,
  request: z.input<E["request"]>,
  options: CallOptions,
): Promise<ReplyFrom<E>> {
  const { subject, pages, result } = endpoint;
  const shape = { subject, pages, required: requiredFields(result) };
  const reply = await callByShape(caller, shape, request as object, options);
  // The cast is safe, because `serve` checks the handler's result against the endpoint at compile time. `Reply` is the
  // common type of all replies and does not have the fields of this endpoint.
  return reply as unknown as ReplyFrom<E>;
}

/** Returns a retryable `Fault` UNAVAILABLE that names the subject that was called and the error that came back. */
export function callFailure(subject: string, { code, message }: ReplyError): Fault {
  return new Fault("UNAVAILABLE", `${subject}: ${code}: ${message}`, { retryable: true });
}

const requiredFieldsOf = new WeakMap<z.ZodType, readonly string[]>();

/**
 * Returns the names of the fields that a usable result must have. Nullable fields are left out, because an older
 * service does not send the nullable fields of later releases. Only the presence of these fields is checked: a check
 * against the whole schema would parse every page of every list twice.
 */
export function requiredFields(result: z.ZodType): readonly string[] {
  const known = requiredFieldsOf.get(result);
  if (known !== undefined) return known;
  const shape = result instanceof z.ZodObject ? (result.shape as Readonly<Record<string, z.ZodType>>) : {};
  const names = Object.keys(shape).filter((name) => {
    const field = shape[name];
    return field?.safeParse(undefined).success === false && !field.safeParse(null).success;
  });
  requiredFieldsOf.set(result, names);
  return names;
}
