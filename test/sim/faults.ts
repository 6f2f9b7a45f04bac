/**
 * What can go wrong, how often, and how often it did. A run draws its own rates, so that some runs are nearly calm and some
 * are a storm of one kind; healed, nothing goes wrong any more.
 */
import type { Universe } from "./universe.ts";

export const FAULTS = [
  /** The append never reaches the log; its caller learns nothing in time. */
  "append-lost",
  /** Stored, and the acknowledgement is lost. */
  "ack-lost",
  /** The request never arrives. */
  "request-lost",
  /** Carried out, and the reply is lost. */
  "reply-lost",
  /** The request arrives twice, the second time at whichever instance. */
  "request-repeated",
  /** A message takes much longer than its neighbours, and is overtaken. */
  "message-late",
  /** An instance hears the log late. */
  "follower-late",
  /** A process dies, with everything it had begun. */
  "process-killed",
  /** An agent dies and is not started again for longer than its chassis takes to be lost. */
  "agent-gone",
  /** An agent runs on and reaches nobody, for less or more than that. */
  "agent-cut",
  /** A process sleeps between deciding and sending, and then sends. */
  "process-paused",
  /** The same, of a plan, for longer than a lease: it is proposed by a scheduler that was succeeded. */
  "proposer-paused",
  /** A process reaches the leases no more for a while. */
  "leases-cut",
  /** A lease is written, and its writer never learns it. */
  "lease-ack-lost",
  /** A heartbeat or sample is lost. */
  "telemetry-lost",
  /** A driver call fails for now. */
  "driver-away",
  /** A guest dies by itself. */
  "guest-failed",
  /** A driver call is carried out much later. */
  "driver-late",
  /** All snapshots of folds are deleted before a process starts. */
  "snapshots-deleted",
  /** A process that starts, or writes one, cannot reach the snapshots. */
  "snapshots-away",
  /** A webhook does not take a notification. */
  "webhook-failed",
  /** A state of a guest cannot be stored, read or deleted now. */
  "blobs-away",
  /** The same takes long, and is overtaken. */
  "blobs-late",
  /** A state of a guest is stored, and its writer never learns it. */
  "blob-ack-lost",
  /** A disk has other bytes than were stored. */
  "blob-damaged",
] as const;
export type FaultName = (typeof FAULTS)[number];

/** Highest rate of each per opportunity; a run draws below. */
const HIGHEST_RATE: Readonly<Record<FaultName, number>> = {
  "append-lost": 0.04,
  "ack-lost": 0.04,
  "request-lost": 0.05,
  "reply-lost": 0.05,
  "request-repeated": 0.08,
  "message-late": 0.1,
  "follower-late": 0.1,
  "process-killed": 0.25,
  "agent-gone": 0.02,
  "agent-cut": 0.02,
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
  "blob-damaged": 0.3,
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

  /** True when `name` goes wrong this time. */
  strikes(name: FaultName): boolean {
    if (this.#healed || !this.#universe.chance(this.#rates[name] ?? 0)) return false;
    this.count(name);
    return true;
  }

  /** Counts anything a run wants to have seen: faults, refusals, recoveries. */
  count(name: string): void {
    this.happened.set(name, (this.happened.get(name) ?? 0) + 1);
  }
}
