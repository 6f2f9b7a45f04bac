/**
 * Takes over new credentials while the gateway runs, as renewed-inbox.ts does for services: `bioxen auth rotate` replaces
 * the file of the credentials, and the server accepts both keys for a while.
 *
 * The connection is made again at a moment when no request is under way, because an answer that arrives meanwhile is lost.
 * Requests that come in then wait for the connection. A program in a guest can run for longer than the gateway waits:
 * its answer is lost, and the caller gets TIMEOUT.
 *
 * New credentials that the server refuses change nothing: the gateway goes on with its connection, and tries again.
 */
import { type Logger, messageOf, type Timers } from "@bioxen/kernel";
import type { Bus } from "@bioxen/nats";

/** Interval at which the file of the credentials is read, ms. */
const LOOK_INTERVAL_MS = 1_000;
/** Wait after a refused login, ms. */
const RETRY_WAIT_MS = 5_000;
/** Longest wait for the requests under way, ms. Others wait for as long, and a caller waits for 10 s. */
const QUIET_MS = 3_000;
/** Longest wait for the connection that is made again, ms. The client goes on trying after it. */
const RECONNECT_MS = 5_000;

export interface RenewedConnectionOptions {
  readonly bus: Pick<Bus, "connected" | "hasNewCredentials" | "reconnect">;
  /** Logs in with the credentials as they are now, on a connection of its own. Rejects when the server refuses them. */
  readonly tryLogin: () => Promise<void>;
  readonly logger: Logger;
  readonly timers: Timers;
}

export class RenewedConnection {
  readonly #options: RenewedConnectionOptions;
  readonly #looking: { cancel(): void };
  #isBusy = false;
  #underWay = 0;
  #whenQuiet: (() => void) | undefined;
  /** Present while the connection is made again. */
  #renewal: Promise<void> | undefined;

  constructor(options: RenewedConnectionOptions) {
    this.#options = options;
    this.#looking = options.timers.every(LOOK_INTERVAL_MS, () => this.#look());
  }

  /** Carries out a request on the connection, after a renewal that is under way. */
  async during<T>(request: () => Promise<T>): Promise<T> {
    await this.#renewal;
    this.#underWay += 1;
    try {
      return await request();
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#whenQuiet?.();
    }
  }

  stop(): void {
    this.#looking.cancel();
  }

  #look(): void {
    const { bus, tryLogin, logger, timers } = this.#options;
    if (this.#isBusy || !bus.connected || !bus.hasNewCredentials) return;
    this.#isBusy = true;
    const goOn = () => {
      this.#renewal = undefined;
      this.#isBusy = false;
    };
    tryLogin()
      .then(() => {
        const renewal = this.#renew();
        // Requests wait for its end only: one after a failed renewal goes on as its connection allows.
        this.#renewal = renewal.catch(() => undefined);
        return renewal;
      })
      .then(goOn, (thrown: unknown) => {
        logger.warn({}, `cannot use the new credentials yet: ${messageOf(thrown)}`);
        timers.after(RETRY_WAIT_MS, goOn);
      });
  }

  async #renew(): Promise<void> {
    const { bus, logger, timers } = this.#options;
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        const deadline = timers.after(QUIET_MS, resolve);
        this.#whenQuiet = () => {
          deadline.cancel();
          resolve();
        };
      });
      this.#whenQuiet = undefined;
    }
    await bus.reconnect(RECONNECT_MS);
    logger.info({}, "the connection uses the new credentials");
  }
}
