/**
 * Encodes and decodes event envelopes, and validates them against the catalogue of event types.
 *
 * A message that cannot be decoded is never passed over in silence, because a state that misses an event is wrong.
 * For such a message, `decodeMessage` returns the reason, and `decodeEvent` throws. A reader of the log then stops
 * folding the aggregate of the message.
 */
import {
  type EventEnvelope,
  invariant,
  isUnreadable,
  type LogMessage,
  messageOf,
  type StoredEvent,
  unreadableFault,
} from "@bioxen/kernel";
import * as z from "zod";
import { sha256 } from "#sha256";
import { acceptorOf } from "./acceptor.ts";
import { ALERT_EVENTS } from "./events/alert.ts";
import { CHASSIS_EVENTS } from "./events/chassis.ts";
import { DRAIN_EVENTS } from "./events/drain.ts";
import { EXPERIMENT_EVENTS } from "./events/experiment.ts";
import { LEDGER_EVENTS } from "./events/ledger.ts";
import { LOG_EVENTS } from "./events/log.ts";
import { QUOTA_EVENTS } from "./events/quota.ts";
import { SUPERSEDED_VM_EVENTS, VM_EVENTS } from "./events/vm.ts";
import { AGGREGATE_KINDS } from "./subjects.ts";
import { isSuperseded, upcast } from "./upcasters.ts";
import { BIOXEN_VERSION } from "./version.ts";

/** The schema of every event type, in every version that was ever written, so that old logs stay readable forever. */
export const EVENT_TYPES: Readonly<Record<string, z.ZodType>> = {
  ...VM_EVENTS,
  ...LEDGER_EVENTS,
  ...CHASSIS_EVENTS,
  ...DRAIN_EVENTS,
  ...QUOTA_EVENTS,
  ...ALERT_EVENTS,
  ...LOG_EVENTS,
  ...EXPERIMENT_EVENTS,
  ...SUPERSEDED_VM_EVENTS,
};

const SUBJECT = new RegExp(`^(?:${AGGREGATE_KINDS.join("|")})/[a-z0-9-]+$`);

/** Length of a SHA-256 digest in hexadecimal, in characters. */
const DIGEST_LENGTH = 64;

/** The attributes of every event. A reader ignores further attributes, which a newer release may write. */
export const envelopeSchema = z.object({
  specversion: z.literal("1.0"),
  id: z.string().min(1),
  source: z.string().min(1),
  type: z.string(),
  subject: z.string().regex(SUBJECT),
  time: z.iso.datetime(),
  datacontenttype: z.literal("application/json"),
  data: z.unknown(),
  aggregateversion: z.int().min(1),
  correlationid: z.string(),
  causationid: z.string(),
  principal: z.string().optional(),
  onbehalfof: z.string().optional(),
  via: z.string().optional(),
  traceparent: z.string().optional(),
  tracestate: z.string().optional(),
  /** Only the length is checked here; the log verifier compares the digests. */
  previoushash: z.string().length(DIGEST_LENGTH).optional(),
  payloaddigest: z.string().optional(),
});

/** The attributes of an envelope that only some events have. */
const OPTIONAL_FIELDS = [
  "principal",
  "onbehalfof",
  "via",
  "traceparent",
  "tracestate",
  "previoushash",
  "payloaddigest",
] as const;

/** Matches an instant in the form that BioXen writes. An instant on 29 February is left to the schema. */
const PLAIN_INSTANT =
  /^\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;
const REQUIRED_FIELDS = Object.keys(envelopeSchema.shape).length - OPTIONAL_FIELDS.length;

/** A fast check of an envelope. When it returns false, the schema decides (see acceptor.ts). */
function isPlainEnvelope(json: unknown): json is z.infer<typeof envelopeSchema> {
  if (typeof json !== "object" || json === null) return false;
  const e = json as Readonly<Record<string, unknown>>;
  let optional = 0;
  for (const name of OPTIONAL_FIELDS) if (e[name] !== undefined) optional += 1;
  return (
    Object.keys(e).length === REQUIRED_FIELDS + optional &&
    e["specversion"] === "1.0" &&
    isFilled(e["id"]) &&
    isFilled(e["source"]) &&
    isFilled(e["type"]) &&
    typeof e["subject"] === "string" &&
    SUBJECT.test(e["subject"]) &&
    typeof e["time"] === "string" &&
    PLAIN_INSTANT.test(e["time"]) &&
    e["datacontenttype"] === "application/json" &&
    Number.isSafeInteger(e["aggregateversion"]) &&
    (e["aggregateversion"] as number) >= 1 &&
    typeof e["correlationid"] === "string" &&
    typeof e["causationid"] === "string" &&
    OPTIONAL_FIELDS.every((name) => e[name] === undefined || typeof e[name] === "string") &&
    (e["previoushash"] === undefined || (e["previoushash"] as string).length === DIGEST_LENGTH)
  );
}

function isFilled(value: unknown): value is string {
  return typeof value === "string" && value.length > 0;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Returns the bytes to store for an event. Throws for a superseded version of an event type: only the newest version is
 * written.
 */
export function encodeEvent(envelope: EventEnvelope): Uint8Array {
  invariant(!isSuperseded(envelope.type), "only the newest version of an event is written", {
    type: envelope.type,
  });
  return encoder.encode(JSON.stringify(envelope));
}

/** Returns the SHA-256 digest of stored bytes, which the aggregate's next event carries as `previoushash`. */
export function digestOf(bytes: Uint8Array): string {
  return sha256(bytes);
}

const ACCEPTORS = new Map(Object.entries(EVENT_TYPES).map(([type, schema]) => [type, acceptorOf(schema)]));

/**
 * Maximum length of the description of an unreadable message, in characters. The description can quote parts of the
 * message, which may be arbitrarily long.
 */
const MAX_PROBLEM_LENGTH = 300;
/** Matches an event type in the form that every release of BioXen uses. */
const EVENT_TYPE = /^bioxen\.[a-z]+\.[a-z]+(?:-[a-z]+)*\.v[1-9]\d*$/;

/** Thrown and caught inside this file when bytes are not an event. The message is the reason. */
class NotAnEvent extends Error {
  readonly isNewer: boolean;

  constructor(why: string, isNewer = false) {
    super(why);
    this.isNewer = isNewer;
  }
}

/**
 * Decodes a stored event and brings it to the newest version of its type. The digest is that of the stored bytes.
 * Throws `Fault` CORRUPT_EVENT for bytes that are not an event of a known type.
 */
export function decodeEvent(bytes: Uint8Array, seq: number, streamSubject: string): StoredEvent {
  const message = decodeMessage(bytes, seq, streamSubject);
  if (isUnreadable(message)) throw unreadableFault(message);
  return message;
}

/**
 * Decodes a stored message like {@link decodeEvent}, but never throws. For bytes that are not an event of a known type,
 * the returned message has no event: its field `why` has the reason. `digest` is the digest of the bytes, if known.
 */
export function decodeMessage(
  bytes: Uint8Array,
  seq: number,
  streamSubject: string,
  digest?: string,
): LogMessage {
  try {
    return new ReadEvent(seq, streamSubject, envelopeOf(bytes, streamSubject), digest ?? bytes);
  } catch (thrown) {
    // The thrown value is a NotAnEvent, or a stack overflow because of deeply nested JSON.
    const isNewer = thrown instanceof NotAnEvent && thrown.isNewer;
    const why = messageOf(thrown).slice(0, MAX_PROBLEM_LENGTH);
    return { seq, streamSubject, digest: digest ?? digestOf(bytes), why, isNewer };
  }
}

function envelopeOf(bytes: Uint8Array, streamSubject: string): EventEnvelope {
  const json = jsonOf(bytes);
  const schema = schemaOf(json);
  const envelope = isPlainEnvelope(json) ? json : parsedEnvelope(json);
  const { type, subject } = envelope;
  if (streamSubject !== `bioxen.evt.${subject.replace("/", ".")}`) {
    throw new NotAnEvent(`its subject is ${subject}`);
  }
  if (schema === undefined) throw new NotAnEvent(`${type} is not a type of event`);
  if (ACCEPTORS.get(type)?.(envelope.data) !== true) {
    const data = schema.safeParse(envelope.data);
    if (!data.success) throw new NotAnEvent(`${type}: ${inOneLine(data.error)}`);
    envelope.data = data.data;
  }
  return upcast(envelope as EventEnvelope);
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    throw new NotAnEvent("it is not JSON");
  }
}

/**
 * Returns the schema of an event's type; undefined when the message names no type, or a type that is not in BioXen's
 * form. Throws `NotAnEvent` for an unknown type in BioXen's form, because a newer release wrote the event. This check
 * comes before the check of the envelope, which the newer release may also have changed.
 */
function schemaOf(json: unknown): z.ZodType | undefined {
  const type = typeof json === "object" && json !== null && "type" in json ? json.type : undefined;
  if (typeof type !== "string") return undefined;
  const schema = Object.hasOwn(EVENT_TYPES, type) ? EVENT_TYPES[type] : undefined;
  if (schema !== undefined || !EVENT_TYPE.test(type)) return schema;
  throw new NotAnEvent(
    `it was written by a newer BioXen: version ${BIOXEN_VERSION} does not know the type ${type}`,
    true,
  );
}

/** A stored event that computes its digest on demand, and then keeps it in place of the bytes. */
class ReadEvent implements StoredEvent {
  readonly seq: number;
  readonly streamSubject: string;
  readonly envelope: EventEnvelope;
  #bytesOrDigest: Uint8Array | string;

  constructor(seq: number, streamSubject: string, envelope: EventEnvelope, bytes: Uint8Array | string) {
    this.seq = seq;
    this.streamSubject = streamSubject;
    this.envelope = envelope;
    this.#bytesOrDigest = bytes;
  }

  get digest(): string {
    if (typeof this.#bytesOrDigest !== "string") this.#bytesOrDigest = digestOf(this.#bytesOrDigest);
    return this.#bytesOrDigest;
  }
}

function parsedEnvelope(json: unknown): z.infer<typeof envelopeSchema> {
  const envelope = envelopeSchema.safeParse(json);
  if (!envelope.success) throw new NotAnEvent(inOneLine(envelope.error));
  return envelope.data;
}

function inOneLine({ issues }: z.ZodError): string {
  return issues
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`))
    .join("; ");
}
