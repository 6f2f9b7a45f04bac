/**
 * All aggregates of one kind, folded in memory from the log, and the only way to change them.
 *
 * The feed of the service applies every event here (`apply`). `execute` decides on the state in memory and appends with
 * the expected sequence. If the state in memory is stale, the append is a conflict: the missing events are read, and
 * the command is decided again. Within one process the commands of one aggregate are queued, so that only other
 * instances cause conflicts.
 *
 * The event that a command causes carries the command's id (`causationid`). Any instance therefore finds the first
 * outcome of a command in the log, even after a crash. Recent outcomes are also in memory. Outcomes from before the
 * start of the process are read from the log at the first command for their aggregate.
 */
import { versionConflict } from "./command-conflicts.ts";
import { type Decision, type Fold, UNCHANGED } from "./decider.ts";
import {
  type Causation,
  decidedBy,
  type EventBody,
  type EventEnvelope,
  positionOf,
  type StoredEvent,
  splitSubject,
  traceOf,
} from "./envelope.ts";
import { Fault, invariant } from "./fault.ts";
import { FirstOutcomes } from "./first-outcomes.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import type { Clock, EventLog, IdSource } from "./ports.ts";
import { foldAt } from "./read-model.ts";
import type { Rejection } from "./rejection.ts";
import type { EventSink, SnapshotPart } from "./sink.ts";
import { isUnreadable, type SetAside, type UnreadableMessage, unreadableFault } from "./unreadable.ts";
import { type Versioned, VersionedStates } from "./versioned-states.ts";

/**
 * Number of conflicts with other writers after which a command fails. With 8 writers, 10 conflicts in a row are already
 * rare.
 */
export const MAX_CONFLICT_RETRIES = 24;

export interface AggregateOptions<State> {
  /** The kind's token in `bioxen.evt.<kind>.<id>`: `vm`, `ledger`, `chassis`. */
  readonly kind: string;
  readonly fold: Fold<State>;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly ids: IdSource;
  /** The service that owns the aggregates, in the form of an event's `source`: `/bioxen/<service>`. */
  readonly source: string;
  /** Returns the refusal of a command whose caller may not change the aggregate in this state. Must be pure. */
  readonly refusalOf?: (id: string, state: State, causation: Causation) => Refused | undefined;
}

type Refused = Extract<Decision<never>, { readonly ok: false }>;

export type Executed<State> =
  | { readonly ok: true; readonly changed: boolean; readonly current: Versioned<State> }
  | { readonly ok: false; readonly rejection: Rejection };

export class Aggregates<State> implements EventSink {
  readonly #options: AggregateOptions<State>;
  readonly snapshot: SnapshotPart;
  readonly #states: VersionedStates<State>;
  readonly #outcomes: FirstOutcomes<State>;
  readonly #queue = new KeyedQueue();

  constructor(options: AggregateOptions<State>) {
    this.#options = options;
    this.#outcomes = new FirstOutcomes(options);
    const states = new VersionedStates(options.fold);
    this.#states = states;
    this.snapshot = {
      schema: options.fold.schema,
      capture: () => states.capture(),
      newest: () => states.newest,
      restore: (chunk, from, to) => states.restore(chunk, from, to),
      restored: () => this.#outcomes.onRestored(),
      discard: () => states.clear(),
    };
  }

  get kind(): string {
    return this.#options.kind;
  }

  streamSubject(id: string): string {
    return `bioxen.evt.${this.#options.kind}.${id}`;
  }

  get(id: string): Versioned<State> {
    return this.#states.get(id);
  }

  ids(): IterableIterator<string> {
    return this.#states.ids();
  }

  entries(): IterableIterator<[string, Versioned<State>]> {
    return this.#states.entries();
  }

  /** Returns the ids in ascending order. */
  sortedIds(): readonly string[] {
    return this.#states.sortedIds();
  }

  /**
   * Sequence of the newest event applied here. It can be ahead of the feed, which applies the events of all kinds in
   * order, because an event that this process appended is applied at once.
   */
  get newestSeq(): number {
    return this.#states.newest?.seq ?? 0;
  }

  /** Returns one aggregate as it was after the event with sequence `atSeq`, which must have been applied here. */
  async stateAt(id: string, atSeq: number): Promise<State> {
    const { state, lastSeq } = this.get(id);
    if (lastSeq <= atSeq) return state;
    return foldAt(this.#options.log, this.streamSubject(id), this.#options.fold, atSeq);
  }

  lastSeq(id: string): number {
    return this.get(id).lastSeq;
  }

  setAside(id: string, message: UnreadableMessage): void {
    this.#states.setAside(id, message);
  }

  asideOf(id: string): SetAside | undefined {
    return this.#states.asideOf(id);
  }

  asides(): Iterable<SetAside> {
    return this.#states.asides();
  }

  resume(id: string): void {
    this.#states.resume(id);
  }

  /**
   * Folds one event into the state of its aggregate. Ignores an event that was applied before. An event that cannot be
   * the aggregate's next event sets the aggregate aside: the aggregate is not folded further.
   */
  apply(event: StoredEvent, replayed = false): void {
    const { id } = splitSubject(event.envelope.subject);
    const at = positionOf(event);
    const next = this.#states.apply(id, event, at);
    if (next === undefined) return;
    this.#outcomes.onApplied(id, event, next, replayed);
  }

  /**
   * Reads the aggregate's events that are not applied here yet, and returns the aggregate as the log has it now. Throws
   * `Fault` CORRUPT_EVENT when an unreadable event has set the aggregate aside.
   */
  async refresh(id: string): Promise<Versioned<State>> {
    await this.#readMissed(id);
    this.#requireReadable(id);
    return this.get(id);
  }

  /**
   * Decides on aggregate `id` and appends the decided event. A decision without an event (a refusal, or no change) is
   * returned only after a read of the log, because another instance may have appended events that are not here yet.
   * Refuses a command with CONFLICT when the aggregate has another version than the command expects, or when the
   * command's message id belongs to a command with another payload.
   *
   * `decide` may run several times and must be pure. Throws `Fault` UNAVAILABLE when the log cannot be reached: a retry
   * with the same command id acts at most once. Throws CONFLICT after {@link MAX_CONFLICT_RETRIES}, and CORRUPT_EVENT
   * when an unreadable event has set the aggregate aside.
   */
  execute(
    id: string,
    causation: Causation,
    decide: (state: State) => Decision<EventBody>,
  ): Promise<Executed<State>> {
    return this.#queue.run(id, () => this.#execute(id, causation, decide, true));
  }

  /**
   * Like `execute`, for a process manager: decides on the state in memory, without a read of the log, because an event
   * that is still missing wakes the process manager when it arrives. `acts` returns true while this instance may act.
   * `acts` is called before each decision, also after a conflict: an instance without the lease then changes nothing.
   * `causationOf` returns the causation of a decided event; default: `causation`.
   */
  react(
    id: string,
    causation: Causation,
    decide: (state: State) => Decision<EventBody>,
    acts: () => boolean = () => true,
    causationOf?: (event: EventBody) => Causation,
  ): Promise<Executed<State>> {
    const ifActing = (state: State) => (acts() ? decide(state) : UNCHANGED);
    return this.#queue.run(id, () => this.#execute(id, causation, ifActing, false, causationOf));
  }

  async #execute(
    id: string,
    causation: Causation,
    decide: (state: State) => Decision<EventBody>,
    confirm: boolean,
    causationOf: (event: EventBody) => Causation = () => causation,
  ): Promise<Executed<State>> {
    // An aggregate without events here has no outcomes from before the start of the process.
    if (causation.deduplicate && this.get(id).lastSeq > 0) {
      const repeated = await this.#outcomes.inLog(id, this.streamSubject(id), causation);
      if (repeated !== undefined) return repeated;
    }
    for (let attempt = 0; attempt < MAX_CONFLICT_RETRIES; attempt += 1) {
      const first = this.#outcomes.inMemory(id, causation);
      if (first !== undefined) return first;
      this.#requireReadable(id);
      const before = this.get(id);
      const decision =
        this.#options.refusalOf?.(id, before.state, causation) ??
        versionConflict(`${this.#options.kind} ${id}`, causation.expectedVersion, before.version) ??
        decide(before.state);
      if (!decision.ok || decision.event === null) {
        if (confirm && (await this.#readMissed(id)) > 0) continue;
        return decision.ok ? { ok: true, changed: false, current: before } : decision;
      }
      const previousHash = await this.#lastDigest(id, before);
      if (previousHash === null) continue;
      const { event } = decision;
      const envelope = this.#envelope(id, before.version + 1, event, causationOf(event), previousHash);
      const streamSubject = this.streamSubject(id);
      const appended = await this.#options.log.append(streamSubject, envelope, before.lastSeq);
      if (appended.kind === "appended") {
        this.apply({ seq: appended.seq, streamSubject, digest: appended.digest, envelope });
        return { ok: true, changed: true, current: this.get(id) };
      }
      await this.#readMissed(id);
    }
    throw new Fault(
      "CONFLICT",
      `${this.#options.kind} ${id} is changed by other writers at the same time: retry`,
      {
        retryable: true,
      },
    );
  }

  /**
   * Reads the aggregate's messages that the log has and this process has not applied yet, and applies their events.
   * Returns the number of these messages. An unreadable message sets the aggregate aside.
   */
  async #readMissed(id: string): Promise<number> {
    if (this.asideOf(id) !== undefined) return 0;
    const missed = await this.#options.log.readMessages(this.streamSubject(id), this.get(id).lastSeq);
    for (const message of missed) {
      if (isUnreadable(message)) this.setAside(id, message);
      else this.apply(message);
    }
    return missed.length;
  }

  #requireReadable(id: string): void {
    const aside = this.asideOf(id);
    if (aside !== undefined) throw unreadableFault(aside.first);
  }

  /**
   * Returns the digest of the aggregate's last event, the `previoushash` of the next event; undefined when the
   * aggregate has no event. When the log has events newer than `before`, applies these events and returns null.
   */
  async #lastDigest(id: string, before: Versioned<State>): Promise<string | undefined | null> {
    if (before.lastSeq === 0 || before.lastDigest !== undefined) return before.lastDigest;
    const [last, ...newer] = await this.#options.log.read(this.streamSubject(id), before.lastSeq - 1);
    for (const event of newer) this.apply(event);
    return newer.length > 0 ? null : last?.digest;
  }

  #envelope(
    id: string,
    version: number,
    event: EventBody,
    causation: Causation,
    previousHash: string | undefined,
  ): EventEnvelope {
    invariant(/^[a-z0-9-]+$/.test(id), "an aggregate id is one subject token", { id });
    const base = {
      specversion: "1.0",
      id: this.#options.ids.next(),
      source: this.#options.source,
      type: event.type,
      subject: `${this.#options.kind}/${id}`,
      time: new Date(this.#options.clock.nowMs()).toISOString(),
      datacontenttype: "application/json",
      data: event.data,
      aggregateversion: version,
      correlationid: causation.correlationId,
      causationid: causation.causeId,
      ...decidedBy(causation, this.#options.source),
    } as const;
    return {
      ...base,
      ...(previousHash === undefined ? {} : { previoushash: previousHash }),
      ...payloadDigestOf(causation),
      ...traceOf(causation),
    };
  }
}

function payloadDigestOf({ payloadDigest }: Causation): { readonly payloaddigest?: string } {
  return payloadDigest === undefined ? {} : { payloaddigest: payloadDigest };
}
