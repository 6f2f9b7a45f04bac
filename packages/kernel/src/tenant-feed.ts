/**
 * The stored events of the feed of tenants, as its one writer sees them.
 *
 * Every stored event names the sequence of its event in the log, and events are stored in the order of the log. The last
 * one therefore says how far the log has been read, and no other record of that position is needed.
 */

export interface FeedPosition {
  /** Sequence of the last stored event of the feed; 0 in an empty feed. */
  readonly seq: number;
  /** Sequence in the log of that event; 0 in an empty feed. */
  readonly logSeq: number;
}

export interface FeedEntry {
  readonly subject: string;
  readonly payload: unknown;
  readonly logSeq: number;
}

export interface TenantFeed {
  /** Returns the position of the feed. Throws `Fault` UNAVAILABLE. */
  position(): Promise<FeedPosition>;
  /**
   * Stores the entries directly after `after`, in order, and returns the new position. Throws `Fault` CONFLICT when
   * another writer has stored an event since, and UNAVAILABLE when the outcome is unknown. In both cases, an unknown
   * number of the first entries is stored: the caller must read the position again.
   */
  append(entries: readonly FeedEntry[], after: FeedPosition): Promise<FeedPosition>;
}
