/**
 * Planned faults and lasting faults (switches) for tests. Each fault also occurs on real pools. A planned fault strikes
 * a given number of times; a switch stays on until a test switches it off.
 */
import type { FakeCode } from "./refusal.ts";

export type Fault =
  /** The call runs, and its connection is dropped before the reply. */
  | { readonly kind: "drop-after"; readonly method: string }
  /** The connection is dropped before the call runs. */
  | { readonly kind: "drop-before"; readonly method: string }
  /** The call is rejected with the error `code` and its parameters. */
  | {
      readonly kind: "refuse";
      readonly method: string;
      readonly code: FakeCode;
      readonly params?: readonly string[];
      /** The fault waits for a call at which this condition holds. */
      readonly when?: () => boolean;
    }
  /** The task of this method runs until it is cancelled. */
  | { readonly kind: "stuck-task"; readonly method: string }
  /** The session of the call becomes invalid. */
  | { readonly kind: "lose-session"; readonly method: string }
  /** The call is delayed by `ms` milliseconds. */
  | { readonly kind: "slow"; readonly method: string; readonly ms: number }
  /** The call waits, before it runs, until the promise settles. */
  | { readonly kind: "held"; readonly method: string; readonly until: Promise<unknown> };

export type FaultKind = Fault["kind"];

/** Faults that last until they are switched off. */
export interface Switches {
  /** No disk can be added. */
  storageFull: boolean;
  /** No host has free memory. */
  noMemory: boolean;
  /** Every value in the statistics is NaN. */
  nanStatistics: boolean;
  /** Guests ignore a clean shutdown. */
  guestsIgnoreShutdown: boolean;
  /** Guests have no tools, so clean shutdown, suspend and checkpoint fail. */
  guestsLackTools: boolean;
  /** No storage repository is set for memory images, so suspend and the checkpoint of a running VM fail. */
  noSuspendStorage: boolean;
}

export class Faults {
  readonly switches: Switches = {
    storageFull: false,
    noMemory: false,
    nanStatistics: false,
    guestsIgnoreShutdown: false,
    guestsLackTools: false,
    noSuspendStorage: false,
  };
  readonly #planned: { readonly fault: Fault; left: number }[] = [];
  /** Number of faults that have struck so far, by kind. */
  readonly struck = new Map<FaultKind, number>();

  /** Plans a fault for the next `times` matching calls. `method` has no `Async.` prefix; `*` matches every method. */
  add(fault: Fault, times = 1): void {
    this.#planned.push({ fault, left: times });
  }

  clear(): void {
    this.#planned.length = 0;
  }

  /** Returns the planned fault of this kind for this call and counts it as struck; undefined when none is planned. */
  strike<K extends FaultKind>(kind: K, method: string): Extract<Fault, { kind: K }> | undefined {
    const plain = method.replace(/^Async\./, "");
    const index = this.#planned.findIndex(
      ({ fault }) =>
        fault.kind === kind &&
        (fault.method === plain || fault.method === "*") &&
        (!("when" in fault) || fault.when?.() !== false),
    );
    const planned = this.#planned[index];
    if (planned === undefined) return undefined;
    planned.left -= 1;
    if (planned.left === 0) this.#planned.splice(index, 1);
    this.struck.set(kind, (this.struck.get(kind) ?? 0) + 1);
    return planned.fault as Extract<Fault, { kind: K }>;
  }
}
