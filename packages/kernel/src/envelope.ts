/**
 * The envelope every event travels and is stored in: CloudEvents 1.0 structured JSON with our extensions.
 *
 * One message = one event = one decision of one aggregate. `aggregateversion` counts 1, 2, 3 … per aggregate and
 * exists so that a gap is visible to any reader; it is not the stream sequence, which orders all aggregates.
 */
export interface EventBody {
  /** `bioxen.<aggregate>.<past-tense>.v<N>` */
  readonly type: string;
  readonly data: unknown;
}

export interface EventEnvelope<Body extends EventBody = EventBody> {
  readonly specversion: "1.0";
  readonly id: string;
  /** The service that decided it, as a URI reference: `/bioxen/lifecycle`. */
  readonly source: string;
  readonly type: Body["type"];
  /** The aggregate, `vm/cell-1`. */
  readonly subject: string;
  /** RFC 3339 UTC. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly data: Body["data"];
  readonly aggregateversion: number;
  /** The id of the command that began it all. */
  readonly correlationid: string;
  /** The id of the command or event that directly caused this one. */
  readonly causationid: string;
  readonly traceparent?: string;
  /** Digest of the aggregate's event before this one; absent in its first. Who changes an event breaks every one after. */
  readonly previoushash?: string;
}

/** The two parts of an envelope's `subject`: `vm/cell-1` is kind `vm`, id `cell-1`. */
export function splitSubject(subject: string): { readonly kind: string; readonly id: string } {
  const slash = subject.indexOf("/");
  return { kind: subject.slice(0, slash), id: subject.slice(slash + 1) };
}

/** Where an event stands: what `evolve` may know beside the event itself. */
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
  /** The stream subject it is stored under, `bioxen.evt.vm.cell-1`. */
  readonly streamSubject: string;
  /** SHA-256 of its bytes as they are stored, hexadecimal. */
  readonly digest: string;
  readonly envelope: EventEnvelope;
}

/** What a decision needs beside state and command to become an envelope. */
export interface Causation {
  /** The command or event that directly asks for it; becomes `causationid`. */
  readonly causeId: string;
  readonly correlationId: string;
  readonly traceparent?: string;
  /**
   * True when `causeId` stands for one intent of a caller (its `Nats-Msg-Id`): a retry under the same id gets the first
   * outcome. False for what a process does because of an event, which may rightly cause several things.
   */
  readonly deduplicate: boolean;
  /** When the caller stated the intent, where that can be long ago: its outcome is then looked for in the log itself. */
  readonly statedAtMs?: number;
}

/** Continues the chain of an event: what a process does because of it. */
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

/** `2026-01-01T00:00:00` of an instant as we write them, and what follows it. */
const SECOND_LENGTH = 19;
const INSTANT_LENGTH = 24;
let lastSecond = "";
let lastSecondMs = 0;

/** Epoch milliseconds of an RFC 3339 instant. Events come in order, so most are in the second of the one before. */
function msOf(time: string): number {
  if (time.length !== INSTANT_LENGTH) return Date.parse(time);
  if (!time.startsWith(lastSecond) || lastSecond === "") {
    lastSecond = time.slice(0, SECOND_LENGTH);
    lastSecondMs = Date.parse(`${lastSecond}.000Z`);
  }
  return lastSecondMs + Number(time.slice(SECOND_LENGTH + 1, INSTANT_LENGTH - 1));
}
