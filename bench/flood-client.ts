/**
 * Client B of the benchmark of back-pressure: during the flood it reads a VM, and creates, starts and destroys others.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Calls } from "@bioxen/client";
import { callEndpoint, ENDPOINTS } from "@bioxen/contracts";
import type { Bus } from "@bioxen/nats";

/** Deadline of each call, ms. */
export const CALL_TIMEOUT_MS = 10_000;
/** Interval of the reads, ms: 500 in 10 s, so that the p99 is not the slowest one. */
const GET_INTERVAL_MS = 20;
const STATE_INTERVAL_MS = 100;
const LIFE_INTERVAL_MS = 1_000;
/** Longest duration of a read that counts as normal, that is, as fast as before the flood, ms. */
const NORMAL_GET_MS = 50;
/** Number of normal reads in a row after which the services have recovered. */
const NORMAL_GETS = 5;

/** The client that sends its usual requests while another client floods the service. */
export class ClientB {
  readonly #bus: Bus;
  readonly #calls: Calls;
  #gets: number[] = [];
  #number = 0;
  /** Time from the creation to the destruction of each VM, ms. */
  lives: number[] = [];
  failed: string[] = [];

  constructor(bus: Bus) {
    this.#bus = bus;
    this.#calls = new Calls(bus, { timeoutMs: CALL_TIMEOUT_MS });
  }

  reset(): void {
    this.#gets = [];
    this.lives = [];
    this.failed = [];
  }

  percentile(share: number): number {
    return percentileOf(this.#gets, share);
  }

  /** Creates a VM and starts it; resolves when the VM runs. */
  async begin(vmId: string): Promise<void> {
    await this.#calls.ask("vmCreate", { vmId, biologicalType: "syn3a", resources: { ribosomes: 100 } });
    await this.#calls.ask("vmStart", { vmId });
    const deadline = performance.now() + CALL_TIMEOUT_MS;
    for (;;) {
      const { vm } = await this.#calls.ask("vmGet", { vmId });
      if (vm.state === "running") return;
      if (performance.now() > deadline) throw new Error(`${vmId} is ${vm.state}`);
      await sleep(STATE_INTERVAL_MS);
    }
  }

  async life(vmId: string): Promise<void> {
    await this.begin(vmId);
    await this.#calls.ask("vmDestroy", { vmId });
  }

  /**
   * Sends the client's usual requests for `ms`. Resolves when every VM that this client created has been destroyed or
   * has failed.
   */
  async work(ms: number): Promise<void> {
    const lives: Promise<void>[] = [];
    const until = performance.now() + ms;
    let nextLifeMs = performance.now();
    while (performance.now() < until) {
      if (performance.now() >= nextLifeMs) {
        nextLifeMs += LIFE_INTERVAL_MS;
        lives.push(this.#countedLife());
      }
      void this.get();
      await sleep(GET_INTERVAL_MS);
    }
    await Promise.all(lives);
  }

  async get(): Promise<number> {
    const startedAt = performance.now();
    const options = { timeoutMs: CALL_TIMEOUT_MS };
    const reply = await callEndpoint(this.#bus, ENDPOINTS.vmGet, { vmId: "flooded" }, options).catch(
      () => undefined,
    );
    const tookMs = reply?.ok === true ? performance.now() - startedAt : CALL_TIMEOUT_MS;
    this.#gets.push(tookMs);
    return tookMs;
  }

  /** Resolves with the time from the end of the flood until reads are as fast as before, ms. */
  async recovered(endedAtMs: () => number): Promise<number> {
    const kept = [...this.#gets];
    for (let normal = 0; normal < NORMAL_GETS; ) {
      const isNormal = (await this.get()) <= NORMAL_GET_MS && !Number.isNaN(endedAtMs());
      normal = isNormal ? normal + 1 : 0;
    }
    this.#gets = kept;
    return Date.now() - endedAtMs();
  }

  async #countedLife(): Promise<void> {
    this.#number += 1;
    const startedAt = performance.now();
    try {
      await this.life(`b-${this.#number}`);
      this.lives.push(performance.now() - startedAt);
    } catch (thrown) {
      this.failed.push(String(thrown));
    }
  }
}

/** Returns the smallest value that is at least as large as this share of the values (nearest rank). */
export function percentileOf(values: readonly number[], share: number): number {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
