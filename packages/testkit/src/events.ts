/**
 * Valid events and envelopes for tests.
 */
import {
  type AggregateKind,
  aggregateOf,
  type ChassisEvent,
  digestOf,
  encodeEvent,
  eventSubject,
  type VmEvent,
} from "@bioxen/contracts";
import type { EventBody, EventEnvelope, EventLog, StoredEvent } from "@bioxen/kernel";

export interface EventFields {
  readonly id?: string;
  readonly version?: number;
  readonly time?: string;
  readonly causeId?: string;
}

/** An envelope for an event of the aggregate `kind/id`. */
export function envelopeOf(
  kind: string,
  id: string,
  body: EventBody,
  fields: EventFields = {},
): EventEnvelope {
  const version = fields.version ?? 1;
  return {
    specversion: "1.0",
    id: fields.id ?? `${kind}-${id}-${version}`,
    source: "/bioxen/test",
    type: body.type,
    subject: `${kind}/${id}`,
    time: fields.time ?? "2026-01-01T00:00:00.000Z",
    datacontenttype: "application/json",
    data: body.data,
    aggregateversion: version,
    correlationid: "test",
    causationid: fields.causeId ?? "test",
  };
}

export function storedOf(seq: number, envelope: EventEnvelope): StoredEvent {
  const { kind, id } = aggregateOf(envelope.subject);
  return {
    seq,
    streamSubject: eventSubject(kind, id),
    digest: digestOf(encodeEvent(envelope)),
    envelope,
  };
}

/**
 * Appends the next event of the aggregate `kind/id`. The event's version and the expected sequence follow from the
 * aggregate's events in the log, as in the service that owns the aggregate.
 */
export async function appendNext(
  log: EventLog,
  kind: AggregateKind,
  id: string,
  body: EventBody,
  fields: Omit<EventFields, "version"> = {},
): Promise<StoredEvent> {
  const streamSubject = eventSubject(kind, id);
  const before = await log.read(streamSubject, 0);
  const envelope = envelopeOf(kind, id, body, { ...fields, version: before.length + 1 });
  const appended = await log.append(streamSubject, envelope, before.at(-1)?.seq ?? 0);
  if (appended.kind === "conflict")
    throw new Error(`unexpected conflict: another writer changed ${kind}/${id}`);
  return storedOf(appended.seq, envelope);
}

/** Returns the envelope of a minimal valid event: an odd version cordons the chassis, an even one uncordons it. */
export function cordoned(id: string, version: number, eventId?: string): EventEnvelope {
  const type = version % 2 === 1 ? "bioxen.chassis.cordoned.v1" : "bioxen.chassis.uncordoned.v1";
  return envelopeOf("chassis", id, { type, data: {} }, { version, ...(eventId ? { id: eventId } : {}) });
}

/** The registration of a small chassis. */
export function registeredChassis(labels: Readonly<Record<string, string>> = {}): ChassisEvent {
  return {
    type: "bioxen.chassis.registered.v1",
    data: {
      chassisType: "ecoli",
      capacity: { ribosomes: 10 },
      overheadPermille: 0,
      maxVms: 4,
      labels,
      agentId: "a",
    },
  };
}

export type VmCreated = Extract<VmEvent, { readonly type: "bioxen.vm.created.v1" }>;

/** The creation of a small cell without a program and without automatic restarts. */
export function createdVm(more: Partial<VmCreated["data"]> = {}): VmCreated {
  return {
    type: "bioxen.vm.created.v1",
    data: {
      incarnation: 1,
      biologicalType: "syn3a",
      vmType: "basic",
      request: { ribosomes: 10 },
      priority: 1,
      seed: 7,
      program: null,
      environment: {},
      placement: {},
      restartPolicy: { mode: "never", maxAttempts: 0, backoffMs: 0 },
      labels: {},
      config: {},
      parent: null,
      ...more,
    },
  };
}

/**
 * Returns an event of a VM. `name` is the short form of its type, for example `paused`. Fields that a test does not
 * look at may be missing in `data`.
 */
export function vmEvent(name: string, data: object = {}, version = 1): VmEvent {
  return { type: `bioxen.vm.${name}.v${version}`, data } as VmEvent;
}
