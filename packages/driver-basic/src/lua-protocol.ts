/**
 * The messages between the agent's thread and the Lua worker. They are sent as structured clones, and every message has
 * a field `kind`.
 *
 * A worker that is stuck in one instruction sends no messages. The two threads therefore also share memory: a heartbeat
 * counter, and the guest and call that the worker is running.
 */
import type { CallLimits, CallOutcome } from "./lua-call.ts";
import type { GuestIdentity, HookName, Work } from "./lua-guest.ts";
import type { KeptLua } from "./lua-kept.ts";

/** Identifies one start of one guest. A guest that replaces another one therefore has another key. */
export type GuestKey = number;
export type CallId = number;

export interface OpenGuest {
  readonly kind: "open";
  readonly key: GuestKey;
  readonly identity: GuestIdentity;
  /** The guest's Lua program, which runs again whenever the Lua state is recreated; undefined if there is none. */
  readonly program: string | undefined;
  /** The stored Lua state that each new Lua state of the guest starts with; null if there is none. */
  readonly kept: KeptLua | null;
  /**
   * True if the Lua state was lost with an earlier worker, so that the program must run again before the first call.
   */
  readonly again: boolean;
  readonly limits: CallLimits;
}

/** A message about one guest. */
export type GuestMessage =
  | OpenGuest
  | {
      readonly kind: "call";
      readonly key: GuestKey;
      readonly call: CallId;
      readonly work: Work;
      /** The values that the guest's table `cell` shows during the call. */
      readonly view: unknown;
      readonly limits: CallLimits;
    }
  /** Cancels a call that has not started yet. */
  | { readonly kind: "cancel"; readonly key: GuestKey; readonly call: CallId }
  | { readonly kind: "drop"; readonly key: GuestKey };

/** `end` ends the worker. All guests were dropped before. */
export type ToWorker = GuestMessage | { readonly kind: "end" };

export interface CallReport {
  readonly outcome: CallOutcome;
  readonly instructions: number;
  readonly stdout: string;
  /** True if the guest's globals are lost; the program then runs again before the next call. */
  readonly stateLost: boolean;
  /**
   * The hooks that the guest has defined; undefined if its Lua state was lost and the program has not run again yet.
   */
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
      /** Number of printed lines since the last message that were omitted because of the rate limit. */
      readonly leftOut: number;
    };

/** Indices of the words in the memory that both threads share. */
export const SIGNAL = { heartbeat: 0, call: 1, guest: 2 } as const;
export const SIGNAL_BYTES = 12;

export interface WorkerData {
  readonly signals: SharedArrayBuffer;
}
