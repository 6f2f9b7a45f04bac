/**
 * The unreadable messages of a process. Such a message sets its aggregate aside: the aggregate is not folded further.
 * When an operator skips a message or takes a skip back, the aggregate of the message is read again.
 */
import type { StoredEvent } from "./envelope.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import type { EventLog, Timers } from "./ports.ts";
import type { EventSink } from "./sink.ts";
import type { SkipChange, Skips } from "./skips.ts";
import { isUnreadable, type LogMessage, type UnreadableMessage } from "./unreadable.ts";

/** Wait before the next try to read an aggregate again, ms, when the log was unreachable. */
const REREAD_WAIT_MS = 1_000;
/**
 * Maximum number of listed messages that belong to no aggregate of this process, so that a flood of such messages does
 * not fill the memory. Further messages are not listed, but stay in the log.
 */
const MAX_LOOSE = 1_000;
const AGGREGATE_SUBJECT = /^bioxen\.evt\.([a-z]+)\.([a-z0-9-]+)$/;

export interface AsideOptions {
  readonly log: EventLog;
  readonly timers: Timers;
  readonly skips: Skips;
  readonly sinks: ReadonlyMap<string, EventSink>;
  /**
   * Called during a reread of an aggregate: first with the last event that was folded before, then with each event that
   * the reread folds.
   */
  readonly onEvent: (event: StoredEvent) => void;
  /** Called after each reread of an aggregate, even if the aggregate stays set aside. */
  readonly onReread: () => void;
}

interface Aggregate {
  readonly sink: EventSink;
  readonly id: string;
}

export class AsideMessages {
  readonly #options: AsideOptions;
  /** Messages that belong to no aggregate of this process, by sequence. */
  readonly #loose = new Map<number, UnreadableMessage>();
  /** Number of rereads that are under way or wait for the log. */
  #rereads = 0;
  readonly #queue = new KeyedQueue();
  readonly #waits = new Set<{ cancel(): void }>();
  #stopped = false;

  constructor(options: AsideOptions) {
    this.#options = options;
  }

  /** True when every message was folded, or left out because of a skip. */
  get isEmpty(): boolean {
    if (this.#loose.size > 0 || this.#rereads > 0) return false;
    for (const sink of this.#options.sinks.values()) for (const _ of sink.asides()) return false;
    return true;
  }

  /** Returns the messages in order of their sequence. */
  all(): readonly UnreadableMessage[] {
    const ofSinks = [...this.#options.sinks.values()].flatMap((sink) => [...sink.asides()]);
    return [...this.#loose.values(), ...ofSinks.map(({ first }) => first)].sort((a, b) => a.seq - b.seq);
  }

  /** Sets aside the aggregate of an unreadable message. Lists a message that belongs to no aggregate. */
  add(message: UnreadableMessage): void {
    const found = this.#aggregateOf(message.streamSubject);
    if (found === undefined) this.addLoose(message);
    else found.sink.setAside(found.id, message);
  }

  /** Lists an unreadable message that sets no aggregate aside. */
  addLoose(message: UnreadableMessage): void {
    if (this.#loose.size < MAX_LOOSE) this.#loose.set(message.seq, message);
  }

  /** Removes the message with sequence `seq` from the list of messages that set no aggregate aside. */
  forget(seq: number): void {
    this.#loose.delete(seq);
  }

  /** Reads an aggregate again, because one of its messages was skipped or is no longer skipped. */
  reread(change: SkipChange): void {
    this.forget(change.seq);
    this.#rereads += 1;
    void this.#queue.run(change.streamSubject, () => this.#tryReread(change));
  }

  /** Resolves once all earlier calls of {@link reread} for the subject have ended. */
  settled(streamSubject: string): Promise<void> {
    return this.#queue.run(streamSubject, async () => undefined);
  }

  stop(): void {
    this.#stopped = true;
    for (const wait of this.#waits) wait.cancel();
  }

  async #tryReread(change: SkipChange): Promise<void> {
    const found = this.#aggregateOf(change.streamSubject);
    try {
      if (found === undefined) await this.#relist(change.seq);
      else await this.#refold(change.streamSubject, found);
    } catch {
      const wait = this.#options.timers.after(REREAD_WAIT_MS, () => {
        this.#waits.delete(wait);
        this.reread(change);
      });
      this.#waits.add(wait);
    } finally {
      this.#rereads -= 1;
    }
  }

  /** Lists an unreadable message without an aggregate again, if the message is no longer skipped. */
  async #relist(seq: number): Promise<void> {
    const message = await this.#options.log.messageAt(seq);
    if (message !== undefined && isUnreadable(message) && !this.#options.skips.has(seq))
      this.addLoose(message);
  }

  async #refold(streamSubject: string, { sink, id }: Aggregate): Promise<void> {
    const { log, skips } = this.#options;
    for (;;) {
      // The last folded event is read and delivered again, so that listeners learn that the aggregate is usable again.
      const messages = await log.readMessages(streamSubject, Math.max(0, sink.lastSeq(id) - 1));
      if (this.#stopped) return;
      const seen = sink.asideOf(id)?.lastSeq ?? 0;
      // A message that arrived during the read was not folded, because the aggregate was still set aside.
      if (seen > (messages.at(-1)?.seq ?? 0) && !skips.has(seen)) continue;
      sink.resume(id);
      for (const message of messages) this.#fold(sink, id, message);
      this.#options.onReread();
      return;
    }
  }

  #fold(sink: EventSink, id: string, message: LogMessage): void {
    if (this.#options.skips.has(message.seq)) return;
    if (isUnreadable(message)) {
      sink.setAside(id, message);
      return;
    }
    sink.apply(message, false);
    if (sink.lastSeq(id) >= message.seq) this.#options.onEvent(message);
  }

  #aggregateOf(streamSubject: string): Aggregate | undefined {
    const [, kind = "", id = ""] = AGGREGATE_SUBJECT.exec(streamSubject) ?? [];
    const sink = this.#options.sinks.get(kind);
    return sink === undefined ? undefined : { sink, id };
  }
}
