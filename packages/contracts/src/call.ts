/**
 * Typed calls from one service to another: the request and the reply have the types of the endpoint.
 */
import { type Caller, type CallOptions, Fault, type Reply, type ReplyError } from "@bioxen/kernel";
import * as z from "zod";
import { type Endpoint, NO_FIELD, type Problem } from "./endpoints/endpoint.ts";
import { merged, type PageRequest } from "./pages.ts";
import { QUERY_PREFIX } from "./subjects.ts";

/** The reply of an endpoint: its result, or its refusal as a value. */
export type ReplyFrom<E extends Endpoint> =
  | ({ readonly ok: true } & z.output<E["result"]>)
  | { readonly ok: false; readonly error: ReplyError };

/**
 * Maximum number of requests for a page that only one instance of the service keeps. A queue group sends each request
 * to a random instance. With three instances, all requests miss the right instance in less than one of 600 cases.
 */
const MAX_TRIES_OF_PAGE = 16;

/**
 * Sends one request to `endpoint` and returns the reply. A refusal is returned as a reply, not thrown. Throws `Fault`
 * UNAVAILABLE or TIMEOUT as `Caller.call` does, and INTERNAL for a reply that lacks a field of the endpoint's result.
 *
 * A query for a listing without `limit` and `cursor` returns the whole listing: the pages are requested one after the
 * other, each with the deadline of `options`, and merged. The `cursor` of the reply is then null.
 */
export async function callEndpoint<E extends Endpoint>(
  caller: Pick<Caller, "call">,
  endpoint: E,
  request: z.input<E["request"]>,
  options: CallOptions,
): Promise<ReplyFrom<E>> {
  const { subject, pages } = endpoint;
  const isQuery = subject.startsWith(QUERY_PREFIX);
  const { messageId: _, ...withoutId } = options;
  const first = await caller.call(subject, request, isQuery ? withoutId : options);
  const { limit, cursor } = request as PageRequest;
  const isWhole = isQuery && pages !== undefined && limit === undefined && cursor === undefined;
  const reply = isWhole
    ? await followed(first, endpoint, (next) =>
        caller.call(subject, { ...(request as object), cursor: next }, withoutId),
      )
    : first;
  const absent = reply.ok ? requiredFields(endpoint.result).filter((name) => reply[name] === undefined) : [];
  if (absent.length > 0) {
    const message = `the reply on ${endpoint.subject} has no ${absent.join(", ")}: another program than BioXen, or another version of it, answers there`;
    throw new Fault("INTERNAL", message, { retryable: false, details: { absent } });
  }
  // The cast is safe, because `serve` checks the handler's result against the endpoint at compile time. `Reply` is the
  // common type of all replies and does not have the fields of this endpoint.
  return reply as unknown as ReplyFrom<E>;
}

/** Returns the whole listing whose first page is `first`. When a later page is refused, returns that refusal. */
async function followed(
  first: Reply,
  { subject, pages = {} }: Endpoint,
  pageAt: (cursor: string) => Promise<Reply>,
): Promise<Reply> {
  let whole = first;
  for (let tries = 1; whole.ok && typeof whole["cursor"] === "string"; ) {
    const cursor = whole["cursor"];
    const next = await pageAt(cursor);
    if (!next.ok) {
      const isElsewhere = next.error.details?.["cursor"] === "gone" || isUnpaged(next.error);
      if (!isElsewhere || tries >= MAX_TRIES_OF_PAGE) return next;
      tries += 1;
      continue;
    }
    tries = 1;
    if (next["cursor"] === cursor) {
      throw new Fault("INTERNAL", `the listing of ${subject} does not go on after ${cursor}`, {
        retryable: false,
      });
    }
    // The last page of a reply about a single object has no field `cursor`. Without this line, the merged reply would
    // keep the cursor of the previous page.
    const { cursor: _, ...before } = whole;
    whole = merged(before, next, pages) as Reply;
  }
  return whole;
}

/** True when the refusal comes from an instance of version 0.1.0, which cannot split this listing over pages. */
function isUnpaged({ code, details }: ReplyError): boolean {
  const problems = code === "BAD_REQUEST" ? details?.["problems"] : undefined;
  const isOfCursor = ({ path, message }: Problem) => path === "cursor" && message === NO_FIELD;
  return Array.isArray(problems) && problems.some(isOfCursor);
}

const requiredFieldsOf = new WeakMap<z.ZodType, readonly string[]>();

/**
 * Returns the names of the fields that a usable result must have. Nullable fields are left out, because an older
 * service does not send the nullable fields of later releases. Only the presence of these fields is checked: a check
 * against the whole schema would parse every page of every list twice.
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
