/**
 * The log of a simulated cluster. Appends and acknowledgements are lost and delayed on the way.
 */
import { decodeEvent, decodeMessage, encodeEvent } from "@bioxen/contracts";
import {
  type AppendResult,
  type EventEnvelope,
  Fault,
  isUnreadable,
  type LogMessage,
  type StoredEvent,
} from "@bioxen/kernel";
import type { Faults } from "./faults.ts";
import type { Universe } from "./universe.ts";

/** The longest delay of an ordinary message, ms. */
const CALM_DELAY_MS = 3;
/** The longest delay of a late message, ms. */
const LATE_DELAY_MS = 2_500;
/** How long a caller waits for an append, ms. */
const APPEND_DEADLINE_MS = 8_000;
/**
 * Interval at which a follower out of reach tries again, ms: short, so that it goes on soon after the cut or the sleep.
 */
const FOLLOW_AGAIN_MS = 500;

interface Follower {
  next: number;
  scheduled: boolean;
  readonly deliver: (message: LogMessage) => void;
  /** The instant before which nothing is delivered, because the process sleeps or is cut off, ms. */
  readonly hearsAtMs: () => number;
}

/** The log of a run: every appended event and every poison message, in order. */
export class SimLog {
  readonly #universe: Universe;
  readonly #faults: Faults;
  readonly #onAppend: (event: StoredEvent) => void;
  /** The events that services have appended. */
  readonly events: StoredEvent[] = [];
  /** Called with each message that no service has written. */
  onPoison: (message: LogMessage) => void = () => {};
  #messages: (LogMessage | undefined)[] = [];
  #backup: readonly (LogMessage | undefined)[] = [];
  #creations = 1;
  /** Every event that a service has ever appended, lost ones too. */
  readonly #appended = new Set<LogMessage>();
  readonly #lastOf = new Map<string, LogMessage>();
  /** When each message was stored. A backup keeps it. */
  readonly #storedAt = new WeakMap<LogMessage, string>();
  readonly #followers = new Set<Follower>();

  constructor(universe: Universe, faults: Faults, onAppend: (event: StoredEvent) => void) {
    this.#universe = universe;
    this.#faults = faults;
    this.#onAppend = onAppend;
  }

  get lastSeq(): number {
    return this.#messages.length;
  }

  /** When the log was created; another text for each creation. */
  get created(): string {
    return `creation ${this.#creations}`;
  }

  at(seq: number): LogMessage | undefined {
    return this.#messages[seq - 1];
  }

  storedAt(message: LogMessage): string | undefined {
    return this.#storedAt.get(message);
  }

  /** Keeps a copy of the messages up to this sequence, for {@link restore}. */
  backUp(untilSeq: number): void {
    this.#backup = this.#messages.slice(0, untilSeq);
  }

  /** Puts the copy in the place of the log. */
  restore(): void {
    this.#become([...this.#backup]);
  }

  /** Loses messages. Those at the end leave no trace: their sequences are given again. */
  lose(from: number, to: number): void {
    const left = this.#messages.map((message, i) => (i + 1 >= from && i + 1 <= to ? undefined : message));
    while (left.length > 0 && left.at(-1) === undefined) left.pop();
    this.#become(left);
  }

  /** Makes the log again, empty. */
  recreate(): void {
    this.#creations += 1;
    this.#become([]);
  }

  #become(messages: (LogMessage | undefined)[]): void {
    this.#messages = messages;
    this.#lastOf.clear();
    for (const message of messages)
      if (message !== undefined) this.#lastOf.set(message.streamSubject, message);
    this.events.length = 0;
    for (const message of messages)
      if (message !== undefined && this.#isAppended(message)) this.events.push(message);
  }

  /** Calls `see` with every message in order, and with whether a service has appended it. */
  replay(see: (message: LogMessage, isEvent: boolean) => void): void {
    for (const message of this.#messages) if (message !== undefined) see(message, this.#isAppended(message));
  }

  #isAppended(message: LogMessage): message is StoredEvent {
    return this.#appended.has(message);
  }

  /** Every subject that has a message. */
  get subjects(): readonly string[] {
    return [...this.#lastOf.keys()];
  }

  /** Returns the newest message on a subject. */
  lastOf(streamSubject: string): LogMessage | undefined {
    return this.#lastOf.get(streamSubject);
  }

  /** Stores bytes that no service has written, such as those of a foreign client. */
  putBytes(streamSubject: string, bytes: Uint8Array): void {
    const message = decodeMessage(bytes, this.lastSeq + 1, streamSubject);
    this.onPoison(message);
    this.#put(message);
  }

  delayMs(): number {
    const late = this.#faults.strikes("message-late");
    return this.#universe.between(0, late ? LATE_DELAY_MS : CALM_DELAY_MS);
  }

  async append(streamSubject: string, envelope: EventEnvelope, expectedSeq: number): Promise<AppendResult> {
    // The event is stored as bytes, so that no process shares the object with another.
    const bytes = encodeEvent(envelope);
    await this.#universe.delay(this.delayMs());
    if (this.#faults.strikes("append-lost")) {
      await this.#universe.delay(APPEND_DEADLINE_MS);
      throw new Fault("UNAVAILABLE", "the append was lost", { retryable: true });
    }
    const result = this.#store(streamSubject, bytes, envelope.id, expectedSeq);
    await this.#universe.delay(this.delayMs());
    if (!this.#faults.strikes("ack-lost")) return result;
    // The adapter either sends the event again and learns that it was stored, or gives up.
    await this.#universe.delay(this.#universe.between(10, APPEND_DEADLINE_MS));
    if (this.#universe.chance(0.5))
      throw new Fault("UNAVAILABLE", "the acknowledgement was lost", { retryable: true });
    return result;
  }

  #store(streamSubject: string, bytes: Uint8Array, id: string, expectedSeq: number): AppendResult {
    const last = this.#lastOf.get(streamSubject);
    if (last !== undefined && !isUnreadable(last) && last.envelope.id === id) {
      return { kind: "appended", seq: last.seq, digest: last.digest };
    }
    if ((last?.seq ?? 0) !== expectedSeq) {
      this.#faults.count("conflict");
      return { kind: "conflict" };
    }
    const event = deepFreeze(decodeEvent(bytes, this.lastSeq + 1, streamSubject));
    this.events.push(event);
    this.#appended.add(event);
    this.#onAppend(event);
    this.#put(event);
    return { kind: "appended", seq: event.seq, digest: event.digest };
  }

  #put(message: LogMessage): void {
    this.#messages.push(message);
    this.#storedAt.set(message, `${this.#universe.nowMs} ms`);
    this.#lastOf.set(message.streamSubject, message);
    for (const follower of this.#followers) this.#schedule(follower);
  }

  async readMessages(
    streamSubject: string,
    afterSeq: number,
    untilSeq = Number.POSITIVE_INFINITY,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<readonly LogMessage[]> {
    await this.#universe.delay(this.delayMs());
    const isAsked = (e: LogMessage) => e.streamSubject === streamSubject && e.seq > afterSeq;
    const present = this.#messages.filter((e) => e !== undefined);
    return present.filter((e) => isAsked(e) && e.seq <= untilSeq).slice(0, limit);
  }

  async messageAt(seq: number): Promise<LogMessage | undefined> {
    await this.#universe.delay(this.delayMs());
    return this.#messages[seq - 1];
  }

  follow(
    fromSeq: number,
    deliver: (message: LogMessage) => void,
    hearsAtMs: () => number = () => 0,
  ): () => void {
    const follower: Follower = { next: fromSeq, scheduled: false, deliver, hearsAtMs };
    this.#followers.add(follower);
    this.#schedule(follower);
    return () => this.#followers.delete(follower);
  }

  /** Schedules the next batch for a follower, now and then much later. Batches keep the order of the log. */
  #schedule(follower: Follower): void {
    if (follower.scheduled || follower.next > this.lastSeq) return;
    follower.scheduled = true;
    const late = this.#faults.strikes("follower-late");
    const deliverAll = () => {
      const waitMs = follower.hearsAtMs() - this.#universe.nowMs;
      if (waitMs > 0) {
        this.#universe.after(Math.min(waitMs, FOLLOW_AGAIN_MS), deliverAll);
        return;
      }
      follower.scheduled = false;
      const end = this.lastSeq;
      while (follower.next <= end && this.#followers.has(follower)) {
        const message = this.#messages[follower.next - 1];
        follower.next += 1;
        if (message !== undefined) follower.deliver(message);
      }
      if (this.#followers.has(follower)) this.#schedule(follower);
    };
    this.#universe.after(this.#universe.between(0, late ? LATE_DELAY_MS : CALM_DELAY_MS), deliverAll);
  }
}

/** Freezes a value in depth: all processes share one event, and a process that tries to change it fails. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
