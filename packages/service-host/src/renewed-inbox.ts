/**
 * Takes over new credentials while the service runs: an operator replaces the file of the credentials, and has the server
 * accept the new key beside the former one for a while.
 *
 * A second inbox is opened with the new credentials, on connections of its own, before the first one leaves the queue
 * groups: at every time, an inbox receives requests. Then the connection of the service itself is made again, at a moment
 * when no command waits for the log or another service. A program in a guest goes on meanwhile, because it may take a minute.
 *
 * New credentials that the server refuses change nothing: the service goes on with its connections, and tries again.
 */
import { type Logger, messageOf, type Timers } from "@bioxen/kernel";
import type { Bus, Inbox, InboxLoad } from "@bioxen/nats";

/** Interval at which the file of the credentials is read, ms. */
const LOOK_INTERVAL_MS = 1_000;
/** Wait after a failed renewal, ms. */
const RETRY_WAIT_MS = 5_000;
/** Longest wait for the connection that is made again, ms. The client goes on trying after it. */
const RECONNECT_MS = 10_000;

export interface RenewedInboxOptions {
  readonly bus: Pick<Bus, "connected" | "hasNewCredentials" | "reconnect">;
  /** Opens an inbox with the credentials as they are now. */
  readonly open: () => Promise<Inbox>;
  readonly logger: Logger;
  readonly timers: Timers;
}

export class RenewedInbox {
  readonly #options: RenewedInboxOptions;
  /** The inbox that receives requests. */
  #current: Inbox;
  /** Former inboxes in which programs are under way. */
  readonly #leaving = new Set<Inbox>();
  readonly #looking: { cancel(): void };
  #isBusy = false;

  private constructor(options: RenewedInboxOptions, first: Inbox) {
    this.#options = options;
    this.#current = first;
    this.#looking = options.timers.every(LOOK_INTERVAL_MS, () => this.#look());
  }

  static async open(options: RenewedInboxOptions): Promise<RenewedInbox> {
    return new RenewedInbox(options, await options.open());
  }

  load(): InboxLoad {
    return this.#current.load();
  }

  async stop(): Promise<void> {
    this.#looking.cancel();
    await Promise.all([this.#current, ...this.#leaving].map((inbox) => inbox.stop()));
  }

  #look(): void {
    const { bus, logger, timers } = this.#options;
    if (this.#isBusy || !bus.connected || !bus.hasNewCredentials) return;
    this.#isBusy = true;
    const goOn = () => {
      this.#isBusy = false;
    };
    this.#renew().then(goOn, (thrown: unknown) => {
      logger.warn({}, `cannot use the new credentials yet: ${messageOf(thrown)}`);
      timers.after(RETRY_WAIT_MS, goOn);
    });
  }

  async #renew(): Promise<void> {
    const { bus, open, logger } = this.#options;
    const former = this.#current;
    this.#current = await open();
    this.#leaving.add(former);
    // Its connections may have been cut meanwhile. The next inbox receives requests, so the renewal goes on.
    const cut = (thrown: unknown) => logger.warn({}, `the former inbox ended early: ${messageOf(thrown)}`);
    await former.leave().catch(cut);
    await this.#current.quietly(() => bus.reconnect(RECONNECT_MS));
    logger.info({}, "the connections use the new credentials");
    void former
      .stop()
      .catch(cut)
      .finally(() => this.#leaving.delete(former));
  }
}
