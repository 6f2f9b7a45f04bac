/**
 * What the application layer needs from the world. Adapters: packages/nats (real), packages/testkit (in memory);
 * one contract suite runs against both.
 */
import type { BlobStore } from "./blobs.ts";
import type { Causation, EventEnvelope, StoredEvent } from "./envelope.ts";

export interface Clock {
  /** Epoch milliseconds. */
  nowMs(): number;
}

export interface IdSource {
  /** Unique, sortable by time, safe in a NATS subject token. */
  next(): string;
}

export type AppendResult =
  | { readonly kind: "appended"; readonly seq: number; readonly digest: string }
  /** Somebody else appended to this subject first: reload, decide again. */
  | { readonly kind: "conflict" };

export interface FollowOptions {
  /** First sequence wanted, from 1. */
  readonly fromSeq: number;
  /** Only events of this subject, wildcards allowed; default: all. */
  readonly filter?: string;
  /** Most events on their way at once; default: what keeps the pipe full. For who reads little and stops. */
  readonly window?: number;
  /** Called in order of sequence, never concurrently; a throw stops the feed and is passed to `onStop`. */
  readonly onEvent: (event: StoredEvent) => void;
  /** Called once, when everything wanted that was stored when following began has been delivered. */
  readonly onCaughtUp: () => void;
  /** The feed ended by itself: an event that cannot be read, or a throw of `onEvent`. Never called after `stop()`. */
  readonly onStop: (cause: unknown) => void;
  /** Where it was is lost at the other end: from here on it is a new reading, of what may be another log. */
  readonly onInterrupted?: () => void;
}

export interface Following {
  /** Nothing is delivered any more; resolves when nothing of it is left at the other end. */
  stop(): Promise<void>;
}

/**
 * The append-only log.
 *
 * `append` stores `envelope` under `streamSubject` only when the last event of that subject has stream sequence
 * `expectedSeq` (0: there is none). Resending the same `envelope.id` after a lost acknowledgement never stores it twice: it
 * answers `appended` when this very event is the subject's last, else `conflict`. Throws `Fault` UNAVAILABLE when the
 * outcome could not be learnt within the adapter's deadline.
 */
export interface EventLog {
  append(streamSubject: string, envelope: EventEnvelope, expectedSeq: number): Promise<AppendResult>;
  /** All events of one subject with a sequence above `afterSeq`, up to `untilSeq` where that is given, in order. */
  read(streamSubject: string, afterSeq: number, untilSeq?: number): Promise<readonly StoredEvent[]>;
  follow(options: FollowOptions): Promise<Following>;
  /** Sequence of the newest event, 0 when the log is empty. */
  lastSeq(): Promise<number>;
}

/** The caller of another service's commands and queries. */
export interface Caller {
  /**
   * The reply's JSON, whatever it says. Throws `Fault`: UNAVAILABLE when nobody serves `subject`, TIMEOUT when
   * no reply came within `timeoutMs`; both retryable.
   */
  call(subject: string, payload: unknown, options: CallOptions): Promise<Reply>;
}

export interface CallOptions {
  readonly timeoutMs: number;
  /** Becomes the `Nats-Msg-Id` header: the same id has one outcome. */
  readonly messageId?: string;
  /** The chain this call belongs to; continued by whoever answers. */
  readonly causation?: Causation;
  /** W3C trace context of the work it is part of, where it belongs to no chain. */
  readonly traceparent?: string | undefined;
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

/** Ephemeral publications: telemetry, guest output. At most once, nobody waits. */
export interface Publisher {
  publish(subject: string, payload: unknown): void;
}

/** Ephemeral subscriptions: every JSON message on `subject` (wildcards allowed) while somebody listens. */
export interface Subscriber {
  subscribe(subject: string, onMessage: (payload: unknown, subject: string) => void): { stop(): void };
}

export interface Timers {
  after(delayMs: number, callback: () => void): { cancel(): void };
  every(intervalMs: number, callback: () => void): { cancel(): void };
}

/** Structured log: fields first, one sentence after. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface LeaseListener {
  /** From now on this instance acts. Called once for each holding. */
  readonly onHeld: (token: number) => void;
  /** It no longer does; another does or will. Called once for each holding that was not given back. */
  readonly onLost: () => void;
}

/** One contender's standing for one name. */
export interface Lease {
  /**
   * The fencing token while the lease is held *now*, else undefined. To be asked before every act, and to be stored with
   * what it did, so that whoever stores it can refuse what an earlier holder sends late. Each holding's is greater than all
   * before it; positive, at least the epoch milliseconds at its beginning.
   */
  token(): number | undefined;
  /** Somebody refused this holder because of `token`: gives up an older one at once, and contends for a newer. */
  surpass(token: number): void;
  /** Contends no more, and gives back what it holds, so that another takes over without waiting. Never throws. */
  release(): Promise<void>;
}

/** Among all contenders for a name, in all processes, at most one holds it; one that is silent is succeeded in seconds. */
export interface Leases {
  contend(name: string, listener: LeaseListener): Lease;
}

export interface SpanOptions {
  readonly kind: "server" | "client" | "producer" | "internal";
  /** W3C trace context of what asked for this; absent: it begins a trace. */
  readonly traceparent?: string | undefined;
  readonly attributes?: Readonly<Record<string, string | number>>;
}

/** Follows work over all processes that take part in it. */
export interface Tracer {
  /** Does `work`, as one span, with the trace context of that span for whatever it asks of others. */
  span<T>(
    name: string,
    options: SpanOptions,
    work: (traceparent: string | undefined) => Promise<T>,
  ): Promise<T>;
}

/** Follows nothing: trace contexts go through as they came. */
export const UNTRACED: Tracer = { span: (_name, { traceparent }, work) => work(traceparent) };

/** Everything the application layer of a service may touch. */
export interface ServicePorts {
  readonly log: EventLog;
  readonly bus: Caller & Publisher & Subscriber;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly leases: Leases;
  readonly tracer: Tracer;
  /** States of guests. */
  readonly blobs: BlobStore;
}
