/**
 * The first outcomes of the commands on aggregates of one kind: a repeated command gets its first outcome.
 *
 * Recent outcomes are in memory. Outcomes from before the start of the process are read from the log at the first
 * command for their aggregate. With each outcome comes the digest of the command's payload, so that another payload
 * under the same message id is a conflict.
 */
import { ColdOutcomes } from "./cold-outcomes.ts";
import { payloadConflict } from "./command-conflicts.ts";
import type { Fold } from "./decider.ts";
import { type Causation, positionOf, type StoredEvent } from "./envelope.ts";
import { OUTCOME_WINDOW_MS, OutcomeMemory } from "./outcome-memory.ts";
import type { Clock, EventLog } from "./ports.ts";
import type { Rejection } from "./rejection.ts";
import { type Versioned, VersionedStates } from "./versioned-states.ts";

interface FirstOutcome<State> {
  readonly current: Versioned<State>;
  readonly payloadDigest: string | undefined;
}

/** The answer to a repeated command: the state after its first attempt, or a conflict when its payload is another one. */
type Repeated<State> =
  | { readonly ok: true; readonly changed: true; readonly current: Versioned<State> }
  | { readonly ok: false; readonly rejection: Rejection };

interface Options<State> {
  readonly fold: Fold<State>;
  readonly log: EventLog;
  readonly clock: Clock;
}

export class FirstOutcomes<State> {
  readonly #options: Options<State>;
  readonly #memory: OutcomeMemory<FirstOutcome<State>>;
  /**
   * Tracks the aggregates whose outcomes from before the start of the process are in the log but not in memory.
   * Undefined until the process has read an event or a snapshot, and again once no caller can ask for such outcomes.
   */
  #cold: ColdOutcomes | undefined;

  constructor(options: Options<State>) {
    this.#options = options;
    this.#memory = new OutcomeMemory(options.clock);
  }

  /** Call it when states were restored from a snapshot. */
  onRestored(): void {
    this.#cold = new ColdOutcomes();
  }

  /** Call it for each event that was applied; `replayed`: the event is from before the start. */
  onApplied(id: string, event: StoredEvent, current: Versioned<State>, replayed: boolean): void {
    if (replayed) {
      this.#cold ??= new ColdOutcomes();
      return;
    }
    this.#remember(id, event, current);
    this.#cold?.noteEvent(id, event.envelope.aggregateversion);
  }

  /** Returns the answer to the command when it is a repeated one and its first outcome is in memory. */
  inMemory(id: string, causation: Causation): Repeated<State> | undefined {
    if (!causation.deduplicate) return undefined;
    const first = this.#memory.of(id, causation.causeId);
    return first && answerOf(first, causation);
  }

  /**
   * Returns the answer to a repeated command whose outcome may be too old to be in memory. Reads the outcomes of the
   * aggregate `id` from before the start into memory. `streamSubject` is the subject of its events.
   */
  async inLog(id: string, streamSubject: string, causation: Causation): Promise<Repeated<State> | undefined> {
    await this.#warmUp(id, streamSubject);
    const first = await this.#beforeWindow(id, streamSubject, causation);
    return first && answerOf(first, causation);
  }

  #remember(id: string, event: StoredEvent, current: Versioned<State>): void {
    const { causationid, payloaddigest } = event.envelope;
    this.#memory.remember(id, causationid, positionOf(event).atMs, { current, payloadDigest: payloaddigest });
  }

  /**
   * Looks in the log for the outcome of a command whose outcome may be too old to be in memory. Returns undefined when
   * the command is recent, or when the log has no event that the command caused.
   */
  async #beforeWindow(
    id: string,
    streamSubject: string,
    { causeId, statedAtMs }: Causation,
  ): Promise<FirstOutcome<State> | undefined> {
    const { clock, fold, log } = this.#options;
    // An outcome stays in memory for `OUTCOME_WINDOW_MS`. The outcome of a command younger than half of that time is
    // therefore still in memory at the append that follows this check.
    if (statedAtMs === undefined || statedAtMs >= clock.nowMs() - OUTCOME_WINDOW_MS / 2) return undefined;
    const past = new VersionedStates(fold);
    for (const event of await log.read(streamSubject, 0)) {
      const current = past.apply(id, event, positionOf(event));
      if (current !== undefined && event.envelope.causationid === causeId) {
        return { current, payloadDigest: event.envelope.payloaddigest };
      }
    }
    return undefined;
  }

  /** Reads the outcomes of the aggregate's earlier commands from the log, unless they are in memory or not needed. */
  async #warmUp(id: string, streamSubject: string): Promise<void> {
    const cold = this.#cold;
    if (cold === undefined) return;
    if (cold.hasEnded(this.#options.clock.nowMs())) {
      this.#cold = undefined;
      return;
    }
    if (cold.isWarm(id)) return;
    const past = new VersionedStates(this.#options.fold);
    for (const event of await this.#options.log.read(streamSubject, 0)) {
      const outcome = past.apply(id, event, positionOf(event));
      if (outcome !== undefined) this.#remember(id, event, outcome);
    }
    cold.markWarm(id);
  }
}

function answerOf<State>(
  { current, payloadDigest }: FirstOutcome<State>,
  causation: Causation,
): Repeated<State> {
  return payloadConflict(payloadDigest, causation.payloadDigest) ?? { ok: true, changed: true, current };
}
