/**
 * An event log in memory. It passes the same `eventLogContract` as the log on JetStream.
 *
 * It delivers to followers asynchronously and in order, as the server does. A test can make it lose
 * acknowledgements or be unreachable, as a real server can be at any time.
 */
import {
  contentLimitOf,
  DEFAULT_MAX_PAYLOAD_BYTES,
  decodeMessage,
  digestOf,
  encodeEvent,
  eventTooLarge,
} from "@bioxen/contracts";
import {
  type AppendResult,
  deliverTo,
  type EventEnvelope,
  type EventLog,
  Fault,
  type Following,
  type FollowOptions,
  type LogMessage,
  readableOnly,
  type StoredEvent,
} from "@bioxen/kernel";

interface StoredBytes {
  readonly seq: number;
  readonly streamSubject: string;
  readonly bytes: Uint8Array;
}

export class MemoryEventLog implements EventLog {
  readonly #stored: StoredBytes[] = [];
  readonly #lastOf = new Map<string, number>();
  readonly #seqOfId = new Map<string, number>();
  readonly #followers = new Set<() => void>();
  #acksToLose = 0;
  #away = false;
  readonly #maxPayloadBytes: number;

  /** `maxPayloadBytes` stands for the `max_payload` of a server, bytes. */
  constructor(maxPayloadBytes: number = DEFAULT_MAX_PAYLOAD_BYTES) {
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  /**
   * Loses the acknowledgements of the next `count` appends. The log stores the events, but the callers of `append` get
   * UNAVAILABLE.
   */
  loseAcks(count: number): void {
    this.#acksToLose = count;
  }

  /**
   * Makes the log unreachable or reachable again. While it is unreachable, every append and read fails with
   * UNAVAILABLE.
   */
  setAway(away: boolean): void {
    this.#away = away;
  }

  /** Stores bytes without a check: they need not be an event. Returns their sequence. */
  putBytes(streamSubject: string, bytes: Uint8Array): number {
    const seq = this.#stored.length + 1;
    this.#stored.push({ seq, streamSubject, bytes });
    this.#lastOf.set(streamSubject, seq);
    for (const wake of this.#followers) wake();
    return seq;
  }

  async append(streamSubject: string, envelope: EventEnvelope, expectedSeq: number): Promise<AppendResult> {
    this.#requireHere();
    const before = this.#seqOfId.get(envelope.id);
    const last = this.#lastOf.get(streamSubject) ?? 0;
    const bytes = encodeEvent(envelope);
    const refusal = eventTooLarge(envelope.type, bytes.byteLength, contentLimitOf(this.#maxPayloadBytes));
    if (refusal !== undefined) throw refusal;
    const digest = digestOf(bytes);
    if (before !== undefined) {
      return before === last ? { kind: "appended", seq: before, digest } : { kind: "conflict" };
    }
    if (last !== expectedSeq) return { kind: "conflict" };
    const seq = this.putBytes(streamSubject, bytes);
    this.#seqOfId.set(envelope.id, seq);
    if (this.#acksToLose > 0) {
      this.#acksToLose -= 1;
      throw new Fault("UNAVAILABLE", "the acknowledgement was lost", { retryable: true });
    }
    return { kind: "appended", seq, digest };
  }

  async read(
    streamSubject: string,
    afterSeq: number,
    untilSeq?: number,
    limit?: number,
  ): Promise<readonly StoredEvent[]> {
    return readableOnly(await this.readMessages(streamSubject, afterSeq, untilSeq, limit));
  }

  async messageAt(seq: number): Promise<LogMessage | undefined> {
    this.#requireHere();
    const one = this.#stored[seq - 1];
    return one === undefined ? undefined : decodeMessage(one.bytes, one.seq, one.streamSubject);
  }

  async readMessages(
    streamSubject: string,
    afterSeq: number,
    untilSeq = Number.POSITIVE_INFINITY,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<readonly LogMessage[]> {
    this.#requireHere();
    return this.#stored
      .filter((one) => one.streamSubject === streamSubject && one.seq > afterSeq && one.seq <= untilSeq)
      .slice(0, limit)
      .map((one) => decodeMessage(one.bytes, one.seq, one.streamSubject));
  }

  async follow(options: FollowOptions): Promise<Following> {
    this.#requireHere();
    const caughtUpAt = this.#stored.length;
    const wanted = wantedBy(options.filter);
    let next = options.fromSeq;
    let caughtUp = false;
    let scheduled = false;
    const stop = async () => {
      this.#followers.delete(wake);
    };
    const pump = () => {
      scheduled = false;
      try {
        while (this.#followers.has(wake) && next <= this.#stored.length) {
          const one = this.#stored[next - 1];
          if (one === undefined) break;
          next += 1;
          if (wanted(one.streamSubject))
            deliverTo(options, decodeMessage(one.bytes, one.seq, one.streamSubject));
        }
      } catch (cause) {
        this.#followers.delete(wake);
        options.onStop(cause);
        return;
      }
      if (caughtUp || next <= caughtUpAt || !this.#followers.has(wake)) return;
      caughtUp = true;
      options.onCaughtUp();
    };
    const wake = () => {
      if (scheduled) return;
      scheduled = true;
      queueMicrotask(pump);
    };
    this.#followers.add(wake);
    wake();
    return { stop };
  }

  async lastSeq(): Promise<number> {
    this.#requireHere();
    return this.#stored.length;
  }

  #requireHere(): void {
    if (this.#away) throw new Fault("UNAVAILABLE", "the event log is unreachable", { retryable: true });
  }
}

/**
 * Returns a test of whether a subject matches `filter`. Wildcards have the meaning that they have in NATS: `*` stands
 * for one token, and `>` at the end for one or more tokens.
 */
function wantedBy(filter: string | undefined): (streamSubject: string) => boolean {
  if (filter === undefined) return () => true;
  const tokens = filter.split(".");
  return (streamSubject) => {
    const parts = streamSubject.split(".");
    if (tokens.at(-1) !== ">" && parts.length !== tokens.length) return false;
    return tokens.every(
      (token, i) => parts[i] !== undefined && (token === ">" || token === "*" || token === parts[i]),
    );
  };
}
