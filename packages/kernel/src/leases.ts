/**
 * Leases: at most one of all contenders for a lease acts. When this holder dies, another contender takes over.
 *
 * The holder renews its record every second. A contender takes the record when it has seen the same revision for a
 * whole TTL (time to live) on its own clock; its write is conditional on that revision. The holder counts the TTL from
 * the instant at which it *sent* its last successful renewal. No contender can have seen that revision earlier, so the
 * holder stops before another starts, and no clock is ever compared with the clock of another machine.
 *
 * Three cases break this guarantee. A process that is suspended between `token()` and its act is a stale holder when it
 * resumes. When the store was lost and a new contender finds it empty, two holders are possible. Two holders are also
 * possible when another client overwrites the record. The receiver of a write must therefore refuse stale holders. Each
 * term has a token greater than all tokens before it. A token is also at least the epoch ms at the beginning of the
 * term, so that a lost store does not bring old tokens back. A stored token that cannot have been issued
 * (`lease-token.ts`) is ignored: the next term begins as if the store were lost.
 */
import { messageOf } from "./fault.ts";
import { ISSUER_AHEAD_MS, isPossibleToken, MAX_LEASE_TOKEN } from "./lease-token.ts";
import type {
  Clock,
  ContendOptions,
  IdSource,
  Lease,
  LeaseListener,
  Leases,
  Logger,
  Timers,
} from "./ports.ts";

/**
 * The stored record of one lease. `holder` is null when the lease was given back: any contender may then take it at
 * once.
 */
export interface LeaseRecord {
  readonly holder: string | null;
  readonly token: number;
}

export interface StoredLease extends LeaseRecord {
  /** The revision of the record; it changes with every write. */
  readonly revision: number;
}

/**
 * The store of the records. Both methods throw `Fault` UNAVAILABLE when the store is unreachable; a write may have
 * happened nevertheless.
 */
export interface LeaseStore {
  read(name: string): Promise<StoredLease | undefined>;
  /**
   * Writes the record if its stored revision is `revision` (0: no record exists). Returns the new revision; undefined
   * when the stored revision is different.
   */
  write(name: string, record: LeaseRecord, revision: number): Promise<number | undefined>;
}

/**
 * Time after which a contender takes a record that has not changed, ms. A shorter TTL would depose holders that only
 * paused.
 */
export const LEASE_TTL_MS = 3_000;
/** Interval of renewals, ms: one renewal may fail, and the next one still comes in time. */
export const LEASE_RENEW_MS = 1_000;
/** Interval of a contender's reads, and wait after a failed call, ms. A takeover lasts up to the TTL plus this time. */
export const LEASE_LOOK_MS = 500;
/**
 * The holder stops this long before its TTL ends, ms: a margin for clocks of different speeds and for a step in
 * progress.
 */
export const LEASE_MARGIN_MS = 500;

export interface StoredLeasesOptions {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ids: IdSource;
  /** A monotonic clock, ms; its zero has no meaning. */
  readonly monotonicMs: () => number;
  readonly logger: Logger;
  /**
   * Returns true only if the process of this holder has certainly ended: its lease is then taken without a wait. By
   * default no process counts as ended.
   */
  readonly hasEnded?: (holder: string) => boolean;
}

export class StoredLeases implements Leases {
  readonly #options: StoredLeasesOptions;

  constructor(options: StoredLeasesOptions) {
    this.#options = options;
  }

  contend(name: string, listener: LeaseListener, { ttlMs = LEASE_TTL_MS }: ContendOptions = {}): Lease {
    return new Contender(name, listener, this.#options, ttlMs);
  }

  async tokenOnRecord(name: string): Promise<number | undefined> {
    return (await this.#options.store.read(name))?.token;
  }
}

interface Term {
  readonly token: number;
  revision: number;
  validUntilMs: number;
}

class Contender implements Lease {
  readonly #name: string;
  readonly #listener: LeaseListener;
  readonly #options: StoredLeasesOptions;
  readonly #ttlMs: number;
  /** Unique to this contender: a process that dies and restarts is another contender. */
  readonly #id: string;
  #term: Term | undefined;
  /** The revision of another holder's record, and the instant at which it was first read, monotonic ms. */
  #watched: { readonly revision: number; readonly sinceMs: number } | undefined;
  #hasSeenRecord = false;
  #hasHeld = false;
  #isSuperseded = false;
  /** The id of the other holder that was last reported to the listener. */
  #toldOf: string | undefined;
  /** The token of the next term must be greater than this number. */
  #floor = 0;
  #working: Promise<void> = Promise.resolve();
  #next: { cancel(): void } | undefined;
  #expiry: { cancel(): void } | undefined;
  #ended = false;

  constructor(name: string, listener: LeaseListener, options: StoredLeasesOptions, ttlMs: number) {
    this.#name = name;
    this.#listener = listener;
    this.#options = options;
    this.#ttlMs = ttlMs;
    this.#id = options.ids.next();
    this.#workAfter(0);
  }

  token(): number | undefined {
    const term = this.#term;
    return term !== undefined && this.#options.monotonicMs() < term.validUntilMs ? term.token : undefined;
  }

  surpass(token: number): void {
    if (!Number.isSafeInteger(token) || token >= MAX_LEASE_TOKEN) return;
    this.#floor = Math.max(this.#floor, token);
    if (this.#term !== undefined && this.#term.token < token) this.#lose(`token ${token} is newer`);
  }

  async release(): Promise<void> {
    this.#ended = true;
    this.#next?.cancel();
    await this.#working;
    this.#expiry?.cancel();
    const term = this.#term;
    this.#term = undefined;
    if (term === undefined) return;
    const free = { holder: null, token: term.token };
    // If this write fails, the record expires after its TTL.
    await this.#options.store.write(this.#name, free, term.revision).catch(() => undefined);
  }

  #workAfter(delayMs: number): void {
    if (this.#ended) return;
    this.#next = this.#options.timers.after(delayMs, () => {
      this.#working = this.#work().then(
        () => this.#workAfter(this.#term === undefined ? LEASE_LOOK_MS : LEASE_RENEW_MS),
        (thrown: unknown) => {
          this.#options.logger.debug({ lease: this.#name, err: thrown }, messageOf(thrown));
          this.#workAfter(LEASE_LOOK_MS);
        },
      );
    });
  }

  #work(): Promise<void> {
    return this.#term === undefined ? this.#look() : this.#renew(this.#term);
  }

  async #renew(term: Term): Promise<void> {
    const sentAtMs = this.#options.monotonicMs();
    const record = { holder: this.#id, token: term.token };
    const revision = await this.#options.store.write(this.#name, record, term.revision);
    // The lease was lost during the write. The stored record still names this contender, so this contender takes the
    // lease again when it next reads the record.
    if (this.#term !== term) return;
    if (revision !== undefined) {
      term.revision = revision;
      this.#validFrom(term, sentAtMs);
      return;
    }
    // Either another contender wrote the record, or this contender did and the acknowledgement was lost. In the second
    // case it is unknown when the stored write was sent, so that write extends no lease: the record is renewed again.
    const found = await this.#options.store.read(this.#name);
    if (this.#term !== term) return;
    if (found?.holder === this.#id && found.token === term.token) {
      term.revision = found.revision;
      await this.#renew(term);
      return;
    }
    if (found === undefined && this.token() !== undefined) {
      // The store was lost. This holder ends its term and takes the lease again at once, while other contenders that
      // have seen the record wait for a whole TTL.
      this.#lose("its record was lost");
      await this.#take(undefined);
      return;
    }
    this.#lose("another contender took it");
  }

  async #look(): Promise<void> {
    const found = await this.#options.store.read(this.#name);
    // A record that has vanished was lost with its store. The holder may not know of the loss yet, so this contender
    // waits for a whole TTL before it takes the lease.
    const isFree =
      found === undefined ? !this.#hasSeenRecord : found.holder === null || found.holder === this.#id;
    this.#hasSeenRecord ||= found !== undefined;
    this.#tell(found);
    if (isFree || this.#hasEnded(found)) {
      await this.#take(found);
      return;
    }
    const nowMs = this.#options.monotonicMs();
    const revision = found?.revision ?? 0;
    if (this.#watched?.revision !== revision) {
      this.#watched = { revision, sinceMs: nowMs };
    } else if (nowMs - this.#watched.sinceMs >= this.#ttlMs) {
      await this.#take(found);
    }
  }

  /** Reports another holder to the listener, and reports once that another holder has superseded this contender. */
  #tell(found: StoredLease | undefined): void {
    if (found === undefined || found.holder === this.#id || this.#ended) return;
    const { holder } = found;
    if (this.#hasHeld && !this.#isSuperseded) {
      this.#isSuperseded = true;
      this.#listener.onSuperseded?.(holder);
    }
    if (holder === null || holder === this.#toldOf) return;
    this.#toldOf = holder;
    this.#listener.onOther?.(holder);
  }

  #hasEnded(found: StoredLease | undefined): boolean {
    const holder = found?.holder ?? null;
    return holder !== null && this.#options.hasEnded?.(holder) === true;
  }

  async #take(found: StoredLease | undefined): Promise<void> {
    if (this.#ended) return;
    const token = this.#nextToken(found);
    const sentAtMs = this.#options.monotonicMs();
    const record = { holder: this.#id, token };
    const revision = await this.#options.store.write(this.#name, record, found?.revision ?? 0);
    this.#watched = undefined;
    this.#hasSeenRecord = true;
    // Another contender won, or a newer token became known during the write.
    if (revision === undefined || token <= this.#floor) return;
    this.#floor = token;
    const term = { token, revision, validUntilMs: 0 };
    this.#term = term;
    this.#hasHeld = true;
    this.#toldOf = undefined;
    this.#validFrom(term, sentAtMs);
    if (this.token() === undefined || this.#ended) return;
    this.#options.logger.info({ lease: this.#name, token }, `acquired the lease ${this.#name}`);
    this.#listener.onHeld(token);
  }

  #nextToken(found: StoredLease | undefined): number {
    const nowMs = this.#options.clock.nowMs();
    const horizon = { nowMs, newest: this.#floor, aheadMs: ISSUER_AHEAD_MS };
    const isGenuine = found !== undefined && isPossibleToken(found.token, horizon);
    if (found !== undefined && !isGenuine) {
      const fields = { lease: this.#name, token: found.token };
      this.#options.logger.warn(fields, `ignoring the stored token of the lease ${this.#name}: never issued`);
    }
    const before = Math.max(isGenuine ? found.token : 0, this.#floor);
    return Math.max(before + 1, nowMs);
  }

  #validFrom(term: Term, sentAtMs: number): void {
    term.validUntilMs = sentAtMs + this.#ttlMs - LEASE_MARGIN_MS;
    this.#expiry?.cancel();
    const leftMs = term.validUntilMs - this.#options.monotonicMs();
    this.#expiry = this.#options.timers.after(Math.max(0, leftMs), () => {
      if (this.#term !== term) return;
      // A timer may fire slightly early.
      if (this.token() === undefined) this.#lose("it was not renewed in time");
      else this.#validFrom(term, sentAtMs);
    });
  }

  #lose(why: string): void {
    const token = this.#term?.token;
    this.#term = undefined;
    this.#expiry?.cancel();
    if (this.#ended) return;
    this.#options.logger.warn({ lease: this.#name, token }, `lost the lease ${this.#name}: ${why}`);
    this.#listener.onLost();
  }
}
