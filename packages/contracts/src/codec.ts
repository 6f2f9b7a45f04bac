/**
 * Bytes ↔ event envelope, validated against the catalogue of event types.
 *
 * An event that cannot be decoded is never skipped: `decodeEvent` throws a `Fault` CORRUPT_EVENT that names the sequence,
 * and the reader stops there, because a state with a hole is fiction.
 */
import { hash } from "node:crypto";
import { type EventEnvelope, Fault, invariant, type StoredEvent } from "@bioxen/kernel";
import { z } from "zod";
import { CHASSIS_EVENTS } from "./events/chassis.ts";
import { LEDGER_EVENTS } from "./events/ledger.ts";
import { SUPERSEDED_VM_EVENTS, VM_EVENTS } from "./events/vm.ts";
import { AGGREGATE_KINDS } from "./subjects.ts";
import { isSuperseded, upcast } from "./upcasters.ts";

/** Every type in every version that was ever written: an old log is read for ever. */
export const EVENT_TYPES: Readonly<Record<string, z.ZodType>> = {
  ...VM_EVENTS,
  ...LEDGER_EVENTS,
  ...CHASSIS_EVENTS,
  ...SUPERSEDED_VM_EVENTS,
};

const envelopeSchema = z.object({
  specversion: z.literal("1.0"),
  id: z.string().min(1),
  source: z.string().min(1),
  type: z.string(),
  subject: z.string().regex(new RegExp(`^(?:${AGGREGATE_KINDS.join("|")})/[a-z0-9-]+$`)),
  time: z.iso.datetime(),
  datacontenttype: z.literal("application/json"),
  data: z.unknown(),
  aggregateversion: z.int().min(1),
  correlationid: z.string(),
  causationid: z.string(),
  traceparent: z.string().optional(),
  previoushash: z.hash("sha256").optional(),
});

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** What is stored. Throws for a version that has a successor: only the newest is written. */
export function encodeEvent(envelope: EventEnvelope): Uint8Array {
  invariant(!isSuperseded(envelope.type), "only the newest version of an event is written", {
    type: envelope.type,
  });
  return encoder.encode(JSON.stringify(envelope));
}

/** What the aggregate's next event carries as `previoushash`. */
export function digestOf(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

function corrupt(seq: number, streamSubject: string, why: string, cause?: unknown): Fault {
  return new Fault("CORRUPT_EVENT", `event ${seq} on ${streamSubject} cannot be read: ${why}`, {
    retryable: false,
    details: { seq, subject: streamSubject },
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * The stored event in the newest version of its type; its digest is that of the bytes as they are stored. Throws `Fault`
 * CORRUPT_EVENT for bytes that are not an event this version knows.
 */
export function decodeEvent(bytes: Uint8Array, seq: number, streamSubject: string): StoredEvent {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw corrupt(seq, streamSubject, "it is not JSON", cause);
  }
  const envelope = envelopeSchema.safeParse(json);
  if (!envelope.success) throw corrupt(seq, streamSubject, z.prettifyError(envelope.error));
  const { type, subject } = envelope.data;
  const schema = EVENT_TYPES[type];
  if (schema === undefined) throw corrupt(seq, streamSubject, `this version knows no event type ${type}`);
  if (streamSubject !== `bioxen.evt.${subject.replace("/", ".")}`) {
    throw corrupt(seq, streamSubject, `it speaks of ${subject}`);
  }
  const data = schema.safeParse(envelope.data.data);
  if (!data.success) throw corrupt(seq, streamSubject, `${type}: ${z.prettifyError(data.error)}`);
  return {
    seq,
    streamSubject,
    digest: digestOf(bytes),
    envelope: upcast({ ...envelope.data, data: data.data } as EventEnvelope),
  };
}
