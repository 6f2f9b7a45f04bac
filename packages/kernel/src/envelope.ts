/**
 * The envelope in which every event travels and is stored: CloudEvents 1.0 structured JSON with extensions.
 *
 * One message is one event and one decision of one aggregate. `aggregateversion` counts 1, 2, 3 … per aggregate, so
 * that every reader sees a gap. It is not the stream sequence, which orders the events of all aggregates.
 */
export interface EventBody {
  /** `bioxen.<aggregate>.<past-tense>.v<N>` */
  readonly type: string;
  readonly data: unknown;
}

export interface EventEnvelope<Body extends EventBody = EventBody> {
  readonly specversion: "1.0";
  readonly id: string;
  /** The service that decided the event, as a URI reference: `/bioxen/lifecycle`. */
  readonly source: string;
  readonly type: Body["type"];
  /** The aggregate, `vm/cell-1`. */
  readonly subject: string;
  /** Instant of the decision, RFC 3339 in UTC. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly data: Body["data"];
  readonly aggregateversion: number;
  /** The id of the command at the beginning of the chain. */
  readonly correlationid: string;
  /** The id of the command or event that directly caused this event. */
  readonly causationid: string;
  readonly traceparent?: string;
  /**
   * Digest of the aggregate's previous event; absent in its first event. A changed event no longer matches the digest
   * in the next one, so the change shows unless all later events are changed too.
   */
  readonly previoushash?: string;
}

/** The two parts of an envelope's `subject`: `vm/cell-1` is kind `vm`, id `cell-1`. */
export function splitSubject(subject: string): { readonly kind: string; readonly id: string } {
  const slash = subject.indexOf("/");
  return { kind: subject.slice(0, slash), id: subject.slice(slash + 1) };
}

/** The position of an event in the log: all that `evolve` may know besides the event itself. */
export interface EventPosition {
  /** The envelope's id. */
  readonly eventId: string;
  readonly correlationId: string;
  readonly traceparent?: string | undefined;
  /** Sequence in the stream, from 1; orders all events of all aggregates. */
  readonly seq: number;
  readonly version: number;
  readonly atMs: number;
}

export interface StoredEvent {
  readonly seq: number;
  /** The stream subject under which the event is stored, such as `bioxen.evt.vm.cell-1`. */
  readonly streamSubject: string;
  /** SHA-256 of the stored bytes, hexadecimal. */
  readonly digest: string;
  readonly envelope: EventEnvelope;
}

/** The origin of a decision, which becomes part of its event's envelope. */
export interface Causation {
  /** The command or event that directly causes the decision; becomes `causationid`. */
  readonly causeId: string;
  readonly correlationId: string;
  readonly traceparent?: string;
  /**
   * True when `causeId` stands for one intent of a caller (its `Nats-Msg-Id`): a retry under the same id gets the first
   * outcome. False when a process reacts to an event, because one event may cause several things.
   */
  readonly deduplicate: boolean;
  /**
   * The instant of the intent, epoch ms. Set when the intent may be older than the outcome memory: the outcome is then
   * looked up in the log itself.
   */
  readonly statedAtMs?: number;
}

/** Returns the causation of a process that reacts to this event: it continues the event's chain. */
export function causedBy(envelope: Pick<EventEnvelope, "id" | "correlationid" | "traceparent">): Causation {
  const base = { causeId: envelope.id, correlationId: envelope.correlationid, deduplicate: false };
  return envelope.traceparent === undefined ? base : { ...base, traceparent: envelope.traceparent };
}

export function positionOf(event: StoredEvent): EventPosition {
  return {
    eventId: event.envelope.id,
    correlationId: event.envelope.correlationid,
    traceparent: event.envelope.traceparent,
    seq: event.seq,
    version: event.envelope.aggregateversion,
    atMs: msOf(event.envelope.time),
  };
}

/** Length of `2026-01-01T00:00:00`, characters. */
const SECOND_LENGTH = 19;
/** Length of a whole instant in the form that services write, characters. */
const INSTANT_LENGTH = 24;
let lastSecond = "";
let lastSecondMs = 0;

/** Epoch milliseconds of an RFC 3339 instant. Caches the last second, because events come in order. */
function msOf(time: string): number {
  if (time.length !== INSTANT_LENGTH) return Date.parse(time);
  if (!time.startsWith(lastSecond) || lastSecond === "") {
    lastSecond = time.slice(0, SECOND_LENGTH);
    lastSecondMs = Date.parse(`${lastSecond}.000Z`);
  }
  return lastSecondMs + Number(time.slice(SECOND_LENGTH + 1, INSTANT_LENGTH - 1));
}
