/**
 * Turns a payload for an endpoint into a reply, independently of the transport. The handlers make all decisions.
 */
import {
  checkedBy,
  type Endpoint,
  type HandlerResult,
  type Identity,
  isErrorCode,
  isPrincipal,
  isTooDeep,
  jsonBytesOf,
  MAX_NESTING,
  MAX_PAYLOAD_BYTES,
  type Problem,
  principalOf,
  problemsOf,
  refuse,
  type ServedEndpoint,
  tooLarge,
} from "@bioxen/contracts";
import {
  type Causation,
  Fault,
  onBehalfOf,
  type Rejection,
  type Reply,
  type ReplyError,
  traceOf,
} from "@bioxen/kernel";
import type { KnownCaller } from "./callers.ts";
import type { RequestHeaders } from "./request-headers.ts";

/** Returns the refusal of a payload above the size limit; undefined for a payload within it. */
export function payloadTooLarge(data: Uint8Array): HandlerResult | undefined {
  const bytes = data.byteLength;
  if (bytes <= MAX_PAYLOAD_BYTES) return undefined;
  return refuse("TOO_LARGE", `the payload has ${bytes} bytes, the limit is ${MAX_PAYLOAD_BYTES}: send less`, {
    details: { limit: MAX_PAYLOAD_BYTES, bytes },
  });
}

/**
 * Returns the causation of a command. With a message id, the cause id consists of subject and message id only: a
 * repeated command has the same cause, whether it comes as a request or as a durable job.
 */
export function causationOf(
  subject: string,
  { messageId, correlationId, causationId, traceparent, tracestate, traceHeaders }: RequestHeaders,
  newId: () => string,
  { identity, servedPrincipal }: KnownCaller,
): Causation {
  const causeId =
    messageId === undefined ? (causationId ?? newId()) : causeIdOf(subject, messageId, identity);
  const causation = {
    causeId,
    correlationId: correlationId ?? causeId,
    deduplicate: messageId !== undefined,
    principal: principalOf(identity),
    role: identity.role,
    ...(identity.via === undefined ? {} : { via: identity.via }),
  };
  return {
    ...causation,
    ...onBehalfOf(servedPrincipal),
    ...traceOf({ traceparent, tracestate }),
    ...(traceHeaders === undefined ? {} : { traceHeaders }),
  };
}

/**
 * Returns the id of the cause of everything that a command with a message id leads to. The message ids of principals
 * are kept apart. A principal's name has no slash, so no two principals share a cause.
 */
export function causeIdOf(subject: string, messageId: string, identity: Identity): string {
  const cause = `${subject}:${messageId}`;
  return isPrincipal(identity) ? `${principalOf(identity)}/${cause}` : cause;
}

/** Runs `work` inside the observer of the endpoint, if it has one. */
export function observed(
  served: ServedEndpoint,
  payload: ParsedPayload | undefined,
  causation: Causation,
  work: (causation: Causation) => Promise<HandlerResult>,
): Promise<HandlerResult> {
  const value = payload?.ok ? payload.value : undefined;
  return served.observe === undefined ? work(causation) : served.observe(value, causation, work);
}

/**
 * Returns `causation` with the digest of the payload, which the event of the command keeps. A command of a service keeps
 * none: a service may repeat it with the amounts of a newer state, and then gets the first outcome.
 */
export function withDigest(causation: Causation, { internal }: Endpoint, payloadDigest: string): Causation {
  return internal || !causation.deduplicate ? causation : { ...causation, payloadDigest };
}

/**
 * Validates the payload, runs the endpoint's handler and returns its result. Returns a refusal for a malformed payload,
 * and for a result whose reply would have more than `maxBytes` bytes.
 */
export async function carriedOut(
  served: ServedEndpoint,
  payload: ParsedPayload,
  causation: Causation,
  maxBytes: number,
): Promise<HandlerResult> {
  return fitting(await handled(served, payload, causation, maxBytes), maxBytes);
}

async function handled(
  served: ServedEndpoint,
  payload: ParsedPayload,
  causation: Causation,
  maxBytes: number,
): Promise<HandlerResult> {
  if (!payload.ok) return badRequest([{ path: "", message: payload.why }]);
  const request = checkedBy(served.endpoint.request, payload.value);
  if (!request.success) return badRequest(problemsOf(request.error, served.endpoint.request));
  return served.handle(request.data as never, causation, maxBytes);
}

/** Longest message of a refusal that is sent without its details, characters. */
const MAX_BARE_MESSAGE = 512;

/**
 * Returns `result` when its reply has at most `maxBytes` bytes. Of a longer refusal, returns the code and a shortened
 * message without the details. Instead of any other longer result, returns a TOO_LARGE refusal.
 */
function fitting(result: HandlerResult, maxBytes: number): HandlerResult {
  const bytes = jsonBytesOf(replyOf(result));
  if (bytes <= maxBytes) return result;
  if (result.ok) return tooLarge("the reply", bytes, maxBytes, "ask for less, or raise max_payload");
  const { code, message, retryable } = result.rejection;
  const details = { limit: maxBytes, bytes };
  return { ok: false, rejection: { code, message: message.slice(0, MAX_BARE_MESSAGE), retryable, details } };
}

export type ParsedPayload =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly why: string };

const strictDecoder = new TextDecoder("utf-8", { fatal: true });

/** Parses a payload as JSON; an empty payload counts as an empty object. Returns why an invalid payload is invalid. */
export function parseJson(data: Uint8Array): ParsedPayload {
  if (data.byteLength === 0) return { ok: true, value: {} };
  if (isTooDeep(data)) return { ok: false, why: `is nested deeper than ${MAX_NESTING} levels: send less` };
  try {
    return { ok: true, value: JSON.parse(strictDecoder.decode(data)) };
  } catch (thrown) {
    return { ok: false, why: `is not JSON: ${thrown instanceof Error ? thrown.message : String(thrown)}` };
  }
}

/** Returns one BAD_REQUEST with all problems of a request. */
export function badRequest(problems: readonly Problem[]): HandlerResult {
  const first = problems.map((p) => (p.path === "" ? `the payload ${p.message}` : `${p.path} ${p.message}`));
  return refuse("BAD_REQUEST", first.join("; "), { details: { problems } });
}

export function replyOf(result: HandlerResult): Reply {
  return result.ok ? { ok: true, ...result.result } : { ok: false, error: errorOf(result.rejection) };
}

function errorOf(rejection: Rejection): ReplyError {
  const { code, message, retryable, details } = rejection;
  return details === undefined ? { code, message, retryable } : { code, message, retryable, details };
}

/**
 * Returns the error that a caller gets for a thrown value. The text of an unexpected error appears only in the
 * service's log.
 */
export function faultAsError(thrown: unknown): ReplyError {
  if (!(thrown instanceof Fault)) {
    return { code: "INTERNAL", message: "unexpected error: see the log of the service", retryable: false };
  }
  // The caller sees an unreadable or slow log as an unavailable service.
  const isAway = thrown.code === "TIMEOUT" || thrown.code === "CORRUPT_EVENT";
  const code = isAway ? "UNAVAILABLE" : thrown.code;
  return {
    code: isErrorCode(code) ? code : "INTERNAL",
    message: thrown.message,
    retryable: thrown.retryable,
    details: thrown.details,
  };
}
