/**
 * Tests of a decider in the words of its domain:
 *
 *     given(vmDecider, created, started).when({ type: "pause", vmId: "a" }).thenAppended("bioxen.vm.paused.v1");
 *
 * Each step returns the next step, so that a scenario reads as one sentence. No method has the bare name `then`,
 * because `await` treats an object with a method `then` as a promise and calls that method.
 */
import type { CommandBody, Decider, Decision, EventBody, EventPosition, Fold } from "@bioxen/kernel";
import { expect } from "vitest";

/**
 * Distance between the sequences of two events of the aggregate under test. An event of another aggregate, such as a
 * reservation, can take a sequence in between.
 */
export const SEQ_STEP = 10;
/** Distance between the times of two events, ms. */
export const TIME_STEP_MS = 1_000;

/**
 * The position of event number `version` of the aggregate, from 1 on. Sequences are 10, 20, 30 and so on; times are
 * 1 s, 2 s, 3 s and so on.
 */
export function nthPosition(version: number): EventPosition {
  return {
    eventId: `e${version}`,
    correlationId: "c",
    seq: SEQ_STEP * version,
    version,
    atMs: TIME_STEP_MS * version,
  };
}

/** Returns the state after `events`, which are the first events of the aggregate. */
export function stateAfter<State, Event extends EventBody>(
  fold: Fold<State, Event>,
  events: readonly Event[],
): State {
  return events.reduce((state, event, i) => fold.evolve(state, event, nthPosition(i + 1)), fold.initial);
}

/**
 * Returns the decision in short form: `+ paused` for an event, `=` for no change, `! CONFLICT` for a rejection. The
 * form is short enough for a table of expectations.
 */
export function outcomeOf(decision: Decision<EventBody>): string {
  if (!decision.ok) return `! ${decision.rejection.code}`;
  return decision.event === null
    ? "="
    : `+ ${decision.event.type.replace(/^bioxen\.[a-z-]+\.|\.v\d+$/g, "")}`;
}

/** The aggregate in the state after a list of events. */
export class Given<State, Command extends CommandBody, Event extends EventBody> {
  readonly #decider: Decider<State, Command, Event>;
  readonly events: readonly Event[];
  readonly state: State;

  constructor(decider: Decider<State, Command, Event>, events: readonly Event[]) {
    this.#decider = decider;
    this.events = events;
    this.state = stateAfter(decider.fold, events);
  }

  /** The same aggregate after more events. */
  and(...events: readonly Event[]): Given<State, Command, Event> {
    return new Given(this.#decider, [...this.events, ...events]);
  }

  when(command: Command): When<State, Command, Event> {
    return new When(this, command, this.#decider.decide(this.state, command));
  }
}

/**
 * A command and its decision. Each `then…` checks the decision, throws an assertion error with the difference, and
 * returns the aggregate after the decision.
 */
export class When<State, Command extends CommandBody, Event extends EventBody> {
  readonly #given: Given<State, Command, Event>;
  readonly #command: Command;
  readonly decision: Decision<Event>;

  constructor(given: Given<State, Command, Event>, command: Command, decision: Decision<Event>) {
    this.#given = given;
    this.#command = command;
    this.decision = decision;
  }

  /** The decision in short form, see {@link outcomeOf}. */
  get outcome(): string {
    return outcomeOf(this.decision);
  }

  /** Checks that the command appended this event. A string is compared with the type of the event only. */
  thenAppended(expected: Event | Event["type"]): Given<State, Command, Event> {
    const { event } = expectOk(this.decision, this.#label);
    if (event === null) expect.fail(`${this.#label} changed nothing, expected ${inWords(expected)}`);
    if (typeof expected === "string") expect(event.type, this.#label).toBe(expected);
    else expect(event, this.#label).toEqual(expected);
    return this.#given.and(event);
  }

  /** Checks that the command appended nothing, because the aggregate is already in the requested state. */
  thenUnchanged(): Given<State, Command, Event> {
    const { event } = expectOk(this.decision, this.#label);
    expect(event, `${this.#label} appends no event`).toBeNull();
    return this.#given;
  }

  /** Checks that the command was rejected with this code. `more`: further fields of the rejection to compare. */
  thenRejected(
    code: string,
    more: { readonly message?: unknown; readonly details?: unknown; readonly retryable?: boolean } = {},
  ): Given<State, Command, Event> {
    const { decision } = this;
    if (decision.ok) expect.fail(`${this.#label} was accepted (${this.outcome}), expected ! ${code}`);
    expect(decision.rejection, this.#label).toMatchObject({ code, ...more });
    return this.#given;
  }

  get #label(): string {
    const past = this.#given.events.map(({ type }) => type).join(", ");
    return `${this.#command.type} after [${past}]`;
  }
}

/** Starts a scenario: the aggregate of `decider` after these events. */
export function given<State, Command extends CommandBody, Event extends EventBody>(
  decider: Decider<State, Command, Event>,
  ...events: readonly Event[]
): Given<State, Command, Event> {
  return new Given(decider, events);
}

function expectOk<Event extends EventBody>(
  decision: Decision<Event>,
  label: string,
): Extract<Decision<Event>, { ok: true }> {
  if (decision.ok) return decision;
  const { code, message } = decision.rejection;
  return expect.fail(`${label} was rejected: ${code}: ${message}`);
}

function inWords(expected: EventBody | string): string {
  return typeof expected === "string" ? expected : expected.type;
}
