/**
 * Calls of an endpoint by what a caller must know of it: its subject, its pages and the fields of its result.
 *
 * This module builds no schema. A caller that uses it with {@link CALL_SHAPES} of call-shapes.ts loads no schema
 * library, which takes longer than a call of the command line.
 */
import { type Caller, type CallOptions, Fault, type Reply, type ReplyError } from "@bioxen/kernel";
import { NO_FIELD, type Problem } from "./endpoints/problem.ts";
import { merged, type PageRequest, type PageShape } from "./page-shape.ts";
import { QUERY_PREFIX } from "./subjects.ts";

/** What a caller must know of an endpoint. */
export interface CallShape {
  readonly subject: string;
  /** The fields that a usable result must have. */
  readonly required: readonly string[];
  /** The lists of the result that are split over pages; absent: the result is never split. */
  readonly pages?: PageShape | undefined;
}

/**
 * Maximum number of requests for a page that only one instance of the service keeps. A queue group sends each request
 * to a random instance. With three instances, all requests miss the right instance in less than one of 600 cases.
 */
const MAX_TRIES_OF_PAGE = 16;

/**
 * Sends one request to the endpoint of `shape` and returns the reply. A refusal is returned as a reply, not thrown. Throws `Fault`
 * UNAVAILABLE or TIMEOUT as `Caller.call` does, and INTERNAL for a reply that lacks a field of the endpoint's result.
 *
 * A query for a listing without `limit` and `cursor` returns the whole listing: the pages are requested one after the
 * other, each with the deadline of `options`, and merged. The `cursor` of the reply is then null.
 */
export async function callByShape(
  caller: Pick<Caller, "call">,
  shape: CallShape,
  request: object,
  options: CallOptions,
): Promise<Reply> {
  const { subject, pages, required } = shape;
  const isQuery = subject.startsWith(QUERY_PREFIX);
  const { messageId: _, ...withoutId } = options;
  const first = await caller.call(subject, request, isQuery ? withoutId : options);
  const { limit, cursor } = request as PageRequest;
  const isWhole = isQuery && pages !== undefined && limit === undefined && cursor === undefined;
  const reply = isWhole
    ? await followed(first, shape, (next) => caller.call(subject, { ...request, cursor: next }, withoutId))
    : first;
  const absent = reply.ok ? required.filter((name) => reply[name] === undefined) : [];
  if (absent.length > 0) {
    const message = `the reply on ${subject} has no ${absent.join(", ")}: another program than BioXen, or another version of it, answers there`;
    throw new Fault("INTERNAL", message, { retryable: false, details: { absent } });
  }
  return reply;
}

/** Returns the whole listing whose first page is `first`. When a later page is refused, returns that refusal. */
async function followed(
  first: Reply,
  { subject, pages = {} }: CallShape,
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
