/**
 * The ports: the interfaces through which the application layer reaches the log, other services, clocks and stores.
 * Their adapters are packages/nats (real) and packages/testkit (in memory); both pass the same contract suites.
 */
import type { BlobStore } from "./blobs.ts";
import type { CourseStore } from "./course-store.ts";
import type { Causation, EventEnvelope, StoredEvent } from "./envelope.ts";
import type { TenantFeed } from "./tenant-feed.ts";
import type { LogMessage, UnreadableMessage } from "./unreadable.ts";

export interface Clock {
  /** Returns the wall-clock time, epoch ms. */
  nowMs(): number;
}

export interface IdSource {
  /** Returns an id that is unique, sortable by time and valid in a NATS subject token. */
  next(): string;
}

export type AppendResult =
  | { readonly kind: "appended"; readonly seq: number; readonly digest: string }
  /** Another writer appended to this subject first: the caller must reload the state and decide again. */
  | { readonly kind: "conflict" };

export interface FollowOptions {
  /** First sequence to deliver, from 1. */
  readonly fromSeq: number;
  /** Only events of this subject, wildcards allowed; default: all. */
  readonly filter?: string;
  /**
   * Maximum number of undelivered events in flight; default: enough for full throughput. A low number suits a reader
   * that stops early.
   */
  readonly window?: number;
  /** Called in order of sequence, never concurrently; a throw stops the feed and is passed to `onStop`. */
  readonly onEvent: (event: StoredEvent) => void;
  /**
   * Called in place of `onEvent` for a message that cannot be decoded. Without this option the feed stops at such a
   * message, and passes `Fault` CORRUPT_EVENT to `onStop`.
   */
  readonly onUnreadable?: (message: UnreadableMessage) => void;
  /** Called once, when every matching event that was stored when the read began has been delivered. */
  readonly onCaughtUp: () => void;
  /**
   * Called when the feed stops by itself: at an unreadable message without `onUnreadable`, or when a listener throws.
   * Never called after `stop()`.
   */
  readonly onStop: (cause: unknown) => void;
  /**
   * Called when the server lost the reader's position. The following events come from a new read, possibly of another
   * log.
   */
  readonly onInterrupted?: () => void;
}

export interface Following {
  /** Stops the delivery of events; resolves when the server holds no resource of this reader. */
  stop(): Promise<void>;
}

/**
 * The append-only log.
 *
 * `append` stores `envelope` under `streamSubject` only when the last event of that subject has stream sequence
 * `expectedSeq` (0: the subject has no event). A repeated append of the same `envelope.id` stores nothing: `append`
 * returns `appended` when the first append's event is the last of its subject, else `conflict`. Throws `Fault`
 * UNAVAILABLE when the outcome stays unknown within the adapter's deadline. Throws `Fault` TOO_LARGE, and stores
 * nothing, when the event is larger than the server's `max_payload` allows.
 */
export interface EventLog {
  append(streamSubject: string, envelope: EventEnvelope, expectedSeq: number): Promise<AppendResult>;
  /**
   * Returns the events of one subject with a sequence above `afterSeq` and at most `untilSeq`, in order: the first
   * `limit` of them (default: all). Throws `Fault` CORRUPT_EVENT when one of them cannot be decoded.
   */
  read(
    streamSubject: string,
    afterSeq: number,
    untilSeq?: number,
    limit?: number,
  ): Promise<readonly StoredEvent[]>;
  /** Like `read`, and also returns the messages that cannot be decoded. */
  readMessages(
    streamSubject: string,
    afterSeq: number,
    untilSeq?: number,
    limit?: number,
  ): Promise<readonly LogMessage[]>;
  /** Returns the message with this sequence, readable or not; undefined when the log has no such message. */
  messageAt(seq: number): Promise<LogMessage | undefined>;
  follow(options: FollowOptions): Promise<Following>;
  /** Returns the sequence of the newest event; 0 when the log is empty. */
  lastSeq(): Promise<number>;
}

/** Calls the commands and queries of other services. */
export interface Caller {
  /**
   * Returns the reply's JSON, unchecked. Throws `Fault` UNAVAILABLE when no service answers on `subject`, and TIMEOUT
   * after `timeoutMs` without a reply; both are retryable.
   */
  call(subject: string, payload: unknown, options: CallOptions): Promise<Reply>;
}

export interface CallOptions {
  readonly timeoutMs: number;
  /** Becomes the `Nats-Msg-Id` header: one id has one outcome. */
  readonly messageId?: string;
  /** The command or event that causes this call; the called service records it as the cause of its own events. */
  readonly causation?: Causation;
  /** W3C trace context of the caller; takes precedence over that of `causation`. */
  readonly traceparent?: string | undefined;
  /** The vendors' part of the trace context; only with `traceparent`. */
  readonly tracestate?: string | undefined;
  /** Further headers that hold the trace context in another format, by name. */
  readonly traceHeaders?: Readonly<Record<string, string>> | undefined;
}

export type Reply =
  | ({ readonly ok: true } & Readonly<Record<string, unknown>>)
  | { readonly ok: false; readonly error: ReplyError };

export interface ReplyError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Publishes ephemeral messages, which are delivered at most once: telemetry, guest output. */
export interface Publisher {
  publish(subject: string, payload: unknown): void;
}

/**
 * Called with each JSON message, and the subject on which it was published. `agentId` is the agent that sent it, as the
 * server knows it; undefined on an open stack, where any client can publish anything.
 */
export type HearMessage = (payload: unknown, subject: string, agentId?: string) => void;

/** Ephemeral subscriptions: each receives every JSON message on `subject` (wildcards allowed) until `stop`. */
export interface Subscriber {
  subscribe(subject: string, onMessage: HearMessage): { stop(): void };
}

export interface Timers {
  after(delayMs: number, callback: () => void): { cancel(): void };
  every(intervalMs: number, callback: () => void): { cancel(): void };
}

/** Structured log: fields first, then one sentence. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface LeaseListener {
  /** Called once per term, when this instance gets the lease and may act. */
  readonly onHeld: (token: number) => void;
  /**
   * Called once per term, when this instance loses the lease and must no longer act; not called when it gives the lease
   * back.
   */
  readonly onLost: () => void;
  /** Called once for each new holder while this instance waits for the lease; `holder` is the id of that holder. */
  readonly onOther?: (holder: string) => void;
  /**
   * Called once, when an instance that has held the lease learns that another instance has held it since. The other
   * instance may have repeated work that this instance began during its own term.
   */
  readonly onSuperseded?: (holder: string | null) => void;
}

export interface ContendOptions {
  /**
   * Time after which a silent holder is replaced, ms; default `LEASE_TTL_MS`. All contenders for one lease must use the
   * same time, because a holder that cannot renew its lease stops just before that time has passed.
   */
  readonly ttlMs?: number;
}

/** The candidacy of one contender for one lease. */
export interface Lease {
  /**
   * Returns the fencing token while the lease is held *now*, else undefined. Holders ask before every act and store the
   * token with its result, so that a receiver can refuse a late write of an earlier holder. The token of each term is
   * greater than all before it, and at least the epoch ms at the beginning of the term.
   */
  token(): number | undefined;
  /**
   * Reports that a receiver knows the newer `token` and therefore refused this holder. This contender gives up a lease
   * with an older token at once and contends again; its next token is greater than `token`. The caller must have
   * checked that `token` is in the log or can have been issued. A number above `MAX_LEASE_TOKEN` changes nothing.
   */
  surpass(token: number): void;
  /** Stops contending and gives the lease back, so that another contender takes over without a wait. Never throws. */
  release(): Promise<void>;
}

/** At most one contender of all processes holds the lease of a name; a silent holder is replaced within seconds. */
export interface Leases {
  contend(name: string, listener: LeaseListener, options?: ContendOptions): Lease;
  /**
   * Returns the token in the stored record of the lease `name`; undefined when the store has no record. Any client that
   * can write to the store can have forged the token: see `isPossibleToken`. Throws `Fault` UNAVAILABLE when the store
   * is unreachable.
   */
  tokenOnRecord(name: string): Promise<number | undefined>;
}

export interface SpanOptions {
  readonly kind: "server" | "client" | "producer" | "internal";
  /** W3C trace context of the caller; absent: the span begins a trace. */
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
  readonly attributes?: Readonly<Record<string, string | number>>;
}

/** Records spans, so that a trace shows a piece of work across all processes that take part in it. */
export interface Tracer {
  /** Runs `work` as one span; `work` gets the trace context of that span for its own calls. */
  span<T>(
    name: string,
    options: SpanOptions,
    work: (traceparent: string | undefined) => Promise<T>,
  ): Promise<T>;
}

/** A tracer without spans: trace contexts pass through unchanged. */
export const UNTRACED: Tracer = { span: (_name, { traceparent }, work) => work(traceparent) };

/** All ports that the application layer of a service may use. */
export interface ServicePorts {
  readonly log: EventLog;
  readonly bus: Caller & Publisher & Subscriber;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly leases: Leases;
  readonly tracer: Tracer;
  /** Saved states of guests. */
  readonly blobs: BlobStore;
  /** Recorded time courses of VMs. */
  readonly courses: CourseStore;
  /** The stored feed of tenants; absent on an open stack, and for every service that does not write it. */
  readonly tenantFeed?: TenantFeed;
}
