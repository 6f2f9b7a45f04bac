/**
 * The form of the rules of every aggregate: pure and synchronous functions, without a clock or randomness.
 *
 * `evolve` says what an event means and is public language (packages/contracts); `decide` says whether a command may
 * happen and belongs to the one service that owns the aggregate. One command appends at most one event, so that an
 * append is atomic by construction.
 */
import type { EventBody, EventPosition } from "./envelope.ts";
import { invariant } from "./fault.ts";
import type { Rejection } from "./rejection.ts";

export type Decision<Event extends EventBody, Code extends string = string> =
  | { readonly ok: true; readonly event: Event }
  /** No event is needed: the aggregate is already in the state that the command leads to. */
  | { readonly ok: true; readonly event: null }
  | { readonly ok: false; readonly rejection: Rejection<Code> };

export interface Fold<State, Event extends EventBody = EventBody> {
  /**
   * Version of the folded state. Increase the version when the same events produce another state than before: a new
   * field, or a field with another meaning. Snapshots with another version are ignored. Without the increase, a service
   * would restore states that its own fold never produces.
   */
  readonly schema: number;
  readonly initial: State;
  evolve(state: State, event: Event, at: EventPosition): State;
}

/**
 * The input of a decider: the intent of a caller, or a change that a process manager reacts to. The time (`nowMs`) and
 * every fact about other aggregates are named fields of the command, so that no two of them can be swapped.
 */
export interface CommandBody {
  /** The verb, such as `start` or `follow-ledger`. It discriminates the commands of one decider. */
  readonly type: string;
}

/** The meaning of one aggregate's events and the rules of its commands. Equal input gives equal decisions. */
export interface Decider<
  State,
  Command extends CommandBody,
  Event extends EventBody,
  Code extends string = string,
> {
  readonly fold: Fold<State, Event>;
  decide(state: State, command: Command): Decision<Event, Code>;
}

/** The member of the union `Command` whose `type` is `Type`. */
export type CommandOf<Command extends CommandBody, Type extends Command["type"]> = Extract<
  Command,
  { readonly type: Type }
>;

/** A table with one rule for each type of command. Several files can define rules by theme; a spread joins them. */
export type DecisionTable<
  State,
  Command extends CommandBody,
  Event extends EventBody,
  Code extends string = string,
> = {
  readonly [Type in Command["type"]]: (
    state: State,
    command: CommandOf<Command, Type>,
  ) => Decision<Event, Code>;
};

export interface TableDecider<
  State,
  Command extends CommandBody,
  Event extends EventBody,
  Code extends string = string,
> extends Decider<State, Command, Event, Code> {
  /** Every type of command that the decider knows, in the order of its table. */
  readonly commandTypes: readonly Command["type"][];
}

/**
 * Returns the decider that looks up the rule of a command in `table`. The compiler rejects a table that lacks a rule.
 */
export function deciderOf<
  State,
  Command extends CommandBody,
  Event extends EventBody,
  Code extends string = string,
>(
  fold: Fold<State, Event>,
  table: DecisionTable<State, Command, Event, Code>,
): TableDecider<State, Command, Event, Code> {
  type Rule = (state: State, command: Command) => Decision<Event, Code>;
  return {
    fold,
    commandTypes: Object.keys(table),
    decide(state, command) {
      const type: Command["type"] = command.type;
      invariant(Object.hasOwn(table, type), "a decider has a rule for each of its commands", { type });
      return (table[type] as Rule)(state, command);
    },
  };
}

export function accept<Event extends EventBody>(event: Event): { readonly ok: true; readonly event: Event } {
  return { ok: true, event };
}

export const UNCHANGED = Object.freeze({ ok: true, event: null } as const);
