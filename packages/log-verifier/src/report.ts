/**
 * What the verifier finds: the rule that was broken, where, and in one sentence how.
 */
import type { QuotaBreach } from "./quota-books.ts";

export type Rule =
  | "unreadable"
  | "sequence"
  | "version"
  | "subject"
  | "chain"
  | "transition"
  | "over-offer"
  | "unknown-entry"
  | "stale-proposer"
  | QuotaBreach["rule"]
  | "placed-without-reservation"
  | "started-without-reservation"
  | "running-without-allocation"
  | "preemption"
  | "reinstated-without-room"
  | "guest-state"
  | "two-allocations"
  | "alert"
  | "move"
  | "drain"
  | "observation"
  | "chassis-transition"
  | "unfounded-displacement";

export interface Violation {
  readonly seq: number;
  readonly subject: string;
  readonly rule: Rule;
  readonly message: string;
}

export interface VerifierReport {
  readonly events: number;
  readonly aggregates: number;
  readonly lastSeq: number;
  readonly violations: readonly Violation[];
  /** Violations beyond {@link MAX_VIOLATIONS}: counted, not listed. */
  readonly violationsLeftOut: number;
}

/** A broken log can break at every event; the first thousand say enough. */
export const MAX_VIOLATIONS = 1_000;
