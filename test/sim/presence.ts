/**
 * Whether a simulated process is awake and in reach of the others.
 *
 * A process that sleeps does nothing until it wakes, and then goes on where it was. A process that is cut off runs, but
 * nothing it sends arrives, and nothing is delivered to it.
 */
import type { Universe } from "./universe.ts";

interface Span {
  readonly least: number;
  readonly most: number;
}

export class Presence {
  readonly #universe: Universe;
  #awakeAtMs = 0;
  #cutUntilMs = 0;
  #leasesCutUntilMs = 0;

  constructor(universe: Universe) {
    this.#universe = universe;
  }

  get isCut(): boolean {
    return this.#universe.nowMs < this.#cutUntilMs;
  }

  /** Time until the process wakes, ms; 0 or less while it is awake. */
  get asleepForMs(): number {
    return this.#awakeAtMs - this.#universe.nowMs;
  }

  /** The instant from which the process is both awake and in reach, ms. */
  get hearsAtMs(): number {
    return Math.max(this.#awakeAtMs, this.#cutUntilMs);
  }

  /** Puts the process to sleep for a random time, ms. */
  sleep({ least, most }: Span): void {
    this.#awakeAtMs = this.#universe.nowMs + this.#universe.between(least, most);
  }

  wake(): void {
    this.#awakeAtMs = 0;
  }

  /** Cuts the process off for a random time, ms. */
  cut({ least, most }: Span): void {
    this.#cutUntilMs = this.#universe.nowMs + this.#universe.between(least, most);
  }

  /** The instant until which only the leases are out of reach, ms. */
  get leasesCutUntilMs(): number {
    return this.#leasesCutUntilMs;
  }

  /** Cuts the process off from the leases only, for a random time, ms. */
  cutLeases({ least, most }: Span): void {
    this.#leasesCutUntilMs = this.#universe.nowMs + this.#universe.between(least, most);
  }

  /** Ends all cuts. */
  reconnect(): void {
    this.#cutUntilMs = 0;
    this.#leasesCutUntilMs = 0;
  }

  /** Resolves once the process is awake. */
  async awake(): Promise<void> {
    while (this.asleepForMs > 0) await this.#universe.delay(this.asleepForMs);
  }
}
