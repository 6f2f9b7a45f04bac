/**
 * The envelope in which every event travels and is stored: CloudEvents 1.0 structured JSON with extensions.
 *
 * One message holds one event, which records one decision of one aggregate. `aggregateversion` counts 1, 2, 3 … per
 * aggregate, so that every reader notices a missing event. The stream sequence is another number: it orders the events
 * of all aggregates.
 */
export interface EventBody {
  /** The type of the event, in the form `bioxen.<aggregate>.<past-tense>.v<N>`. */
  readonly type: string;
  readonly data: unknown;
}

export interface EventEnvelope<Body extends EventBody = EventBody> {
  readonly specversion: "1.0";
  readonly id: string;
  /** The service that decided the event, as a URI reference: `/bioxen/lifecycle`. */
  readonly source: string;
  readonly type: Body["type"];
  /** Kind and id of the aggregate, such as `vm/cell-1`. */
  readonly subject: string;
  /** Instant of the decision, RFC 3339 in UTC. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly data: Body["data"];
  readonly aggregateversion: number;
  /** The id of the command that began the chain of causes leading to this event. */
  readonly correlationid: string;
  /** The id of the command or event that directly caused this event. */
  readonly causationid: string;
  /**
   * The caller whose command decided the event, as the server knows it: `alice`, `agent:<id>`, `anonymous` on an open
   * stack, or `service:<name>` for the decision of a process manager. Absent in events of releases before this field.
   */
  readonly principal?: string;
  /** The principal whose command began the chain that led to the decision of a service or agent, if it is known. */
  readonly onbehalfof?: string;
  /** `gateway` when the command came over HTTP: the gateway spoke in the name of `principal`. */
  readonly via?: string;
  readonly traceparent?: string;
  /** The vendors' part of the W3C trace context; never without `traceparent`. */
  readonly tracestate?: string;
  /**
   * Digest of the aggregate's previous event; absent in its first event. If a stored event is changed, it no longer
   * matches the digest in the next event. The change is therefore detected unless all later events are changed too.
   */
  readonly previoushash?: string;
  /**
   * Digest of the payload of the command that caused this event. Present when the command had a message id, so that
   * another payload under the same message id is noticed. Absent in events of releases before this field.
   */
  readonly payloaddigest?: string;
}

/** The two parts of an envelope's `subject`: `vm/cell-1` is kind `vm`, id `cell-1`. */
export function splitSubject(subject: string): { readonly kind: string; readonly id: string } {
  const slash = subject.indexOf("/");
  return { kind: subject.slice(0, slash), id: subject.slice(slash + 1) };
}

/** Identifies one event of a log: another log has another digest at this sequence. */
export interface EventMark {
  readonly seq: number;
  readonly streamSubject: string;
  readonly digest: string;
}

/** The position of an event in the log: all that `evolve` may know besides the event itself. */
export interface EventPosition {
  /** The `id` in the event's envelope. */
  readonly eventId: string;
  readonly correlationId: string;
  readonly principal?: string | undefined;
  readonly onBehalfOf?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
  /** Sequence in the stream, from 1; orders all events of all aggregates. */
  readonly seq: number;
  readonly version: number;
  readonly atMs: number;
}

export interface StoredEvent {
  readonly seq: number;
  /** The stream subject under which the event is stored, such as `bioxen.evt.vm.cell-1`. */
  readonly streamSubject: string;
  /** SHA-256 of the event's stored bytes, hexadecimal. */
  readonly digest: string;
  readonly envelope: EventEnvelope;
}

/** The origin of a decision, which becomes part of its event's envelope. */
export interface Causation {
  /** The command or event that directly causes the decision; becomes `causationid`. */
  readonly causeId: string;
  readonly correlationId: string;
  /**
   * The caller of the command, as the server knows it; becomes `principal`. Absent for a process manager: its events
   * name the service.
   */
  readonly principal?: string;
  /** The role of the caller: one of `ROLES` of the contracts. Set together with `principal`. */
  readonly role?: string;
  /** The principal whose command began the chain of causes; becomes `onbehalfof`. */
  readonly onBehalfOf?: string;
  /** The service that spoke in the name of `principal`; becomes `via`. */
  readonly via?: string;
  readonly traceparent?: string;
  /** The vendors' part of the W3C trace context; never without `traceparent`. */
  readonly tracestate?: string;
  /** Headers of the request that hold a trace context in another format, by name. They become part of no event. */
  readonly traceHeaders?: Readonly<Record<string, string>>;
  /**
   * True when `causeId` identifies one command of a caller by its `Nats-Msg-Id`: a retry under the same id gets the
   * first outcome. False when a process reacts to an event, because one event may cause several decisions.
   */
  readonly deduplicate: boolean;
  /**
   * The instant at which the caller issued the command, epoch ms. Set when the outcome of the command may be too old to
   * be in memory: the outcome is then looked up in the log.
   */
  readonly statedAtMs?: number;
  /** Digest of the command's payload; becomes `payloaddigest`. Set only together with `deduplicate`. */
  readonly payloadDigest?: string;
  /**
   * The version that the caller expects the changed aggregate to have before the command; 0 for an aggregate without
   * events. With another version the command is refused.
   */
  readonly expectedVersion?: number;
}

/** Returns `causation` for a command that expects the changed aggregate to have a version; undefined: any version. */
export function expecting(causation: Causation, expectedVersion: number | undefined): Causation {
  return expectedVersion === undefined ? causation : { ...causation, expectedVersion };
}

/** Returns `causation` for an aggregate to which the caller's expected version does not refer. */
export function expectingAnyVersion({ expectedVersion: _, ...causation }: Causation): Causation {
  return causation;
}

/** The fields of an event from which a decision in reaction to that event takes its cause, principal and trace. */
export type CauseEvent = Pick<
  EventEnvelope,
  "id" | "correlationid" | "principal" | "onbehalfof" | "traceparent" | "tracestate"
>;

/**
 * Returns the causation of a decision that reacts to this event: the event is the direct cause, and the decision keeps
 * the event's correlation id and trace context. It is made on behalf of the principal that began the chain.
 */
export function causedBy(envelope: CauseEvent): Causation {
  const base = { causeId: envelope.id, correlationId: envelope.correlationid, deduplicate: false };
  return { ...base, ...onBehalfOf(beginnerOf(envelope)), ...traceOf(envelope) };
}

const SERVICE_PREFIX = "service:";

/** Returns the principal whose command began the chain that led to an event; undefined when it is unknown. */
export function beginnerOf({
  principal,
  onbehalfof,
}: {
  readonly principal?: string | undefined;
  readonly onbehalfof?: string | undefined;
}): string | undefined {
  return onbehalfof ?? (principal?.startsWith(SERVICE_PREFIX) ? undefined : principal);
}

/** Returns the field `onBehalfOf` of a causation; no field for an unknown principal. */
export function onBehalfOf(principal: string | undefined): Pick<Causation, "onBehalfOf"> {
  return principal === undefined ? {} : { onBehalfOf: principal };
}

/**
 * Returns the principal for which a service acts when it calls another service with this causation: the principal that
 * began the chain, else the caller itself.
 */
export function servedPrincipal({ principal, onBehalfOf: served }: Causation): string | undefined {
  return beginnerOf({ principal, onbehalfof: served });
}

/** Returns who decided an event: the caller of the command, or the service with this `source`. */
export function decidedBy(
  { principal, onBehalfOf: served, via }: Causation,
  source: string,
): Pick<EventEnvelope, "principal" | "onbehalfof" | "via"> {
  const decider = principal ?? SERVICE_PREFIX + source.slice(source.lastIndexOf("/") + 1);
  return { ...decidersOf({ principal: decider, onbehalfof: served }), ...(via === undefined ? {} : { via }) };
}

/** The W3C trace context of a command, an event or a call. */
export interface TraceContext {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** Returns only the trace context of `source`, without fields that it lacks. */
export function traceOf({
  traceparent,
  tracestate,
}: {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}): TraceContext {
  if (traceparent === undefined) return {};
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}

/** Returns the fields of the event at this position from which later decisions take their cause. */
export function causeAt(at: EventPosition): CauseEvent {
  const { eventId: id, correlationId: correlationid, principal, onBehalfOf: onbehalfof } = at;
  return { id, correlationid, ...decidersOf({ principal, onbehalfof }), ...traceOf(at) };
}

/** Returns only the principals of `source`, without fields that it lacks. */
export function decidersOf({
  principal,
  onbehalfof,
}: {
  readonly principal?: string | undefined;
  readonly onbehalfof?: string | undefined;
}): Pick<CauseEvent, "principal" | "onbehalfof"> {
  return {
    ...(principal === undefined ? {} : { principal }),
    ...(onbehalfof === undefined ? {} : { onbehalfof }),
  };
}

export function positionOf(event: StoredEvent): EventPosition {
  return {
    eventId: event.envelope.id,
    correlationId: event.envelope.correlationid,
    principal: event.envelope.principal,
    onBehalfOf: event.envelope.onbehalfof,
    ...traceOf(event.envelope),
    seq: event.seq,
    version: event.envelope.aggregateversion,
    atMs: msOf(event.envelope.time),
  };
}

/** Length of `2026-01-01T00:00:00`, characters. */
const SECOND_LENGTH = 19;
/** Length of a complete timestamp in the form that services write: 24 characters. */
const INSTANT_LENGTH = 24;
let lastSecond = "";
let lastSecondMs = 0;

/** Returns an RFC 3339 instant as epoch ms. Caches the last parsed second, because events come in order. */
function msOf(time: string): number {
  if (time.length !== INSTANT_LENGTH) return Date.parse(time);
  if (!time.startsWith(lastSecond) || lastSecond === "") {
    lastSecond = time.slice(0, SECOND_LENGTH);
    lastSecondMs = Date.parse(`${lastSecond}.000Z`);
  }
  return lastSecondMs + Number(time.slice(SECOND_LENGTH + 1, INSTANT_LENGTH - 1));
}
