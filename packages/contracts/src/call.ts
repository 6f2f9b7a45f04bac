/**
 * Typed calls from one service to another: the request and the reply have the types of the endpoint.
 */
import type { Caller, CallOptions, ReplyError } from "@bioxen/kernel";
import type { z } from "zod";
import type { Endpoint } from "./endpoints/endpoint.ts";

/** The reply of an endpoint: its result, or its refusal as a value. */
export type ReplyFrom<E extends Endpoint> =
  | ({ readonly ok: true } & z.output<E["result"]>)
  | { readonly ok: false; readonly error: ReplyError };

/**
 * Sends one request to `endpoint` and returns the reply. A refusal is returned as a reply, not thrown. Throws `Fault`
 * UNAVAILABLE or TIMEOUT as `Caller.call` does.
 */
export async function callEndpoint<E extends Endpoint>(
  caller: Pick<Caller, "call">,
  endpoint: E,
  request: z.input<E["request"]>,
  options: CallOptions,
): Promise<ReplyFrom<E>> {
  const reply = await caller.call(endpoint.subject, request, options);
  // The cast is safe, because `serve` checks the handler's result against the endpoint at compile time. `Reply` is the
  // common type of all replies and does not have the fields of this endpoint.
  return reply as unknown as ReplyFrom<E>;
}
