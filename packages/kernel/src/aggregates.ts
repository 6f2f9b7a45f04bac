/**
 * All aggregates of one kind, folded in memory from the log, and the one way to change them.
 *
 * The feed of the service applies every event here (`apply`); `execute` decides on the state at hand and appends with the
 * expected sequence. A stale state costs a conflict: the missing events are read, and the command is decided again. In
 * one process the commands of one aggregate queue up behind each other, so that conflicts are left for
 * other instances.
 *
 * A command's id stands in the event it caused (`causationid`), so that its first outcome is found again by any instance and
 * after any crash: the log is the memory. Only ids younger than the window are kept.
 */
import { type Decision, type Fold, UNCHANGED } from "./decider.ts";
import {
  type Causation,
  type EventBody,
  type EventEnvelope,
  positionOf,
  type StoredEvent,
} from "./envelope.ts";
import { Fault, invariant } from "./fault.ts";
import type { Clock, EventLog, IdSource } from "./ports.ts";
import type { Rejection } from "./rejection.ts";

/** Tries against other writers of the same aggregate; with 8 writers a conflict chain of 10 is already rare. */
export const MAX_CONFLICT_RETRIES = 24;
/** Contract: the same command id has one outcome within 2 minutes; twice that against skewed clocks. */
export const OUTCOME_WINDOW_MS = 240_000;

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

export interface Held<State> {
  readonly state: State;
  /** Stream sequence of its last event, 0 when there is none. */
  readonly lastSeq: number;
  readonly version: number;
  /** Its last event and that one's digest; undefined when there is none. */
  readonly last: EventEnvelope | undefined;
  readonly lastDigest: string | undefined;
}

export type Executed<State> =
  | { readonly ok: true; readonly changed: boolean; readonly held: Held<State> }
  | { readonly ok: false; readonly rejection: Rejection };

export class Aggregates<State> {
  readonly #options: AggregateOptions<State>;
  readonly #held = new Map<string, Held<State>>();
  readonly #outcomes = new Map<string, { readonly atMs: number; readonly held: Held<State> }>();
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor(options: AggregateOptions<State>) {
    this.#options = options;
  }

  get kind(): string {
    return this.#options.kind;
  }

  streamSubject(id: string): string {
    return `bioxen.evt.${this.#options.kind}.${id}`;
  }

  get(id: string): Held<State> {
    return (
      this.#held.get(id) ?? {
        state: this.#options.fold.initial,
        lastSeq: 0,
        version: 0,
        last: undefined,
        lastDigest: undefined,
      }
    );
  }

  entries(): IterableIterator<[string, Held<State>]> {
    return this.#held.entries();
  }

  /** Folds one event of this kind in; an event already applied is passed over, a gap in versions is corruption. */
  apply(event: StoredEvent): void {
    const id = event.envelope.subject.slice(this.#options.kind.length + 1);
    const before = this.get(id);
    if (event.seq <= before.lastSeq) return;
    if (event.envelope.aggregateversion !== before.version + 1) {
      throw new Fault(
        "CORRUPT_EVENT",
        `event ${event.seq} of ${event.envelope.subject} has version ${event.envelope.aggregateversion}, expected ${before.version + 1}`,
        { retryable: false, details: { seq: event.seq } },
      );
    }
    const at = positionOf(event);
    const state = this.#options.fold.evolve(before.state, event.envelope, at);
    const held = {
      state,
      lastSeq: event.seq,
      version: before.version + 1,
      last: event.envelope,
      lastDigest: event.digest,
    };
    this.#held.set(id, held);
    this.#remember(id, event.envelope.causationid, at.atMs, held);
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
    return this.#inTurn(id, () => this.#execute(id, causation, decide, true));
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
    return this.#inTurn(id, () => this.#execute(id, causation, ifActing, false));
  }

  #inTurn(id: string, work: () => Promise<Executed<State>>): Promise<Executed<State>> {
    const turn = (this.#queues.get(id) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => undefined);
    this.#queues.set(id, settled);
    void settled.then(() => {
      if (this.#queues.get(id) === settled) this.#queues.delete(id);
    });
    return turn;
  }

  async #execute(
    id: string,
    causation: Causation,
    decide: (state: State) => Decision<EventBody>,
    confirm: boolean,
  ): Promise<Executed<State>> {
    for (let attempt = 0; attempt < MAX_CONFLICT_RETRIES; attempt += 1) {
      const first = this.#outcomes.get(`${id} ${causation.causeId}`);
      if (causation.deduplicate && first !== undefined) return { ok: true, changed: true, held: first.held };
      const before = this.get(id);
      const decision = decide(before.state);
      if (!decision.ok || decision.event === null) {
        if (confirm && (await this.#readMissed(id)) > 0) continue;
        return decision.ok ? { ok: true, changed: false, held: before } : decision;
      }
      const envelope = this.#envelope(id, before, decision.event, causation);
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

  #envelope(id: string, before: Held<State>, event: EventBody, causation: Causation): EventEnvelope {
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
      aggregateversion: before.version + 1,
      correlationid: causation.correlationId,
      causationid: causation.causeId,
    } as const;
    return {
      ...base,
      ...(before.lastDigest === undefined ? {} : { previoushash: before.lastDigest }),
      ...(causation.traceparent === undefined ? {} : { traceparent: causation.traceparent }),
    };
  }

  #remember(id: string, causeId: string, atMs: number, held: Held<State>): void {
    const oldest = this.#options.clock.nowMs() - OUTCOME_WINDOW_MS;
    if (atMs < oldest) return;
    this.#outcomes.set(`${id} ${causeId}`, { atMs, held });
    for (const [key, outcome] of this.#outcomes) {
      if (outcome.atMs >= oldest) break;
      this.#outcomes.delete(key);
    }
  }
}
