/**
 * All aggregates of one kind, folded in memory from the log, and the one way to change them.
 *
 * The feed of the service applies every event here (`apply`); `execute` decides on the state at hand and appends with the
 * expected sequence. A stale state costs a conflict: the missing events are read, and the command is decided again. In
 * one process the commands of one aggregate queue up behind each other, so that conflicts are left for
 * other instances.
 *
 * A command's id stands in the event it caused (`causationid`), so that its first outcome is found again by any instance and
 * after any crash: the log is the memory. Only recent ones are kept; those of before a start are looked up in the log when their
 * aggregate gets a command.
 */
import { ColdOutcomes } from "./cold-outcomes.ts";
import { type Decision, type Fold, UNCHANGED } from "./decider.ts";
import {
  type Causation,
  type EventBody,
  type EventEnvelope,
  positionOf,
  type StoredEvent,
  splitSubject,
} from "./envelope.ts";
import { Fault, invariant } from "./fault.ts";
import { type Held, HeldStates } from "./held.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { OUTCOME_WINDOW_MS, OutcomeMemory } from "./outcome-memory.ts";
import type { Clock, EventLog, IdSource } from "./ports.ts";
import type { Rejection } from "./rejection.ts";
import type { SnapshotPart } from "./sink.ts";

/** Tries against other writers of the same aggregate; with 8 writers a conflict chain of 10 is already rare. */
export const MAX_CONFLICT_RETRIES = 24;

export interface AggregateOptions<State> {
  /** `vm`, `ledger`, `chassis`: the token after `bioxen.evt.`. */
  readonly kind: string;
  readonly fold: Fold<State>;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly ids: IdSource;
  /** `/bioxen/<service>` */
  readonly source: string;
}

export type Executed<State> =
  | { readonly ok: true; readonly changed: boolean; readonly held: Held<State> }
  | { readonly ok: false; readonly rejection: Rejection };

export class Aggregates<State> {
  readonly #options: AggregateOptions<State>;
  readonly snapshot: SnapshotPart;
  readonly #held: HeldStates<State>;
  readonly #outcomes: OutcomeMemory<Held<State>>;
  readonly #queue = new KeyedQueue();
  /** Undefined until the start has read an event, and after the window in which older outcomes matter. */
  #cold: ColdOutcomes | undefined;

  constructor(options: AggregateOptions<State>) {
    this.#options = options;
    this.#outcomes = new OutcomeMemory(options.clock);
    const held = new HeldStates(options.fold);
    this.#held = held;
    this.snapshot = {
      schema: options.fold.schema,
      capture: () => held.capture(),
      restore: (chunk, from, to) => held.restore(chunk, from, to),
      restored: () => {
        this.#cold = new ColdOutcomes();
      },
      discard: () => held.clear(),
    };
  }

  get kind(): string {
    return this.#options.kind;
  }

  streamSubject(id: string): string {
    return `bioxen.evt.${this.#options.kind}.${id}`;
  }

  get(id: string): Held<State> {
    return this.#held.get(id);
  }

  ids(): IterableIterator<string> {
    return this.#held.ids();
  }

  entries(): IterableIterator<[string, Held<State>]> {
    return this.#held.entries();
  }

  /** Folds one event of this kind in; an event already applied is passed over, a gap in versions is corruption. */
  apply(event: StoredEvent, replayed = false): void {
    const { id } = splitSubject(event.envelope.subject);
    const at = positionOf(event);
    const held = this.#held.apply(id, event, at, !replayed);
    if (held === undefined) return;
    if (replayed) {
      this.#cold ??= new ColdOutcomes();
      return;
    }
    this.#outcomes.note(id, event.envelope.causationid, at.atMs, held);
    this.#cold?.noteEvent(id, at.version);
  }

  /** The aggregate as the log has it now, other instances' events included. */
  async refresh(id: string): Promise<Held<State>> {
    await this.#readMissed(id);
    return this.get(id);
  }

  /**
   * Decides on aggregate `id` and appends what was decided. What appends nothing (a refusal, "it is so already") is
   * answered only after a look at the log: another instance may have written what this one has not heard yet.
   *
   * `decide` may run several times and must be pure. Throws `Fault`: UNAVAILABLE when the log could not be
   * reached (retry with the same command id: it is done at most once), CONFLICT after {@link MAX_CONFLICT_RETRIES}.
   */
  execute(
    id: string,
    causation: Causation,
    decide: (state: State) => Decision<EventBody>,
  ): Promise<Executed<State>> {
    return this.#queue.run(id, () => this.#execute(id, causation, decide, true));
  }

  /**
   * As `execute`, for a process: on the state at hand. News it has not heard yet will wake it again. `acts` is asked before each
   * decision, also after a conflict: a process whose lease has ended meanwhile changes nothing.
   */
  react(
    id: string,
    causation: Causation,
    decide: (state: State) => Decision<EventBody>,
    acts: () => boolean = () => true,
  ): Promise<Executed<State>> {
    const ifActing = (state: State) => (acts() ? decide(state) : UNCHANGED);
    return this.#queue.run(id, () => this.#execute(id, causation, ifActing, false));
  }

  async #execute(
    id: string,
    causation: Causation,
    decide: (state: State) => Decision<EventBody>,
    confirm: boolean,
  ): Promise<Executed<State>> {
    if (causation.deduplicate) {
      await this.#warmUp(id);
      const held = await this.#outcomeBeforeWindow(id, causation);
      if (held !== undefined) return { ok: true, changed: true, held };
    }
    for (let attempt = 0; attempt < MAX_CONFLICT_RETRIES; attempt += 1) {
      const first = causation.deduplicate ? this.#outcomes.of(id, causation.causeId) : undefined;
      if (first !== undefined) return { ok: true, changed: true, held: first };
      const before = this.get(id);
      const decision = decide(before.state);
      if (!decision.ok || decision.event === null) {
        if (confirm && (await this.#readMissed(id)) > 0) continue;
        return decision.ok ? { ok: true, changed: false, held: before } : decision;
      }
      const previousHash = await this.#lastDigest(id, before);
      if (previousHash === null) continue;
      const envelope = this.#envelope(id, before.version + 1, decision.event, causation, previousHash);
      const streamSubject = this.streamSubject(id);
      const appended = await this.#options.log.append(streamSubject, envelope, before.lastSeq);
      if (appended.kind === "appended") {
        this.apply({ seq: appended.seq, streamSubject, digest: appended.digest, envelope });
        return { ok: true, changed: true, held: this.get(id) };
      }
      await this.#readMissed(id);
    }
    throw new Fault("CONFLICT", `${this.#options.kind} ${id} is being changed by others, try again`, {
      retryable: true,
    });
  }

  /** Applies what the log has beyond what is known here; says how much that was. */
  async #readMissed(id: string): Promise<number> {
    const missed = await this.#options.log.read(this.streamSubject(id), this.get(id).lastSeq);
    for (const event of missed) this.apply(event);
    return missed.length;
  }

  /** What the next event carries as `previoushash`; null when the aggregate has newer events, which were applied. */
  async #lastDigest(id: string, before: Held<State>): Promise<string | undefined | null> {
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
    } as const;
    return {
      ...base,
      ...(previousHash === undefined ? {} : { previoushash: previousHash }),
      ...(causation.traceparent === undefined ? {} : { traceparent: causation.traceparent }),
    };
  }

  /** The outcome of a command that was stated before the window of the outcome memory: the log still has it. */
  async #outcomeBeforeWindow(
    id: string,
    { causeId, statedAtMs }: Causation,
  ): Promise<Held<State> | undefined> {
    const { clock, fold, log } = this.#options;
    // Half of the window: an id must not leave the memory between this look and the append.
    if (statedAtMs === undefined || statedAtMs >= clock.nowMs() - OUTCOME_WINDOW_MS / 2) return undefined;
    const past = new HeldStates(fold);
    for (const event of await log.read(this.streamSubject(id), 0)) {
      const held = past.apply(id, event, positionOf(event), false);
      if (event.envelope.causationid === causeId) return held;
    }
    return undefined;
  }

  /** Reads the outcomes of one aggregate from before the start into the memory. */
  async #warmUp(id: string): Promise<void> {
    const cold = this.#cold;
    if (cold === undefined) return;
    if (cold.hasEnded(this.#options.clock.nowMs())) {
      this.#cold = undefined;
      return;
    }
    if (cold.isWarm(id) || this.get(id).lastSeq === 0) return;
    const events = await this.#options.log.read(this.streamSubject(id), 0);
    const past = new HeldStates(this.#options.fold);
    for (const event of events) {
      const at = positionOf(event);
      const held = past.apply(id, event, at, false);
      if (held !== undefined) this.#outcomes.note(id, event.envelope.causationid, at.atMs, held);
    }
    cold.markWarm(id);
  }
}
