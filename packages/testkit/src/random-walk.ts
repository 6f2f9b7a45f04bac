/**
 * Sequences of commands in which each command depends on the state before it. A resize, for example, needs the fence of
 * a reservation.
 */
import type { CommandBody, Decider, Decision, EventBody } from "@bioxen/kernel";
import fc from "fast-check";
import type { DeciderCase } from "./decider-laws.ts";
import { nthPosition } from "./given-when-then.ts";

/** One step of a walk: returns the next command, given the state after all earlier steps. */
export type Step<State, Command extends CommandBody> = (state: State) => Command;

export interface Walk<State, Event extends EventBody> {
  readonly events: readonly Event[];
  readonly state: State;
}

/**
 * Runs the steps one after the other: decides each command and folds its event. `check` runs after each decision, also
 * after a rejection.
 */
export function walk<State, Command extends CommandBody, Event extends EventBody>(
  decider: Decider<State, Command, Event>,
  steps: Iterable<Step<State, Command>>,
  check: (after: Walk<State, Event>, decision: Decision<Event>) => void = () => {},
): Walk<State, Event> {
  const events: Event[] = [];
  let state = decider.fold.initial;
  for (const step of steps) {
    const decision = decider.decide(state, step(state));
    if (decision.ok && decision.event !== null) {
      events.push(decision.event);
      state = decider.fold.evolve(state, decision.event, nthPosition(events.length));
    }
    check({ events, state }, decision);
  }
  return { events, state };
}

export interface WalkOptions<State, Command extends CommandBody> {
  /** Fixed steps at the start of each walk. They lead most walks to a state that accepts commands. */
  readonly first?: readonly Step<State, Command>[];
  /** Maximum number of random steps in one walk, after those of `first`; default 20. */
  readonly maxSteps?: number;
}

/**
 * Generates test cases for the laws of a decider. Each case is the last command of a random walk, and the events of all
 * commands before it.
 */
export function walkCases<State, Command extends CommandBody, Event extends EventBody>(
  decider: Decider<State, Command, Event>,
  step: fc.Arbitrary<Step<State, Command>>,
  { first = [], maxSteps = 20 }: WalkOptions<State, Command> = {},
): fc.Arbitrary<DeciderCase<Command, Event>> {
  return fc.tuple(fc.array(step, { maxLength: maxSteps - 1 }), step).map(([before, last]) => {
    const { events, state } = walk(decider, [...first, ...before]);
    return { events, command: last(state) };
  });
}
