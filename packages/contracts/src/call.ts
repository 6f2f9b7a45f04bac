/**
 * Typed calls from one service to another: the request and the reply have the types of the endpoint.
 */
import { type Caller, type CallOptions, Fault, type ReplyError } from "@bioxen/kernel";
import { z } from "zod";
import type { Endpoint } from "./endpoints/endpoint.ts";

/** The reply of an endpoint: its result, or its refusal as a value. */
export type ReplyFrom<E extends Endpoint> =
  | ({ readonly ok: true } & z.output<E["result"]>)
  | { readonly ok: false; readonly error: ReplyError };

/**
 * Sends one request to `endpoint` and returns the reply. A refusal is returned as a reply, not thrown. Throws `Fault`
 * UNAVAILABLE or TIMEOUT as `Caller.call` does, and INTERNAL for a reply that lacks a field of the endpoint's result.
 */
export async function callEndpoint<E extends Endpoint>(
  caller: Pick<Caller, "call">,
  endpoint: E,
  request: z.input<E["request"]>,
  options: CallOptions,
): Promise<ReplyFrom<E>> {
  const reply = await caller.call(endpoint.subject, request, options);
  const absent = reply.ok ? requiredFields(endpoint.result).filter((name) => reply[name] === undefined) : [];
  if (absent.length > 0) {
    const message = `the reply on ${endpoint.subject} has no ${absent.join(", ")}: another program than BioXen, or another version of it, answers there`;
    throw new Fault("INTERNAL", message, { retryable: false, details: { absent } });
  }
  // The cast is safe, because `serve` checks the handler's result against the endpoint at compile time. `Reply` is the
  // common type of all replies and does not have the fields of this endpoint.
  return reply as unknown as ReplyFrom<E>;
}

const requiredFieldsOf = new WeakMap<z.ZodType, readonly string[]>();

/**
 * Returns the fields without which a result is unusable. Nullable fields are not among them: an older service does not
 * send those that were added later. A check of whole results would parse every page of every list twice.
 */
function requiredFields(result: z.ZodType): readonly string[] {
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
