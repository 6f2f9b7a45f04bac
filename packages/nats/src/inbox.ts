/**
 * The command inbox: endpoints of the catalogue served through the NATS services protocol, in queue groups, with their
 * JSON Schemas in the metadata.
 *
 * Whatever arrives gets exactly one answer: not JSON, too large, not what the schema takes, refused, done, or a
 * fault of ours. Nothing is decided here.
 */
import {
  ERRORS,
  type ErrorCode,
  type HandlerResult,
  isErrorCode,
  MAX_PAYLOAD_BYTES,
  type Problem,
  problemsOf,
  type ServedEndpoint,
} from "@bioxen/contracts";
import { type Causation, Fault, type Rejection, type ReplyError } from "@bioxen/kernel";
import { type ServiceMsg, Svcm } from "@nats-io/services";
import { headers, type MsgHdrs } from "@nats-io/transport-node";
import { z } from "zod";
import { type Bus, CAUSATION_HEADER, CORRELATION_HEADER, MESSAGE_ID_HEADER, TRACE_HEADER } from "./bus.ts";
import type { Outcomes } from "./outcomes.ts";

export interface InboxOptions {
  readonly bus: Bus;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly endpoints: readonly ServedEndpoint[];
  readonly newId: () => string;
  readonly outcomes: Outcomes;
  /** Why nothing can be served now (the feed stopped, not caught up); undefined: all is well. */
  readonly unavailable: () => string | undefined;
  /** A handler threw: logged, answered INTERNAL or as the fault says. */
  readonly onFault: (subject: string, thrown: unknown) => void;
}

export interface Inbox {
  /** Leaves the queue groups, answers what is in flight. */
  stop(): Promise<void>;
}

export async function openInbox(options: InboxOptions): Promise<Inbox> {
  const service = await new Svcm(options.bus.connection).add({
    name: options.name,
    version: options.version,
    description: options.description,
    metadata: { project: "bioxen" },
  });
  const inFlight = new Set<Promise<void>>();
  for (const served of options.endpoints) {
    const { endpoint } = served;
    service.addEndpoint(endpoint.subject.replaceAll(".", "-").replaceAll("*", "any"), {
      subject: endpoint.subject,
      metadata: {
        summary: endpoint.summary,
        internal: String(endpoint.internal),
        request: jsonSchema(endpoint.request),
        result: jsonSchema(endpoint.result),
      },
      handler: (error, message) => {
        if (error !== null) return;
        const answered = answer(options, served, message).finally(() => inFlight.delete(answered));
        inFlight.add(answered);
      },
    });
  }
  return {
    async stop() {
      await service.stop();
      await Promise.allSettled(inFlight);
    },
  };
}

function jsonSchema(schema: z.ZodType): string {
  return JSON.stringify(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }));
}

async function answer(options: InboxOptions, served: ServedEndpoint, message: ServiceMsg): Promise<void> {
  try {
    const result = await handled(options, served, message);
    if (result.ok) message.respond(JSON.stringify({ ok: true, ...result.result }));
    else respondError(message, errorOf(result.rejection));
  } catch (thrown) {
    options.onFault(served.endpoint.subject, thrown);
    respondError(message, faultAsError(thrown));
  }
}

async function handled(
  options: InboxOptions,
  served: ServedEndpoint,
  message: ServiceMsg,
): Promise<HandlerResult> {
  const unavailable = options.unavailable();
  if (unavailable !== undefined) return refused("UNAVAILABLE", unavailable, { retryable: true });
  const bytes = message.data.byteLength;
  if (bytes > MAX_PAYLOAD_BYTES) {
    return refused("TOO_LARGE", `the payload has ${bytes} bytes, the limit is ${MAX_PAYLOAD_BYTES}`, {
      details: { limit: MAX_PAYLOAD_BYTES, bytes },
    });
  }
  const causation = causationOf(options, served, message.headers);
  if (!causation.deduplicate) return carriedOut(served, message.data, causation);
  return options.outcomes.once(causation.causeId, () => carriedOut(served, message.data, causation));
}

async function carriedOut(
  served: ServedEndpoint,
  data: Uint8Array,
  causation: Causation,
): Promise<HandlerResult> {
  const payload = parseJson(data);
  if (!payload.ok) return badRequest([{ path: "", message: payload.why }]);
  const request = served.endpoint.request.safeParse(payload.value);
  if (!request.success) return badRequest(problemsOf(request.error));
  return served.handle(request.data as never, causation);
}

const strictDecoder = new TextDecoder("utf-8", { fatal: true });

function parseJson(data: Uint8Array): { ok: true; value: unknown } | { ok: false; why: string } {
  if (data.byteLength === 0) return { ok: true, value: {} };
  try {
    return { ok: true, value: JSON.parse(strictDecoder.decode(data)) };
  } catch (thrown) {
    return { ok: false, why: `is not JSON: ${thrown instanceof Error ? thrown.message : String(thrown)}` };
  }
}

function causationOf(options: InboxOptions, served: ServedEndpoint, h: MsgHdrs | undefined): Causation {
  const messageId = h?.get(MESSAGE_ID_HEADER) || undefined;
  const causeId =
    messageId === undefined
      ? h?.get(CAUSATION_HEADER) || options.newId()
      : `${served.endpoint.subject}:${messageId}`;
  const correlationId = h?.get(CORRELATION_HEADER) || causeId;
  const causation = { causeId, correlationId, deduplicate: messageId !== undefined };
  const traceparent = h?.get(TRACE_HEADER) || undefined;
  return traceparent === undefined ? causation : { ...causation, traceparent };
}

function refused(
  code: ErrorCode,
  message: string,
  extra: { retryable?: boolean; details?: Readonly<Record<string, unknown>> } = {},
): HandlerResult {
  return {
    ok: false,
    rejection: {
      code,
      message,
      retryable: extra.retryable ?? false,
      ...(extra.details ? { details: extra.details } : {}),
    },
  };
}

function badRequest(problems: readonly Problem[]): HandlerResult {
  const first = problems.map((p) => (p.path === "" ? `the payload ${p.message}` : `${p.path} ${p.message}`));
  return refused("BAD_REQUEST", first.join("; "), { details: { problems } });
}

function errorOf(rejection: Rejection): ReplyError {
  const { code, message, retryable, details } = rejection;
  return details === undefined ? { code, message, retryable } : { code, message, retryable, details };
}

function faultAsError(thrown: unknown): ReplyError {
  if (!(thrown instanceof Fault)) {
    return { code: "INTERNAL", message: "an unexpected fault, see the service's log", retryable: false };
  }
  // A log that cannot be read, or not in time, is a service that is away.
  const isAway = thrown.code === "TIMEOUT" || thrown.code === "CORRUPT_EVENT";
  const code = isAway ? "UNAVAILABLE" : thrown.code;
  return {
    code: isErrorCode(code) ? code : "INTERNAL",
    message: thrown.message,
    retryable: thrown.retryable,
    details: thrown.details,
  };
}

function respondError(message: ServiceMsg, error: ReplyError): void {
  const status = isErrorCode(error.code) ? ERRORS[error.code].status : 500;
  const h = headers();
  h.set("Nats-Service-Error-Code", String(status));
  h.set("Nats-Service-Error", `${error.code}: ${error.message}`.replaceAll(/[\r\n]+/g, " ").slice(0, 512));
  message.respond(JSON.stringify({ ok: false, error }), { headers: h });
}
