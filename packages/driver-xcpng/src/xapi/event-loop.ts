/**
 * Keeps up with a pool: what it holds, then what changes, without a gap.
 *
 * The token is taken before the first fetch, so that a change during the fetch is told again rather than lost. XAPI
 * merges deltas: what arrives is the latest state of an object, not each of its transitions. When events were lost, the
 * token is not understood, or the session is another one, everything is fetched anew.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Backoff, backoffDelayMs } from "@bioxen/kernel";
import type { XapiClient } from "./client.ts";
import type { XapiEvent } from "./wire.ts";

export interface EventLoopOptions {
  readonly client: XapiClient;
  /** As the datamodel writes them: `VM`, `task`. */
  readonly classes: readonly string[];
  /** Fetches everything; what it throws is tried again. */
  readonly resync: () => Promise<void>;
  readonly onEvents: (events: readonly XapiEvent[]) => void;
  /** Trouble, each time it changes in kind; undefined: it is over. */
  readonly onTrouble: (thrown: unknown) => void;
  /** Longest silence the server may keep, s. */
  readonly silenceSeconds?: number | undefined;
}

/** Half of what proxies in between cut. Not whole: XML-RPC servers tell a float from an integer by the point. */
const DEFAULT_SILENCE_SECONDS = 30.1;
/** Beyond the silence, for the answer itself, ms. */
const ANSWER_MARGIN_MS = 15_000;
/** Waits between the tries to reach a pool that fails. */
const RETRY_BACKOFF: Backoff = { firstMs: 100, ceilingMs: 5_000 };

export class EventLoop {
  readonly #options: EventLoopOptions;
  readonly #abort = new AbortController();
  #token: string | undefined;
  #session = 0;
  #failures = 0;
  #ready = Promise.withResolvers<void>();
  #isReady = false;
  #lastTrouble: unknown;
  #ended: Promise<void> | undefined;

  constructor(options: EventLoopOptions) {
    this.#options = options;
    // Nobody may be asking.
    this.#ready.promise.catch(() => undefined);
  }

  start(): void {
    this.#ended ??= this.#run();
  }

  /** Resolves once everything has been fetched; rejects with the trouble when the next attempt fails. */
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
        await this.#trouble(thrown);
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
      if (this.#lastTrouble !== undefined) this.#options.onTrouble(undefined);
      this.#lastTrouble = undefined;
      this.#ready.resolve();
    }
    const seconds = this.#options.silenceSeconds ?? DEFAULT_SILENCE_SECONDS;
    const batch = await client.call("event.from", [classes, this.#token, seconds], {
      timeoutMs: seconds * 1000 + ANSWER_MARGIN_MS,
      signal: this.#abort.signal,
      waits: true,
    });
    // Another session may have been made by this very call: its token is of the old one.
    if (this.#session !== client.sessionNumber) {
      this.#token = undefined;
      return;
    }
    this.#token = batch.token;
    if (batch.events.length > 0) onEvents(batch.events);
  }

  async #trouble(thrown: unknown): Promise<void> {
    this.#token = undefined;
    this.#isReady = false;
    this.#ready.reject(thrown);
    this.#ready = Promise.withResolvers<void>();
    this.#ready.promise.catch(() => undefined);
    if (String(this.#lastTrouble) !== String(thrown)) this.#options.onTrouble(thrown);
    this.#lastTrouble = thrown;
    this.#failures += 1;
    const waitMs = backoffDelayMs(RETRY_BACKOFF, this.#failures);
    // An abort ends the wait, and with it the loop.
    await sleep(waitMs, undefined, { signal: this.#abort.signal }).catch(() => undefined);
  }
}
