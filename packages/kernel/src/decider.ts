/**
 * The shape of every aggregate: pure, synchronous, no clock, no randomness.
 *
 * `evolve` says what an event means and is public language (packages/contracts); `decide` says whether a command may
 * happen and belongs to the one service that owns the aggregate. One command appends at most one event, so that an
 * append is atomic by construction.
 */
import type { EventBody, EventPosition } from "./envelope.ts";
import type { Rejection } from "./rejection.ts";

export type Decision<Event extends EventBody, Code extends string = string> =
  | { readonly ok: true; readonly event: Event }
  /** The aggregate already is where the command leads. */
  | { readonly ok: true; readonly event: null }
  | { readonly ok: false; readonly rejection: Rejection<Code> };

export interface Fold<State, Event extends EventBody = EventBody> {
  /**
   * Grows when equal events give another state than before: a field more, a field that means something else. Snapshots of
   * another schema are not taken over; forgetting to count up would take over states that this version never makes.
   */
  readonly schema: number;
  readonly initial: State;
  evolve(state: State, event: Event, at: EventPosition): State;
}

export function accept<Event extends EventBody>(event: Event): { readonly ok: true; readonly event: Event } {
  return { ok: true, event };
}

export const UNCHANGED = Object.freeze({ ok: true, event: null } as const);
