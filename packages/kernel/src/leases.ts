/**
 * Leases: of all contenders for a name at most one acts, and when it dies another takes over.
 *
 * The holder writes its record again every second. A contender that has watched a record stand still for a whole TTL of its own
 * clock takes it, conditional on the revision it watched. The holder counts its time from the instant it *sent* its last
 * successful renewal, which is before any contender can have begun to watch that revision: so it stops before another starts,
 * and no clock is ever compared with another machine's.
 *
 * That holds while processes run. One that sleeps between asking `token()` and acting wakes as a stale holder; what it then
 * writes must be refused by whoever stores it (as must be what two holders do when the store was lost and somebody new finds it
 * empty), and for that each holding has a token greater than all before it. A token is also
 * at least the wall clock at its beginning, so that a store that was lost does not bring old tokens back.
 */
import { messageOf } from "./fault.ts";
import type { Clock, IdSource, Lease, LeaseListener, Leases, Logger, Timers } from "./ports.ts";

/** What a name's record says; `holder` null: given back, anybody may take it at once. */
export interface LeaseRecord {
  readonly holder: string | null;
  readonly token: number;
}

export interface StoredLease extends LeaseRecord {
  /** Changes with every write. */
  readonly revision: number;
}

/** Where the records are. Both throw `Fault` UNAVAILABLE when the store cannot be reached: the write may then have happened. */
export interface LeaseStore {
  read(name: string): Promise<StoredLease | undefined>;
  /** The new revision; undefined when `revision` (0: there is no record) is not the record's. */
  write(name: string, record: LeaseRecord, revision: number): Promise<number | undefined>;
}

/** A record that stands still this long, ms, belongs to nobody: shorter takes over from holders that only paused. */
export const LEASE_TTL_MS = 3_000;
/** Between two renewals, ms: one may fail and the next still comes in time. */
export const LEASE_RENEW_MS = 1_000;
/** Between two looks of a contender, and before a failed call is tried again, ms: what a takeover takes beside the TTL. */
export const LEASE_LOOK_MS = 500;
/** The holder stops this much before its TTL, ms: clocks that run at different speeds, and a step under way. */
export const LEASE_MARGIN_MS = 500;

export interface StoredLeasesOptions {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ids: IdSource;
  /** Milliseconds of a clock that nobody sets; its zero means nothing. */
  readonly monotonicMs: () => number;
  readonly logger: Logger;
}

export class StoredLeases implements Leases {
  readonly #options: StoredLeasesOptions;

  constructor(options: StoredLeasesOptions) {
    this.#options = options;
  }

  contend(name: string, listener: LeaseListener): Lease {
    return new Contender(name, listener, this.#options);
  }
}

interface Holding {
  readonly token: number;
  revision: number;
  validUntilMs: number;
}

class Contender implements Lease {
  readonly #name: string;
  readonly #listener: LeaseListener;
  readonly #options: StoredLeasesOptions;
  /** Of this contender alone: who dies and comes back is another. */
  readonly #id: string;
  #holding: Holding | undefined;
  /** Another's record, and since when it has stood still. */
  #watched: { readonly revision: number; readonly sinceMs: number } | undefined;
  #hasSeenOne = false;
  /** The next token is above this one. */
  #floor = 0;
  #working: Promise<void> = Promise.resolve();
  #next: { cancel(): void } | undefined;
  #expiry: { cancel(): void } | undefined;
  #ended = false;

  constructor(name: string, listener: LeaseListener, options: StoredLeasesOptions) {
    this.#name = name;
    this.#listener = listener;
    this.#options = options;
    this.#id = options.ids.next();
    this.#workAfter(0);
  }

  token(): number | undefined {
    const holding = this.#holding;
    return holding !== undefined && this.#options.monotonicMs() < holding.validUntilMs
      ? holding.token
      : undefined;
  }

  surpass(token: number): void {
    this.#floor = Math.max(this.#floor, token);
    if (this.#holding !== undefined && this.#holding.token < token) this.#lose(`token ${token} was seen`);
  }

  async release(): Promise<void> {
    this.#ended = true;
    this.#next?.cancel();
    await this.#working;
    this.#expiry?.cancel();
    const holding = this.#holding;
    this.#holding = undefined;
    if (holding === undefined) return;
    const free = { holder: null, token: holding.token };
    // Should this fail, the record stands still and is taken after its time.
    await this.#options.store.write(this.#name, free, holding.revision).catch(() => undefined);
  }

  #workAfter(delayMs: number): void {
    if (this.#ended) return;
    this.#next = this.#options.timers.after(delayMs, () => {
      this.#working = this.#work().then(
        () => this.#workAfter(this.#holding === undefined ? LEASE_LOOK_MS : LEASE_RENEW_MS),
        (thrown: unknown) => {
          this.#options.logger.debug({ lease: this.#name, err: thrown }, messageOf(thrown));
          this.#workAfter(LEASE_LOOK_MS);
        },
      );
    });
  }

  #work(): Promise<void> {
    return this.#holding === undefined ? this.#look() : this.#renew(this.#holding);
  }

  async #renew(holding: Holding): Promise<void> {
    const sentAtMs = this.#options.monotonicMs();
    const record = { holder: this.#id, token: holding.token };
    const revision = await this.#options.store.write(this.#name, record, holding.revision);
    // Lost meanwhile: the record still names us, and the next look takes it under a new token.
    if (this.#holding !== holding) return;
    if (revision !== undefined) {
      holding.revision = revision;
      this.#validFrom(holding, sentAtMs);
      return;
    }
    // Another's, or ours whose acknowledgement got lost? The latter prolongs nothing: when it was sent is forgotten.
    const found = await this.#options.store.read(this.#name);
    if (this.#holding !== holding) return;
    if (found?.holder === this.#id && found.token === holding.token) {
      holding.revision = found.revision;
      await this.#renew(holding);
      return;
    }
    this.#lose("another took it");
  }

  async #look(): Promise<void> {
    const found = await this.#options.store.read(this.#name);
    // A record that was there and is gone went with its store: its holder may not know yet, and has its time as well.
    const isFree =
      found === undefined ? !this.#hasSeenOne : found.holder === null || found.holder === this.#id;
    this.#hasSeenOne ||= found !== undefined;
    if (isFree) {
      await this.#take(found);
      return;
    }
    const nowMs = this.#options.monotonicMs();
    const revision = found?.revision ?? 0;
    if (this.#watched?.revision !== revision) {
      this.#watched = { revision, sinceMs: nowMs };
    } else if (nowMs - this.#watched.sinceMs >= LEASE_TTL_MS) {
      await this.#take(found);
    }
  }

  async #take(found: StoredLease | undefined): Promise<void> {
    const before = Math.max(found?.token ?? 0, this.#floor);
    const token = Math.max(before + 1, this.#options.clock.nowMs());
    const sentAtMs = this.#options.monotonicMs();
    const record = { holder: this.#id, token };
    const revision = await this.#options.store.write(this.#name, record, found?.revision ?? 0);
    this.#watched = undefined;
    this.#hasSeenOne = true;
    // Lost to another, or told meanwhile of a token that is newer than this one.
    if (revision === undefined || token <= this.#floor) return;
    this.#floor = token;
    const holding = { token, revision, validUntilMs: 0 };
    this.#holding = holding;
    this.#validFrom(holding, sentAtMs);
    if (this.token() === undefined || this.#ended) return;
    this.#options.logger.info({ lease: this.#name, token }, `holds the lease ${this.#name}`);
    this.#listener.onHeld(token);
  }

  #validFrom(holding: Holding, sentAtMs: number): void {
    holding.validUntilMs = sentAtMs + LEASE_TTL_MS - LEASE_MARGIN_MS;
    this.#expiry?.cancel();
    const leftMs = holding.validUntilMs - this.#options.monotonicMs();
    this.#expiry = this.#options.timers.after(Math.max(0, leftMs), () => {
      if (this.#holding !== holding) return;
      // A timer may fire a moment early.
      if (this.token() === undefined) this.#lose("it could not be renewed in time");
      else this.#validFrom(holding, sentAtMs);
    });
  }

  #lose(why: string): void {
    const token = this.#holding?.token;
    this.#holding = undefined;
    this.#expiry?.cancel();
    if (this.#ended) return;
    this.#options.logger.warn({ lease: this.#name, token }, `lost the lease ${this.#name}: ${why}`);
    this.#listener.onLost();
  }
}
