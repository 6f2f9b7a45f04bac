/**
 * The vital signs of this process: how much of the log it has applied, whether it answers, how busy it is. They are
 * published every two seconds and served over HTTP.
 */
import { type ServiceName, type ServiceSample, serviceTelemetrySubject } from "@bioxen/contracts";
import type { EventFeed, ServicePorts, UnreadableMessage } from "@bioxen/kernel";
import { type StoreReport, troublesIn } from "@bioxen/nats";
import type { Vitals } from "./metrics.ts";

/** Interval between two samples, ms. Each sample asks the server for the end of the log. */
const SAMPLE_INTERVAL_MS = 2_000;
/** Interval of the timer that measures delays of the event loop, ms. */
const TICK_MS = 100;
/** Interval between two inspections of the store, ms. One inspection takes about ten requests to the server. */
const INSPECT_INTERVAL_MS = 10_000;
const MICROSECONDS_PER_MS = 1_000;
/** Maximum number of unreadable messages in one answer: enough for an operator to act, and few enough for a probe. */
const MAX_LISTED_UNREADABLE = 20;

export type InspectStore = () => Promise<StoreReport>;

export class ProcessVitals {
  readonly #ports: ServicePorts;
  readonly #service: ServiceName;
  readonly #instance: string;
  readonly #feed: EventFeed;
  /** Sequence up to which unreadable messages were logged. */
  #loggedSeq = 0;
  readonly #inspectStore: InspectStore | undefined;
  readonly #sampled: () => Pick<ServiceSample, "agent">;
  readonly #timers: { cancel(): void }[] = [];
  #serves = false;
  #waiting: string | undefined;
  #lagEvents: number | null = null;
  #samples = 0;
  #longestDelayMs = 0;
  #store: StoreReport | undefined;

  /**
   * `sampled` returns the fields that the service adds to its samples. With `inspectStore`, the samples also name the
   * problems of the store.
   */
  constructor(
    ports: ServicePorts,
    service: ServiceName,
    instance: string,
    feed: EventFeed,
    sampled: () => Pick<ServiceSample, "agent">,
    inspectStore?: InspectStore,
  ) {
    this.#ports = ports;
    this.#service = service;
    this.#instance = instance;
    this.#feed = feed;
    this.#inspectStore = inspectStore;
    this.#sampled = sampled;
  }

  begin(): void {
    let lastTickMs = performance.now();
    let cpu = process.cpuUsage();
    let sampledAtMs = lastTickMs;
    const sample = async () => {
      await this.#measureLag();
      this.#logUnreadable();
      const nowMs = performance.now();
      const used = process.cpuUsage(cpu);
      cpu = process.cpuUsage();
      const busyMs = (used.user + used.system) / MICROSECONDS_PER_MS;
      this.#publish(Math.round((1_000 * busyMs) / Math.max(1, nowMs - sampledAtMs)));
      sampledAtMs = nowMs;
    };
    this.#timers.push(
      this.#ports.timers.every(TICK_MS, () => {
        const nowMs = performance.now();
        this.#longestDelayMs = Math.max(this.#longestDelayMs, nowMs - lastTickMs - TICK_MS);
        lastTickMs = nowMs;
      }),
      this.#ports.timers.every(SAMPLE_INTERVAL_MS, () => void sample()),
      this.#ports.timers.every(INSPECT_INTERVAL_MS, () => void this.#inspect()),
    );
    void this.#measureLag();
    void this.#inspect();
  }

  /** Marks the process as serving. Call this method once the process answers requests. */
  serves(): void {
    this.#serves = true;
  }

  /** Notes the reason why the process does no work yet; undefined when the process does not wait. */
  waits(reason: string | undefined): void {
    this.#waiting = reason;
  }

  end(): void {
    this.#serves = false;
    for (const timer of this.#timers.splice(0)) timer.cancel();
  }

  now(): Vitals {
    const ready = this.#serves && this.#feed.live;
    return { ready, appliedSeq: this.#feed.appliedSeq, lagEvents: this.#lagEvents };
  }

  /** The reason why the process is not ready; undefined when it is. */
  get reason(): string | undefined {
    if (this.#feed.stopReason !== undefined) return this.#feed.stopReason;
    if (!this.#feed.live) return "reading the log";
    if (this.#waiting !== undefined) return this.#waiting;
    return this.#serves ? undefined : "starting or stopping: it answers no requests";
  }

  /** What the last inspection found in the store; undefined without an inspection, or after one that failed. */
  get store(): StoreReport | undefined {
    return this.#store;
  }

  /** The number of messages of the log that this process cannot read, and the first of these messages. */
  get unreadable(): { readonly count: number; readonly first: readonly UnreadableMessage[] } {
    const all = this.#feed.unreadable();
    return { count: all.length, first: all.slice(0, MAX_LISTED_UNREADABLE) };
  }

  /** Logs the unreadable messages that came since the last call. */
  #logUnreadable(): void {
    const fresh = this.#feed.unreadable().filter(({ seq }) => seq > this.#loggedSeq);
    for (const { seq, streamSubject, why } of fresh.slice(0, MAX_LISTED_UNREADABLE)) {
      const fields = { seq, subject: streamSubject };
      this.#ports.logger.error(fields, `event ${seq} on ${streamSubject} cannot be read: ${why}`);
    }
    this.#loggedSeq = fresh.at(-1)?.seq ?? this.#loggedSeq;
  }

  async #measureLag(): Promise<void> {
    try {
      const lastSeq = await this.#ports.log.lastSeq();
      this.#lagEvents = Math.max(0, lastSeq - this.#feed.appliedSeq);
    } catch {
      // The server is unreachable, so the lag is unknown.
      this.#lagEvents = null;
    }
  }

  async #inspect(): Promise<void> {
    // The inspection fails when the server is unreachable, or when this login may not list streams. The state of the
    // store is then unknown.
    this.#store = await this.#inspectStore?.().catch(() => undefined);
  }

  #publish(cpuPermille: number): void {
    this.#samples += 1;
    const { ready, appliedSeq, lagEvents } = this.now();
    const sample: ServiceSample = {
      service: this.#service,
      instance: this.#instance,
      atMs: this.#ports.clock.nowMs(),
      sampleNumber: this.#samples,
      appliedSeq,
      lagEvents,
      ready,
      ...(this.#waiting === undefined ? {} : { waiting: this.#waiting }),
      ...this.#sampled(),
      eventLoopLagMs: Math.max(0, Math.round(this.#longestDelayMs)),
      cpuPermille,
      residentBytes: process.memoryUsage.rss(),
      unreadable: this.#feed.unreadable().length,
      ...(this.#store === undefined ? {} : { store: troublesIn(this.#store) }),
    };
    this.#longestDelayMs = 0;
    this.#ports.bus.publish(serviceTelemetrySubject(this.#service), sample);
  }
}
