/**
 * One event between its cause and its effects, found in the log around it.
 */
import { eventSubject } from "@bioxen/contracts";
import type { EventLog, StoredEvent } from "@bioxen/kernel";
import { walkLog } from "../walk-log.ts";
import type { EventReference } from "./event-words.ts";

/**
 * Events looked at on either side: an effect follows its cause within milliseconds, and so many are read in tens of them. A
 * cause further back is looked for in what the event's own aggregate did.
 */
export const LOOK_AROUND = 1_000;

export interface EventInContext {
  readonly event: StoredEvent;
  readonly causedBy: EventReference | null;
  /** Of the {@link LOOK_AROUND} events after it. */
  readonly effects: readonly StoredEvent[];
}

/** `seq` must be one of the log's. */
export async function eventInContext(log: EventLog, seq: number): Promise<EventInContext> {
  const around: StoredEvent[] = [];
  const range = { fromSeq: Math.max(1, seq - LOOK_AROUND), toSeq: seq + LOOK_AROUND };
  const cause = await walkLog(log, (one) => around.push(one), range);
  const event = around.find((one) => one.seq === seq);
  if (event === undefined) throw cause ?? new Error(`event ${seq} did not arrive`);
  const { id, causationid } = event.envelope;
  const isCause = (one: StoredEvent) => one.seq < seq && one.envelope.id === causationid;
  const found = around.find(isCause) ?? (await furtherBack(log, event)).find(isCause);
  return {
    event,
    causedBy: found === undefined ? null : referenceTo(found),
    effects: around.filter((one) => one.seq > seq && one.envelope.causationid === id),
  };
}

async function furtherBack(log: EventLog, event: StoredEvent): Promise<readonly StoredEvent[]> {
  const { type, data } = event.envelope;
  if (type !== "bioxen.vm.placed.v1") return log.read(event.streamSubject, 0, event.seq - 1);
  // Its reservation stands where its fencing token says.
  const { chassisId, fence } = data as { chassisId: string; fence: number };
  return log.read(eventSubject("ledger", chassisId), fence - 1, fence);
}

export function referenceTo({ seq, envelope: { type, subject } }: StoredEvent): EventReference {
  return { seq, type, subject };
}
