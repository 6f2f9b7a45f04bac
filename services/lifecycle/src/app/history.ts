/**
 * The log of one VM, each event with the event that caused it, page by page.
 *
 * The cause of a VM's event is another event of the VM, the reservation of the VM's place, or an event of its
 * preemptor. A fencing token is the sequence of its reservation event, so one read of the log finds that event.
 * A page needs the earlier events of the VM as causes. They are kept in memory from page to page, so that a page
 * usually reads only its own events. Without kept events, the page reads the earlier events from the log again.
 */
import {
  cursorOf,
  domainEventOf,
  eventSubject,
  type Handled,
  PageBuilder,
  type ResultOf,
} from "@bioxen/contracts";
import type { EventLog, StoredEvent } from "@bioxen/kernel";

type VmHistory = ResultOf<"vmHistory">;
type History = VmHistory["events"];
type EventReference = NonNullable<History[number]["causedBy"]>;

/** Number of events that one read of the log returns. If all are checkpoint events, the read returns about 170 kB. */
const EVENTS_PER_READ = 256;
/** Number of VMs whose earlier events are kept for the next page of their histories. */
const MAX_KEPT = 4;

export interface HistoryPage {
  readonly vmId: string;
  /** Sequence up to which the history is shown, the same for all pages; no page has a later event. */
  readonly seq: number;
  /** Sequence of the last event on the previous page; 0 for the first page. */
  readonly afterSeq: number;
  readonly limit: number | undefined;
  readonly maxBytes: number;
}

/** The events of a VM up to a sequence, by event id. */
interface Known {
  readonly untilSeq: number;
  readonly events: Map<string, EventReference>;
}

export class VmHistories {
  readonly #log: EventLog;
  /** By VM id, the events that are kept for the next page. The most recently used entry is last. */
  readonly #kept = new Map<string, Known>();

  constructor(log: EventLog) {
    this.#log = log;
  }

  /** Returns one page; undefined when the first page finds no event. */
  async page(page: HistoryPage, isFirst: boolean): Promise<Handled<VmHistory> | undefined> {
    const { vmId, seq, limit, maxBytes } = page;
    const subject = eventSubject("vm", vmId);
    const known = new Map(await this.#knownUntil(subject, page));
    const builder = new PageBuilder({ events: [] }, maxBytes, limit);
    let { afterSeq } = page;
    const ended = (cursor: string | null): Handled<VmHistory> => {
      this.#keep(vmId, { untilSeq: afterSeq, events: known });
      return { ok: true, result: builder.end(cursor) as VmHistory };
    };
    for (;;) {
      const own = await this.#log.read(subject, afterSeq, seq, EVENTS_PER_READ);
      if (own.length === 0 && isFirst && afterSeq === 0) return undefined;
      for (const event of await historyOf(this.#log, own, known)) {
        const added = builder.add({
          value: event,
          add: ({ events }) => (events as History).push(event),
          field: "events",
        });
        if (added === "full") return ended(cursorOf({ seq, id: vmId, index: afterSeq }));
        if (added !== undefined) return added;
        afterSeq = event.seq;
      }
      if (own.length < EVENTS_PER_READ) return ended(null);
    }
  }

  async #knownUntil(subject: string, { vmId, afterSeq }: HistoryPage): Promise<Map<string, EventReference>> {
    const kept = this.#kept.get(vmId);
    if (kept?.untilSeq === afterSeq) return kept.events;
    const known = new Map<string, EventReference>();
    for (let last = 0; last < afterSeq; ) {
      const events = await this.#log.read(subject, last, afterSeq, EVENTS_PER_READ);
      for (const event of events) learn(known, event);
      last = events.at(-1)?.seq ?? afterSeq;
    }
    return known;
  }

  #keep(vmId: string, known: Known): void {
    this.#kept.delete(vmId);
    this.#kept.set(vmId, known);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(oldest);
    }
  }
}

function learn(
  known: Map<string, EventReference>,
  { seq, envelope: { id, type, subject } }: StoredEvent,
): void {
  known.set(id, { seq, type, subject });
}

/** Returns `own` with the causes of its events. Adds to `known` every event that was read. */
async function historyOf(
  log: EventLog,
  own: readonly StoredEvent[],
  known: Map<string, EventReference>,
): Promise<History> {
  for (const event of own) learn(known, event);
  for (const { chassisId, fence } of placesOf(own)) {
    const [reservation] = await log.read(eventSubject("ledger", chassisId), fence - 1, fence);
    if (reservation !== undefined) learn(known, reservation);
  }
  for (const [vmId, untilSeq] of preemptorsOf(own)) {
    for (const event of await log.read(eventSubject("vm", vmId), 0, untilSeq)) learn(known, event);
  }
  return own.map(({ seq, envelope }) => ({
    seq,
    ...envelope,
    causedBy: known.get(envelope.causationid) ?? null,
  }));
}

/** Returns every place that the VM got in these events: its chassis and its fencing token. */
function placesOf(own: readonly StoredEvent[]): { readonly chassisId: string; readonly fence: number }[] {
  return own.flatMap(({ envelope }) => {
    const event = domainEventOf(envelope);
    if (event.type !== "bioxen.vm.placed.v1") return [];
    return [{ chassisId: event.data.chassisId, fence: event.data.fence }];
  });
}

/** Returns the VMs that preempted this one, each with the sequence of its last preemption of this VM. */
function preemptorsOf(own: readonly StoredEvent[]): Map<string, number> {
  const preemptors = new Map<string, number>();
  for (const { seq, envelope } of own) {
    const event = domainEventOf(envelope);
    if (event.type !== "bioxen.vm.preempted.v1" && event.type !== "bioxen.vm.displaced.v2") continue;
    if (event.data.by !== undefined) preemptors.set(event.data.by, seq);
  }
  return preemptors;
}
