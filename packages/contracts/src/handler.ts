/**
 * The types and helpers of request handlers, independent of the transport that carries the request.
 */
import { type Causation, type EventLog, expecting, type Rejection } from "@bioxen/kernel";
import type * as z from "zod";
import type { Endpoint } from "./endpoints/endpoint.ts";
import { refuse } from "./errors.ts";
import { contentLimitOf, DEFAULT_MAX_PAYLOAD_BYTES } from "./sizes.ts";

/**
 * Handles one request. A handler returns its refusals as values. It throws only for a fault of the environment
 * (`Fault`) or a bug. `maxBytes` is the largest size of a reply, bytes: a page of a list must not exceed it.
 */
export type Handler<Request, Result = Readonly<Record<string, unknown>>> = (
  request: Request,
  causation: Causation,
  maxBytes: number,
) => Promise<Handled<Result>> | Handled<Result>;

/** The value that a handler returns: a result or a refusal. */
export type Handled<Result> =
  | { readonly ok: true; readonly result: Result }
  | { readonly ok: false; readonly rejection: Rejection };

/** A handler's return value as the transport sees it: the transport does not know the result type of the endpoint. */
export type HandlerResult = Handled<Readonly<Record<string, unknown>>>;

export interface ServedEndpoint {
  readonly endpoint: Endpoint;
  /** Handles a request. `maxBytes`: largest size of the reply; default: the limit of a server with default settings. */
  readonly handle: (
    request: never,
    causation: Causation,
    maxBytes?: number,
  ) => Promise<HandlerResult> | HandlerResult;
  /**
   * Runs around the whole answer to one request or job, also when it is refused before `handle`: for a malformed
   * payload, for example. Must call `work` once, with the causation that the handler is to get, and return its result.
   */
  readonly observe?: Observer;
  /**
   * True when the only effect of a request is at most one event, which carries the id of the command. The log then knows
   * the outcome of every request that changed something, and repeats of it need no other record.
   */
  readonly outcomeInLog?: boolean;
}

/** `payload` is the parsed request before its validation; undefined when it could not be parsed. */
export type Observer = (
  payload: unknown,
  causation: Causation,
  work: (causation: Causation) => Promise<HandlerResult>,
) => Promise<HandlerResult>;

/** Pairs an endpoint with its handler; the compiler checks the types of request and result. */
export function serve<E extends Endpoint>(
  endpoint: E,
  handle: Handler<z.output<E["request"]>, z.output<E["result"]>>,
): ServedEndpoint {
  const typed = handle as Handler<never>;
  return {
    endpoint,
    handle: (request, causation, maxBytes = contentLimitOf(DEFAULT_MAX_PAYLOAD_BYTES)) =>
      typed(request, causation, maxBytes),
  };
}

/**
 * Pairs a command that has `expectedVersion` with its handler. The handler gets a causation with that version, so that
 * the aggregate that it changes is compared with it at the append.
 */
export function serveChange<
  E extends Endpoint<z.ZodType<{ readonly expectedVersion?: number | undefined }, unknown>>,
>(endpoint: E, handle: Handler<z.output<E["request"]>, z.output<E["result"]>>): ServedEndpoint {
  return serve(endpoint, (request, causation, maxBytes) =>
    handle(request, expecting(causation, request.expectedVersion), maxBytes),
  );
}

/** Like {@link serveChange}, for a command whose only effect is at most one event, which carries the command's id. */
export function serveEvent<
  E extends Endpoint<
    z.ZodType<{ readonly expectedVersion?: number | undefined }, unknown>,
    z.ZodType<{ readonly changed: boolean }>
  >,
>(endpoint: E, handle: Handler<z.output<E["request"]>, z.output<E["result"]>>): ServedEndpoint {
  return { ...serveChange(endpoint, handle), outcomeInLog: true };
}

/** Wraps the result of a handler as its successful answer. */
export function done<Result>(result: Result): { readonly ok: true; readonly result: Result } {
  return { ok: true, result };
}

/**
 * Returns a refusal if the sequence in the field `path` of a request is beyond the end of the log; otherwise undefined.
 */
export async function beyondLog(
  log: Pick<EventLog, "lastSeq">,
  seq: number,
  path = "atSeq",
): Promise<{ readonly ok: false; readonly rejection: Rejection } | undefined> {
  const lastSeq = await log.lastSeq();
  if (seq <= lastSeq) return undefined;
  const end = lastSeq === 0 ? "the log is empty" : `the log ends at ${lastSeq}`;
  const problems = [{ path, message: `must be a sequence of the log: ${end}` }];
  return refuse("BAD_REQUEST", `there is no event ${seq}: ${end}`, { details: { problems, lastSeq } });
}
