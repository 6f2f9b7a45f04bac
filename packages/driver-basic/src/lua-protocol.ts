/**
 * What the agent's thread and the Lua worker say to each other. Structured clones; every message has a kind.
 *
 * Beside the messages there are two words of shared memory, because a worker stuck inside one instruction sends nothing: a
 * counter that moves as long as guests make progress, and whom it is working for.
 */
import type { CallLimits, CallOutcome } from "./lua-call.ts";
import type { GuestIdentity, HookName, Work } from "./lua-guest.ts";
import type { KeptLua } from "./lua-kept.ts";

/** One per guest and start, so that a guest that took the place of another is not taken for it. */
export type GuestKey = number;
export type CallId = number;

export interface OpenGuest {
  readonly kind: "open";
  readonly key: GuestKey;
  readonly identity: GuestIdentity;
  /** Runs again whenever the Lua state has to be made anew. */
  readonly program: string | undefined;
  /** What its `state` begins with, now and whenever the Lua state has to be made anew; null: with nothing. */
  readonly kept: KeptLua | null;
  /** The state was lost with an earlier worker: run the program before the first call. */
  readonly again: boolean;
  readonly limits: CallLimits;
}

export type ToWorker =
  | OpenGuest
  | {
      readonly kind: "call";
      readonly key: GuestKey;
      readonly call: CallId;
      readonly work: Work;
      /** What `cell` shows during the call. */
      readonly view: unknown;
      readonly limits: CallLimits;
    }
  /** Does nothing to a call that has started. */
  | { readonly kind: "cancel"; readonly key: GuestKey; readonly call: CallId }
  | { readonly kind: "drop"; readonly key: GuestKey };

export interface CallReport {
  readonly outcome: CallOutcome;
  readonly instructions: number;
  readonly stdout: string;
  /** Globals are gone; the program runs again before the next call. */
  readonly stateLost: boolean;
  /** Which hooks the guest has defined now; undefined when the state is lost and the program has yet to say. */
  readonly hooks: readonly HookName[] | undefined;
}

export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "started"; readonly call: CallId }
  | { readonly kind: "ended"; readonly call: CallId; readonly report: CallReport }
  | {
      readonly kind: "printed";
      readonly key: GuestKey;
      readonly lines: readonly string[];
      /** Lines left out since the last message, because there were too many. */
      readonly leftOut: number;
    };

/** Words of the shared memory. */
export const SIGNAL = { heartbeat: 0, call: 1, guest: 2 } as const;
export const SIGNAL_BYTES = 12;

export interface WorkerData {
  readonly signals: SharedArrayBuffer;
}
