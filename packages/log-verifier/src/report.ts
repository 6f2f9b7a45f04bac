/**
 * The findings of the verifier: each violation has the broken rule, the position of the event in the log, and one
 * sentence.
 */
import type { QuotaBreach } from "./quota-accounts.ts";

export type Rule =
  | "unreadable"
  | "skip"
  | "sequence"
  | "lost"
  | "seal"
  | "version"
  | "subject"
  | "chain"
  | "transition"
  | "over-offer"
  | "unknown-entry"
  | "stale-proposer"
  | "unissued-token"
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
  | "experiment"
  | "observation"
  | "chassis-transition"
  | "unfounded-displacement";

/** Records one violation of the event that is being checked. */
export type ReportViolation = (rule: Rule, message: string) => void;

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
  /** Number of messages that an operator has skipped; they are no violations. */
  readonly skipped: number;
  /** Number of missing events that are no loss: never acknowledged, or given up by an operator. */
  readonly missingAccepted: number;
  /** Number of events from before the digest chain. The chain does not reveal a change of such an event. */
  readonly notChained: number;
  readonly violations: readonly Violation[];
  /** Number of violations beyond {@link MAX_VIOLATIONS}, which are not listed. */
  readonly violationsLeftOut: number;
}

/**
 * Maximum number of listed violations. A broken log can have one at every event, and the first thousand are enough to
 * judge it.
 */
export const MAX_VIOLATIONS = 1_000;
