/**
 * Follows a pool without a gap: fetches everything once, then receives changes as events.
 *
 * A token of XAPI marks a position in the stream of events. The loop takes a token before it fetches, so that a change
 * during the fetch arrives again instead of being lost. XAPI merges events: an event has the latest state of an object,
 * not each transition. When events are lost, the token is invalid or the session is new, the loop fetches everything
 * again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Backoff, backoffDelayMs } from "@bioxen/kernel";
import type { XapiClient } from "./client.ts";
import type { XapiEvent } from "./wire.ts";

export interface EventLoopOptions {
  readonly client: XapiClient;
  /** Classes to subscribe to, in the datamodel's spelling: `VM`, `task`. */
  readonly classes: readonly string[];
  /** Fetches every object of the pool. The loop calls it again after a failure. */
  readonly resync: () => Promise<void>;
  readonly onEvents: (events: readonly XapiEvent[]) => void;
  /** Called with the error when a failure begins or another error replaces it, and with undefined after recovery. */
  readonly onTrouble: (thrown: unknown) => void;
  /** How long the server may wait for an event before it answers, s. Default 30.1. */
  readonly silenceSeconds?: number | undefined;
}

/**
 * Default wait of the server, s: half of the usual 60 s timeout of a proxy. The number has a fraction, because XML-RPC
 * servers recognise a float by its decimal point.
 */
const DEFAULT_SILENCE_SECONDS = 30.1;
/**
 * Time that the server's answer may take after the server has waited for an event, ms. The deadline of the call is the
 * server's wait plus this margin.
 */
const ANSWER_MARGIN_MS = 15_000;
/** Delays between attempts to reach a failing pool. */
const RETRY_BACKOFF: Backoff = { firstMs: 100, ceilingMs: 5_000 };

export class EventLoop {
  readonly #options: EventLoopOptions;
  readonly #abort = new AbortController();
  #token: string | undefined;
  #session = 0;
  #failures = 0;
  #ready = Promise.withResolvers<void>();
  #isReady = false;
  #lastFailure: unknown;
  #ended: Promise<void> | undefined;

  constructor(options: EventLoopOptions) {
    this.#options = options;
    // Without this handler, a rejection would count as unhandled when no caller waits.
    this.#ready.promise.catch(() => undefined);
  }

  start(): void {
    this.#ended ??= this.#run();
  }

  /** Resolves once every object of the pool has been fetched. Rejects with the error if that fetch fails. */
  whenReady(): Promise<void> {
    return this.#ready.promise;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        await this.#step();
        this.#failures = 0;
      } catch (thrown) {
        if (this.#abort.signal.aborted) break;
        await this.#recover(thrown);
      }
    }
    this.#ready.reject(new Error("the event loop has ended"));
  }

  async #step(): Promise<void> {
    const { client, classes, resync, onEvents } = this.#options;
    if (this.#token === undefined || this.#session !== client.sessionNumber) {
      const pools = await client.call("pool.get_all_records", []);
      const [pool = ""] = Object.keys(pools);
      this.#session = client.sessionNumber;
      this.#token = await client.call("event.inject", ["pool", pool]);
      await resync();
      this.#isReady = true;
      if (this.#lastFailure !== undefined) this.#options.onTrouble(undefined);
      this.#lastFailure = undefined;
      this.#ready.resolve();
    }
    const seconds = this.#options.silenceSeconds ?? DEFAULT_SILENCE_SECONDS;
    const batch = await client.call("event.from", [classes, this.#token, seconds], {
      timeoutMs: seconds * 1000 + ANSWER_MARGIN_MS,
      signal: this.#abort.signal,
      isUnthrottled: true,
    });
    // The client may have logged in again during `event.from`; the token then belongs to the old session.
    if (this.#session !== client.sessionNumber) {
      this.#token = undefined;
      return;
    }
    this.#token = batch.token;
    if (batch.events.length > 0) onEvents(batch.events);
  }

  async #recover(thrown: unknown): Promise<void> {
    this.#token = undefined;
    this.#isReady = false;
    this.#ready.reject(thrown);
    this.#ready = Promise.withResolvers<void>();
    this.#ready.promise.catch(() => undefined);
    if (String(this.#lastFailure) !== String(thrown)) this.#options.onTrouble(thrown);
    this.#lastFailure = thrown;
    this.#failures += 1;
    const waitMs = backoffDelayMs(RETRY_BACKOFF, this.#failures);
    // An abort ends the wait and then the loop.
    await sleep(waitMs, undefined, { signal: this.#abort.signal }).catch(() => undefined);
  }
}
