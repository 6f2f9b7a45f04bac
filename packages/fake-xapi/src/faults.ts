/**
 * What can be made to go wrong, and when. Each is one a pool really shows; all but the switches strike a number of times.
 */
import type { FakeCode } from "./refusal.ts";

export type Fault =
  /** The call is carried out and its connection dropped before the reply. */
  | { readonly kind: "drop-after"; readonly method: string }
  /** The connection is dropped before anything is done. */
  | { readonly kind: "drop-before"; readonly method: string }
  | {
      readonly kind: "refuse";
      readonly method: string;
      readonly code: FakeCode;
      readonly params?: readonly string[];
    }
  /** The task of this method never ends by itself. */
  | { readonly kind: "stuck-task"; readonly method: string }
  /** The session of the call is unknown from now on. */
  | { readonly kind: "lose-session"; readonly method: string }
  /** The answer takes this long. */
  | { readonly kind: "slow"; readonly method: string; readonly ms: number };

export type FaultKind = Fault["kind"];

/** Trouble that lasts until it is switched off. */
export interface Switches {
  storageFull: boolean;
  noMemory: boolean;
  /** Statistics are NaN. */
  nanStatistics: boolean;
  /** Guests do not react to a clean shutdown. */
  guestsIgnoreShutdown: boolean;
  /** Guests have no tools: clean shutdown, suspend and checkpoint cannot be done. */
  guestsLackTools: boolean;
}

export class Faults {
  readonly switches: Switches = {
    storageFull: false,
    noMemory: false,
    nanStatistics: false,
    guestsIgnoreShutdown: false,
    guestsLackTools: false,
  };
  readonly #planned: { readonly fault: Fault; left: number }[] = [];
  /** How often each kind has struck. */
  readonly struck = new Map<FaultKind, number>();

  /** `method` as it is called, `Async.` left out; `*` is any. */
  add(fault: Fault, times = 1): void {
    this.#planned.push({ fault, left: times });
  }

  clear(): void {
    this.#planned.length = 0;
  }

  /** The planned fault of this kind for this call; it is used up by asking. */
  strike<K extends FaultKind>(kind: K, method: string): Extract<Fault, { kind: K }> | undefined {
    const plain = method.replace(/^Async\./, "");
    const index = this.#planned.findIndex(
      ({ fault }) => fault.kind === kind && (fault.method === plain || fault.method === "*"),
    );
    const planned = this.#planned[index];
    if (planned === undefined) return undefined;
    planned.left -= 1;
    if (planned.left === 0) this.#planned.splice(index, 1);
    this.struck.set(kind, (this.struck.get(kind) ?? 0) + 1);
    return planned.fault as Extract<Fault, { kind: K }>;
  }
}
