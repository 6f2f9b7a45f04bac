/**
 * Events of the log to one client, in order and each once, from a sequence on and then live.
 *
 * The log delivers faster than a client may read. When the client's buffer is full, the flow gives its reader of the
 * log up, waits until the client has read, and begins again after the last event that it wrote. So a slow client costs
 * one buffer, and no queue grows.
 */
import { type EventFilter, eventSubject, isSelected } from "@bioxen/contracts";
import type { EventLog, Following, StoredEvent, UnreadableMessage } from "@bioxen/kernel";

/** What a client is written to. */
export interface EventSink {
  /** Writes one message. `id` lets the client resume after it. */
  write(message: { readonly id?: string; readonly event: string; readonly data: unknown }): void;
  /** True while the buffer holds so much that the flow must pause. */
  readonly isFull: boolean;
  /** Resolves when the client has read its buffer; rejects when it does not in time, or is gone. */
  drained(): Promise<void>;
  end(): void;
}

export interface EventFlowOptions {
  readonly log: Pick<EventLog, "follow">;
  readonly sink: EventSink;
  readonly fromSeq: number;
  readonly filter: EventFilter;
}

/**
 * Events on their way from the log to one flow. A paused flow drops them and reads them again. All flows share a connection,
 * and the server ends a connection with more than 64 MiB on their way: with the programs of VMs in the events, those of
 * the 32 flows of one principal have 32 MiB.
 */
const WINDOW = 16;
/** The type under which a client learns of a message that cannot be read. */
const UNREADABLE = "bioxen.unreadable";

export class EventFlow {
  readonly #options: EventFlowOptions;
  #nextSeq: number;
  #following: Following | undefined;
  #generation = 0;
  #isOver = false;

  constructor(options: EventFlowOptions) {
    this.#options = options;
    this.#nextSeq = options.fromSeq;
  }

  /** Begins. Rejects when the log cannot be read. */
  async begin(): Promise<void> {
    const generation = ++this.#generation;
    const isCurrent = () => !this.#isOver && generation === this.#generation;
    const { log, filter } = this.#options;
    const [vmId, ...others] = filter.vm ?? [];
    const following = await log.follow({
      fromSeq: this.#nextSeq,
      window: WINDOW,
      ...(vmId === undefined || others.length > 0 ? {} : { filter: eventSubject("vm", vmId) }),
      onEvent: (event) => {
        if (isCurrent()) this.#event(event);
      },
      onUnreadable: (message) => {
        if (isCurrent()) this.#unreadable(message);
      },
      onCaughtUp: () => undefined,
      onStop: () => this.stop(),
    });
    if (isCurrent()) this.#following = following;
    else void following.stop();
  }

  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    void this.#following?.stop();
    this.#options.sink.end();
  }

  #event({ seq, envelope }: StoredEvent): void {
    if (isSelected(envelope, this.#options.filter)) {
      this.#options.sink.write({ id: String(seq), event: envelope.type, data: { seq, ...envelope } });
    }
    this.#advance(seq);
  }

  /** A reader of everything learns that the log has a message that no reader can read. */
  #unreadable({ seq, streamSubject, why }: UnreadableMessage): void {
    if (this.#options.filter.type === undefined) {
      this.#options.sink.write({ id: String(seq), event: UNREADABLE, data: { seq, streamSubject, why } });
    }
    this.#advance(seq);
  }

  #advance(seq: number): void {
    this.#nextSeq = seq + 1;
    if (this.#options.sink.isFull) void this.#pause();
  }

  async #pause(): Promise<void> {
    this.#generation += 1;
    const following = this.#following;
    this.#following = undefined;
    try {
      await Promise.all([following?.stop(), this.#options.sink.drained()]);
      if (!this.#isOver) await this.begin();
    } catch {
      this.stop();
    }
  }
}
