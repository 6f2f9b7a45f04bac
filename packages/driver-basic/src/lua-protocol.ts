/**
 * The messages between the agent's thread and the Lua worker. They are structured clones, and every message has a kind.
 *
 * In addition there is shared memory, because a worker that is stuck in one instruction sends no messages: a heartbeat counter, and the
 * guest and call that the worker is running.
 */
import type { CallLimits, CallOutcome } from "./lua-call.ts";
import type { GuestIdentity, HookName, Work } from "./lua-guest.ts";
import type { KeptLua } from "./lua-kept.ts";

/** Unique per guest and start, so that a replacement is not mistaken for the replaced guest. */
export type GuestKey = number;
export type CallId = number;

export interface OpenGuest {
  readonly kind: "open";
  readonly key: GuestKey;
  readonly identity: GuestIdentity;
  /** The guest's program, which runs again whenever the Lua state is recreated; undefined if there is none. */
  readonly program: string | undefined;
  /** The initial `state`, also after the Lua state is recreated; null if there is none. */
  readonly kept: KeptLua | null;
  /** Whether the Lua state was lost with an earlier worker, so that the program must run before the first call. */
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
      /** The values of `cell` during the call. */
      readonly view: unknown;
      readonly limits: CallLimits;
    }
  /** Cancels a call that has not started. */
  | { readonly kind: "cancel"; readonly key: GuestKey; readonly call: CallId }
  | { readonly kind: "drop"; readonly key: GuestKey };

export interface CallReport {
  readonly outcome: CallOutcome;
  readonly instructions: number;
  readonly stdout: string;
  /** Whether the globals are lost; the program then runs again before the next call. */
  readonly stateLost: boolean;
  /** The hooks that the guest has defined; undefined if the state is lost and the program has not run again yet. */
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
      /** Lines omitted since the last message, because there were too many. */
      readonly leftOut: number;
    };

/** Indices of the words in the shared memory. */
export const SIGNAL = { heartbeat: 0, call: 1, guest: 2 } as const;
export const SIGNAL_BYTES = 12;

export interface WorkerData {
  readonly signals: SharedArrayBuffer;
}
