/**
 * The laws of every decider, as a suite to run in the tests of the service that owns it.
 *
 * A fold may depend on its events only, and a decision on state and command only. Otherwise two instances of a
 * service, or the same one before and after a restart, would disagree. The laws do not check whether a decision is
 * the right one: given/when/then scenarios do.
 */
import { inspect } from "node:util";
import type { CommandBody, Decider, EventBody, TableDecider } from "@bioxen/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nthPosition, outcomeOf, stateAfter } from "./given-when-then.ts";

/** A command, and the events that the aggregate has appended before it. */
export interface DeciderCase<Command extends CommandBody, Event extends EventBody> {
  readonly events: readonly Event[];
  readonly command: Command;
}

/** An exception to idempotence: commands of one type that may append an event again when they are repeated. */
export interface RepeatedCommand<Command extends CommandBody> {
  readonly type: Command["type"];
  /** The reason why a repeat may append an event again, as a full sentence. */
  readonly reason: string;
  /** Returns true for the commands of the type that may append again; default: all of them. */
  readonly when?: (command: Command) => boolean;
}

export interface LawOptions<Command extends CommandBody> {
  /**
   * The commands that are not idempotent. Every other command appends nothing when it is decided again after its own
   * event.
   */
  readonly repeats?: readonly RepeatedCommand<Command>[];
}

export interface SuiteOptions<Command extends CommandBody, Event extends EventBody>
  extends LawOptions<Command> {
  /** The cases, or a generator of cases. For each command type, at least one case has a command that is accepted. */
  readonly cases: readonly DeciderCase<Command, Event>[] | fc.Arbitrary<DeciderCase<Command, Event>>;
}

/** Number of cases that are generated for each law. With 30 types of command, each occurs about 16 times. */
const GENERATED_CASES = 500;
/** Seed of the generator. It is fixed, so that a failure is repeatable. */
const SEED = 1;

export interface Law {
  readonly title: string;
  /** Throws an assertion error when the decider breaks the law in this case. */
  check<State, Command extends CommandBody, Event extends EventBody>(
    decider: Decider<State, Command, Event>,
    one: DeciderCase<Command, Event>,
    options: LawOptions<Command>,
  ): void;
}

export type LawName = "deterministic" | "pure" | "storable" | "resumable" | "idempotent";

/** The laws, each of which checks one case at a time. */
export const DECIDER_LAWS: Readonly<Record<LawName, Law>> = {
  deterministic: {
    title: "decides equally on equal states and commands",
    check(decider, { events, command }) {
      const first = decider.decide(stateAfter(decider.fold, events), command);
      const second = decider.decide(throughJson(stateAfter(decider.fold, events)), command);
      expect(second, `${command.type} decided a second time`).toEqual(first);
    },
  },
  pure: {
    title: "changes neither the state, nor the events, nor the command",
    check(decider, { events, command }) {
      const { fold } = decider;
      const before = shown([events, command]);
      const initial = frozen(fold.initial);
      const state = frozen(events).reduce(
        (folded, event, i) => frozen(fold.evolve(folded, event, frozen(nthPosition(i + 1)))),
        initial,
      );
      const stateBefore = shown(state);
      const decision = decider.decide(state, frozen(command));
      if (decision.ok && decision.event !== null) {
        fold.evolve(state, frozen(decision.event), nthPosition(events.length + 1));
      }
      expect(shown(state), `the state after ${command.type}`).toBe(stateBefore);
      expect(shown([events, command]), `events and command of ${command.type}`).toBe(before);
    },
  },
  storable: {
    title: "decides events that survive JSON, with the same meaning",
    check(decider, { events, command }) {
      const state = stateAfter(decider.fold, events);
      const decision = decider.decide(state, command);
      if (!decision.ok || decision.event === null) return;
      const stored = throughJson(decision.event);
      expect(stored, `the event of ${command.type} as it is stored`).toEqual(decision.event);
      const at = nthPosition(events.length + 1);
      expect(decider.fold.evolve(state, stored, at), `the state after the stored event`).toEqual(
        decider.fold.evolve(state, decision.event, at),
      );
    },
  },
  resumable: {
    title: "folds a snapshot and the events after it to the same state as all events",
    check({ fold }, { events }) {
      const whole = stateAfter(fold, events);
      for (let cut = 0; cut <= events.length; cut += 1) {
        const snapshot = throughJson(stateAfter(fold, events.slice(0, cut)));
        const resumed = events
          .slice(cut)
          .reduce((state, event, i) => fold.evolve(state, event, nthPosition(cut + i + 1)), snapshot);
        expect(resumed, `resumed from a snapshot after ${cut} of ${events.length} events`).toEqual(whole);
      }
    },
  },
  idempotent: {
    title: "appends nothing when a command is repeated after its own event",
    check(decider, one, { repeats = [] }) {
      const again = repeated(decider, one);
      if (again === undefined || exceptionOf(one.command, repeats) !== undefined) return;
      expect(isAppended(again), `${one.command.type} repeated: ${outcomeOf(again)}`).toBe(false);
    },
  },
};

/** Registers a suite that checks every law on the cases. */
export function deciderLaws<State, Command extends CommandBody, Event extends EventBody>(
  name: string,
  decider: Decider<State, Command, Event> | TableDecider<State, Command, Event>,
  { cases, ...options }: SuiteOptions<Command, Event>,
): void {
  describe(`the decider of ${name}`, () => {
    const listed = isList(cases) ? cases : fc.sample(cases, { numRuns: GENERATED_CASES, seed: SEED });

    it.each(Object.values(DECIDER_LAWS))("$title", (law) => {
      if (isList(cases)) for (const one of cases) law.check(decider, one, options);
      else {
        const property = fc.property(cases, (one) => law.check(decider, one, options));
        fc.assert(property, { numRuns: GENERATED_CASES, seed: SEED });
      }
    });

    it("accepts each type of its commands in at least one case", () => {
      const known = "commandTypes" in decider ? decider.commandTypes : listed.map((one) => one.command.type);
      expect(neverAccepted(decider, listed, known)).toEqual([]);
    });

    it("needs each declared exception to idempotence", () => {
      expect(needlessExceptions(decider, listed, options)).toEqual([]);
    });
  });
}

/**
 * Returns the command types in `known` for which no case appends an event. The laws prove nothing about these types.
 */
export function neverAccepted<State, Command extends CommandBody, Event extends EventBody>(
  decider: Decider<State, Command, Event>,
  cases: readonly DeciderCase<Command, Event>[],
  known: readonly Command["type"][],
): readonly Command["type"][] {
  const accepted = new Set<Command["type"]>();
  for (const { events, command } of cases) {
    if (isAppended(decider.decide(stateAfter(decider.fold, events), command))) accepted.add(command.type);
  }
  return [...new Set(known)].filter((type) => !accepted.has(type));
}

/** Returns the entries of `repeats` that no case needs, because their commands are idempotent in every case. */
export function needlessExceptions<State, Command extends CommandBody, Event extends EventBody>(
  decider: Decider<State, Command, Event>,
  cases: readonly DeciderCase<Command, Event>[],
  { repeats = [] }: LawOptions<Command>,
): readonly string[] {
  const shownBy = new Set<RepeatedCommand<Command>>();
  for (const one of cases) {
    const exception = exceptionOf(one.command, repeats);
    if (exception === undefined) continue;
    const again = repeated(decider, one);
    if (again !== undefined && isAppended(again)) shownBy.add(exception);
  }
  return repeats
    .filter((exception) => !shownBy.has(exception))
    .map(({ type, reason }) => `${type}: ${reason}`);
}

/**
 * Returns the decision on a command that is repeated after the event that it appended; undefined when it appended none.
 */
function repeated<State, Command extends CommandBody, Event extends EventBody>(
  decider: Decider<State, Command, Event>,
  { events, command }: DeciderCase<Command, Event>,
) {
  const state = stateAfter(decider.fold, events);
  const first = decider.decide(state, command);
  if (!first.ok || first.event === null) return undefined;
  const after = decider.fold.evolve(state, first.event, nthPosition(events.length + 1));
  return decider.decide(after, command);
}

function exceptionOf<Command extends CommandBody>(
  command: Command,
  repeats: readonly RepeatedCommand<Command>[],
): RepeatedCommand<Command> | undefined {
  return repeats.find(({ type, when }) => type === command.type && (when?.(command) ?? true));
}

function isAppended(decision: { readonly ok: boolean; readonly event?: unknown }): boolean {
  return decision.ok && decision.event !== null;
}

function isList<T>(cases: readonly T[] | fc.Arbitrary<T>): cases is readonly T[] {
  return Array.isArray(cases);
}

function throughJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** Formats every field as text. Unlike a clone, it accepts functions, which a command may carry to look up facts. */
function shown(value: unknown): string {
  return inspect(value, { depth: Number.POSITIVE_INFINITY, maxArrayLength: null, maxStringLength: null });
}

/**
 * Freezes plain objects and arrays deeply, so that a change throws where it happens. Instances of classes are not
 * frozen.
 */
function frozen<T>(value: T): T {
  const seen = new Set<unknown>();
  const freeze = (part: unknown): void => {
    if (typeof part !== "object" || part === null || seen.has(part)) return;
    const prototype: unknown = Object.getPrototypeOf(part);
    if (!Array.isArray(part) && prototype !== Object.prototype && prototype !== null) return;
    seen.add(part);
    Object.freeze(part);
    for (const inner of Object.values(part)) freeze(inner);
  };
  freeze(value);
  return value;
}
