/**
 * The faults of a run, their rates, and how often each happened. Every run draws its own rates, so that some runs are
 * nearly calm and others have many faults of one kind. After `heal` no fault happens.
 */
import type { Universe } from "./universe.ts";

export const FAULTS = [
  /** The append never reaches the log, and its caller gets no answer in time. */
  "append-lost",
  /** The event is stored, and the acknowledgement is lost. */
  "ack-lost",
  /** The request never arrives. */
  "request-lost",
  /** The request is carried out, and the reply is lost. */
  "reply-lost",
  /** The request arrives twice, each time at a random instance. */
  "request-repeated",
  /** A message takes much longer than others, which overtake it. */
  "message-late",
  /** An instance receives events late. */
  "follower-late",
  /** A foreign client publishes a message on an event subject that no service can read or use. */
  "poison-published",
  /** A process dies, and everything it had begun is lost. */
  "process-killed",
  /** An agent dies, and its restart takes longer than the loss of its chassis. */
  "agent-gone",
  /** An agent runs on, cut off from all other processes, for a shorter or longer time than that. */
  "agent-cut",
  /**
   * A second process with the id of an agent starts, and ends after a while. It must do nothing unless it takes over.
   */
  "agent-doubled",
  /** An agent cannot reach the leases while a second process with its id waits, and reaches everything else. */
  "claim-cut",
  /** A process sleeps after its decision and sends its message when it wakes. */
  "process-paused",
  /** The same for a plan, longer than a lease: a scheduler that is no longer the lease holder proposes it. */
  "proposer-paused",
  /** A process cannot reach the leases for a while. */
  "leases-cut",
  /** A lease is written, and its writer gets no acknowledgement. */
  "lease-ack-lost",
  /** A heartbeat or sample is lost. */
  "telemetry-lost",
  /** A driver call fails with a retryable error. */
  "driver-away",
  /** A guest dies on its own. */
  "guest-failed",
  /** A driver call is carried out much later. */
  "driver-late",
  /** All snapshots of folds are deleted before a process starts. */
  "snapshots-deleted",
  /** A process that starts, or writes a snapshot, cannot reach the snapshots. */
  "snapshots-away",
  /** A webhook rejects a notification. */
  "webhook-failed",
  /** A guest state cannot be stored, read or deleted now. */
  "blobs-away",
  /** Access to a guest state takes long, and later access overtakes it. */
  "blobs-late",
  /** A guest state is stored, and its writer gets no acknowledgement. */
  "blob-ack-lost",
  /** A stored guest state is corrupted. */
  "blob-damaged",
] as const;
export type FaultName = (typeof FAULTS)[number];

/** The highest probability of each fault per opportunity; a run draws a lower one. */
const HIGHEST_RATE: Readonly<Record<FaultName, number>> = {
  "append-lost": 0.04,
  "ack-lost": 0.04,
  "request-lost": 0.05,
  "reply-lost": 0.05,
  "request-repeated": 0.08,
  "message-late": 0.1,
  "follower-late": 0.1,
  "poison-published": 0.1,
  "process-killed": 0.25,
  "agent-gone": 0.02,
  "agent-cut": 0.02,
  "agent-doubled": 0.03,
  "claim-cut": 0.7,
  "process-paused": 0.02,
  "proposer-paused": 0.3,
  "leases-cut": 0.02,
  "lease-ack-lost": 0.04,
  "telemetry-lost": 0.3,
  "driver-away": 0.1,
  "guest-failed": 0.05,
  "driver-late": 0.05,
  "snapshots-deleted": 0.3,
  "snapshots-away": 0.3,
  "webhook-failed": 0.5,
  "blobs-away": 0.1,
  "blobs-late": 0.2,
  "blob-ack-lost": 0.1,
  "blob-damaged": 0.5,
};

export class Faults {
  readonly #universe: Universe;
  readonly #rates: Readonly<Record<string, number>>;
  readonly happened = new Map<string, number>();
  #healed = false;

  constructor(universe: Universe) {
    this.#universe = universe;
    this.#rates = Object.fromEntries(
      FAULTS.map((name) => [name, universe.chance(0.3) ? 0 : universe.random() * HIGHEST_RATE[name]]),
    );
  }

  heal(): void {
    this.#healed = true;
  }

  /** Returns whether the fault `name` happens this time, and counts it. */
  strikes(name: FaultName): boolean {
    if (this.#healed || !this.#universe.chance(this.#rates[name] ?? 0)) return false;
    this.count(name);
    return true;
  }

  /** Counts anything that a run should have met: faults, refusals, recoveries. */
  count(name: string): void {
    this.happened.set(name, (this.happened.get(name) ?? 0) + 1);
  }
}
