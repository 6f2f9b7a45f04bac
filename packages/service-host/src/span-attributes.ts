/**
 * The attributes and the status of spans, by OpenTelemetry's semantic conventions for messaging and for errors.
 *
 * A fault of BioXen (INTERNAL, UNAVAILABLE, or an exception) sets the status of the span to ERROR. A refusal such as BAD_REQUEST or VM_ALREADY_EXISTS is a correct answer: the status stays UNSET, as the
 * conventions demand of a server for errors of its client. Both set `error.type` to the code, so that a search for the
 * code finds the span.
 */
import { type ErrorCode, isErrorCode, withoutPrincipal } from "@bioxen/contracts";
import {
  type CallOptions,
  type Causation,
  type EventEnvelope,
  isId,
  messageOf,
  splitSubject,
} from "@bioxen/kernel";
import { faultAsError } from "@bioxen/nats";
import { type Attributes, type Span, SpanStatusCode } from "@opentelemetry/api";

/** The codes of the catalogue that say that BioXen failed. All others refuse the request. */
const FAULTS: readonly string[] = ["INTERNAL", "UNAVAILABLE"] satisfies ErrorCode[];

const MESSAGING = { "messaging.system": "nats" } as const;

type SpanAttributes = Readonly<Record<string, string | number>>;

/** Attributes of the span that answers a request on `subject`. */
export function requestAttributes(subject: string, payload: unknown, causation: Causation): SpanAttributes {
  const { causeId, correlationId, deduplicate, principal, onBehalfOf } = causation;
  const prefix = `${subject}:`;
  const command = withoutPrincipal(causeId);
  return {
    ...MESSAGING,
    "messaging.operation.type": "process",
    "messaging.operation.name": "process",
    "messaging.destination.name": subject,
    ...(deduplicate && command.startsWith(prefix)
      ? { "messaging.message.id": command.slice(prefix.length) }
      : {}),
    "messaging.message.conversation_id": correlationId,
    ...principalsOf({ principal, onbehalfof: onBehalfOf }),
    ...idsOf(payload),
  };
}

/** Attributes of the span of a request to another service. */
export function callAttributes(subject: string, payload: unknown, options: CallOptions): SpanAttributes {
  const { messageId, causation } = options;
  return {
    ...MESSAGING,
    "messaging.operation.type": "send",
    "messaging.operation.name": "request",
    "messaging.destination.name": subject,
    ...(messageId === undefined ? {} : { "messaging.message.id": messageId }),
    ...(causation === undefined ? {} : { "messaging.message.conversation_id": causation.correlationId }),
    ...idsOf(payload),
  };
}

/** Attributes of the span of an append: a message to the stream of events, and a CloudEvent. */
export function appendAttributes(streamSubject: string, envelope: EventEnvelope): SpanAttributes {
  const { kind, id } = splitSubject(envelope.subject);
  return {
    ...MESSAGING,
    "messaging.operation.type": "send",
    "messaging.operation.name": "append",
    "messaging.destination.name": streamSubject,
    "messaging.destination.template": `${streamSubject.slice(0, streamSubject.lastIndexOf("."))}.{id}`,
    "messaging.message.id": envelope.id,
    "messaging.message.conversation_id": envelope.correlationid,
    "cloudevents.event_id": envelope.id,
    "cloudevents.event_source": envelope.source,
    "cloudevents.event_type": envelope.type,
    "cloudevents.event_subject": envelope.subject,
    ...principalsOf(envelope),
    ...idsOf({ ...(isObject(envelope.data) ? envelope.data : {}), ...OWN_ID[kind]?.(id) }),
  };
}

/** The principal of a request or event, and the principal for which a service made it. */
function principalsOf({
  principal,
  onbehalfof,
}: {
  readonly principal?: string | undefined;
  readonly onbehalfof?: string | undefined;
}): SpanAttributes {
  return {
    ...(principal === undefined ? {} : { "bioxen.principal": principal }),
    ...(onbehalfof === undefined ? {} : { "bioxen.on_behalf_of": onbehalfof }),
  };
}

/** The id of an event's own aggregate, as a field of a request would name it. */
const OWN_ID: Readonly<Record<string, (id: string) => object>> = {
  vm: (vmId) => ({ vmId }),
  ledger: (chassisId) => ({ chassisId }),
  chassis: (chassisId) => ({ chassisId }),
};

/** Returns the ids of the VM, the chassis and the snapshot that a payload names. */
function idsOf(payload: unknown): SpanAttributes {
  if (!isObject(payload)) return {};
  const named = (field: string, attribute: string) => {
    const id = payload[field];
    // A span shows only valid ids, so that a malformed request cannot write text of any size into a trace.
    return typeof id === "string" && isId(id) ? { [attribute]: id } : {};
  };
  return {
    ...named("vmId", "bioxen.vm.id"),
    ...named("chassisId", "bioxen.chassis.id"),
    ...named("snapshotId", "bioxen.snapshot.id"),
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

interface AnsweredError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** Notes the outcome of a request on its span. Without an error, the status stays UNSET. */
export function settled(span: Span, error: AnsweredError | undefined): void {
  if (error === undefined) return;
  span.setAttributes(errorAttributes(error));
  if (isFault(error.code)) span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
}

/** Notes an exception on the span, with the code that a caller gets for it. */
export function failed(span: Span, thrown: unknown): void {
  const { code, retryable } = faultAsError(thrown);
  span.setAttributes(errorAttributes({ code: codeOf(thrown) ?? code, retryable }));
  span.recordException(thrown instanceof Error ? thrown : String(thrown));
  span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(thrown) });
}

function errorAttributes({ code, retryable }: Omit<AnsweredError, "message">): Attributes {
  return { "error.type": code, "bioxen.error.code": code, "bioxen.error.retryable": retryable };
}

/** Returns the code of an error of the catalogue that is no `Fault`, such as the error of a driver. */
function codeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown) || typeof thrown.code !== "string") return undefined;
  return isErrorCode(thrown.code) ? thrown.code : undefined;
}

function isFault(code: string): boolean {
  return !isErrorCode(code) || FAULTS.includes(code);
}
