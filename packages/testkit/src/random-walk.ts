/**
 * Sequences of commands in which each command depends on the state before it. A resize, for example, needs the fence of
 * a reservation.
 */
import type { CommandBody, Decider, Decision, EventBody } from "@bioxen/kernel";
import fc from "fast-check";
import type { DeciderCase } from "./decider-laws.ts";
import { nthPosition } from "./given-when-then.ts";

/** One step of a walk: the command for the state that the former steps led to. */
export type Step<State, Command extends CommandBody> = (state: State) => Command;

export interface Walk<State, Event extends EventBody> {
  readonly events: readonly Event[];
  readonly state: State;
}

/**
 * Decides the commands one after the other and folds their events. `check` runs after each decision, also after a
 * rejection.
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
  /** Steps before the random ones, so that most walks begin in a state that accepts commands. */
  readonly first?: readonly Step<State, Command>[];
  /** Maximum number of random steps in one walk; default 20. */
  readonly maxSteps?: number;
}

/** Cases for the laws of a decider: the last command of a random walk, after the events of all commands before it. */
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
