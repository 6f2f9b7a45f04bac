/**
 * How this process is: what it has applied of the log, whether it answers, how busy it is. Published once in two seconds, and answered
 * over HTTP.
 */
import { type ServiceName, type ServiceSample, serviceTelemetrySubject } from "@bioxen/contracts";
import type { EventFeed, ServicePorts } from "@bioxen/kernel";
import type { Vitals } from "./metrics.ts";

/** Between two looks, ms: each asks the server for the end of the log. */
const LOOK_INTERVAL_MS = 2_000;
/** How often the event loop is timed, ms. */
const BEAT_MS = 100;
const MICROSECONDS_PER_MS = 1_000;

export class ProcessVitals {
  readonly #ports: ServicePorts;
  readonly #service: ServiceName;
  readonly #instance: string;
  readonly #feed: EventFeed;
  readonly #timers: { cancel(): void }[] = [];
  #serves = false;
  #lagEvents: number | null = null;
  #samples = 0;
  #longestHoldUpMs = 0;

  constructor(ports: ServicePorts, service: ServiceName, instance: string, feed: EventFeed) {
    this.#ports = ports;
    this.#service = service;
    this.#instance = instance;
    this.#feed = feed;
  }

  begin(): void {
    let lastBeatMs = performance.now();
    let cpu = process.cpuUsage();
    let lookedAtMs = lastBeatMs;
    const look = async () => {
      await this.#measureLag();
      const nowMs = performance.now();
      const used = process.cpuUsage(cpu);
      cpu = process.cpuUsage();
      const busyMs = (used.user + used.system) / MICROSECONDS_PER_MS;
      this.#publish(Math.round((1_000 * busyMs) / Math.max(1, nowMs - lookedAtMs)));
      lookedAtMs = nowMs;
    };
    this.#timers.push(
      this.#ports.timers.every(BEAT_MS, () => {
        const nowMs = performance.now();
        this.#longestHoldUpMs = Math.max(this.#longestHoldUpMs, nowMs - lastBeatMs - BEAT_MS);
        lastBeatMs = nowMs;
      }),
      this.#ports.timers.every(LOOK_INTERVAL_MS, () => void look()),
    );
    void this.#measureLag();
  }

  /** From now on it answers requests. */
  serves(): void {
    this.#serves = true;
  }

  end(): void {
    this.#serves = false;
    for (const timer of this.#timers.splice(0)) timer.cancel();
  }

  now(): Vitals {
    const ready = this.#serves && this.#feed.live;
    return { ready, appliedSeq: this.#feed.appliedSeq, lagEvents: this.#lagEvents };
  }

  /** Why it is not ready, in words; undefined: it is. */
  get reason(): string | undefined {
    if (this.#feed.stopReason !== undefined) return this.#feed.stopReason;
    if (!this.#feed.live) return "it reads the log";
    return this.#serves ? undefined : "it does not answer requests yet, or no more";
  }

  async #measureLag(): Promise<void> {
    try {
      const lastSeq = await this.#ports.log.lastSeq();
      this.#lagEvents = Math.max(0, lastSeq - this.#feed.appliedSeq);
    } catch {
      // The server is away: nobody knows.
      this.#lagEvents = null;
    }
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
      eventLoopLagMs: Math.max(0, Math.round(this.#longestHoldUpMs)),
      cpuPermille,
      residentBytes: process.memoryUsage.rss(),
    };
    this.#longestHoldUpMs = 0;
    this.#ports.bus.publish(serviceTelemetrySubject(this.#service), sample);
  }
}
