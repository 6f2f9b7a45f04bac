/**
 * Finds the cause and the effects of an event among the events near it in the log.
 */
import { eventSubject, walkLog } from "@bioxen/contracts";
import {
  type EventLog,
  isUnreadable,
  type StoredEvent,
  type UnreadableMessage,
  unreadableFault,
} from "@bioxen/kernel";
import type { EventReference } from "./event-words.ts";

/**
 * Number of events before an event in which its cause is searched, and number of events after it in which its effects
 * are searched. An effect follows its cause within milliseconds. 1 000 events are read in tens of milliseconds.
 *
 * An older cause is searched among all earlier events of the same aggregate. A `placed` event is the exception: its
 * cause is the reservation event in the ledger, which is read by its sequence.
 */
export const CONTEXT_EVENTS = 1_000;

export interface EventInContext {
  readonly event: StoredEvent;
  readonly causedBy: EventReference | null;
  /** The effects of the event among the {@link CONTEXT_EVENTS} events after it. */
  readonly effects: readonly StoredEvent[];
}

/**
 * Returns the event `seq` with its cause and effects. Throws when the log does not have the event, when the event
 * cannot be read, or when the log gives no event for `stallMs`. Other messages that cannot be read are left out.
 */
export async function eventInContext(log: EventLog, seq: number, stallMs: number): Promise<EventInContext> {
  const around: StoredEvent[] = [];
  let unreadable: UnreadableMessage | undefined;
  const onUnreadable = (message: UnreadableMessage) => {
    if (message.seq === seq) unreadable = message;
  };
  const fromSeq = Math.max(1, seq - CONTEXT_EVENTS);
  const range = { fromSeq, toSeq: seq + CONTEXT_EVENTS, stallMs, onUnreadable };
  const cause = await walkLog(log, (nearby) => around.push(nearby), range);
  const event = around.find((nearby) => nearby.seq === seq);
  if (unreadable !== undefined) throw unreadableFault(unreadable);
  if (event === undefined) throw cause ?? new Error(`event ${seq} did not arrive`);
  const { id, causationid } = event.envelope;
  const isCause = (other: StoredEvent) => other.seq < seq && other.envelope.id === causationid;
  const found = around.find(isCause) ?? (await earlierEvents(log, event)).find(isCause);
  return {
    event,
    causedBy: found === undefined ? null : referenceTo(found),
    effects: around.filter((other) => other.seq > seq && other.envelope.causationid === id),
  };
}

async function earlierEvents(log: EventLog, event: StoredEvent): Promise<readonly StoredEvent[]> {
  const { type, data } = event.envelope;
  if (type !== "bioxen.vm.placed.v1") {
    const earlier = await log.readMessages(event.streamSubject, 0, event.seq - 1);
    return earlier.flatMap((message) => (isUnreadable(message) ? [] : [message]));
  }
  // The fencing token of a placement is the sequence of its reservation, the event that caused the placement.
  const { chassisId, fence } = data as { chassisId: string; fence: number };
  return log.read(eventSubject("ledger", chassisId), fence - 1, fence);
}

export function referenceTo({ seq, envelope: { type, subject } }: StoredEvent): EventReference {
  return { seq, type, subject };
}
