/**
 * How an instance of an older release behaves in a rolling upgrade. Once the log has an event that only the newer
 * release can read, the older instance leaves all requests to an instance of the newer release.
 *
 * An instance that cannot read an event must not answer for the event's aggregate while a newer instance can answer.
 * When no newer instance runs, the older instance serves all other aggregates, which is better than no answer at all.
 */
import type { EventFeed, Timers } from "@bioxen/kernel";
import type { ServiceInstance } from "@bioxen/nats";

/** Interval between two looks for a newer instance, ms: a newer instance that dies is noticed within some seconds. */
const LOOK_INTERVAL_MS = 1_000;
/**
 * A waiting instance serves again after this number of looks in a row have found no newer instance. A single look can
 * miss an instance that is busy.
 */
const LOOKS_UNTIL_ALONE = 3;

export interface StandByOptions {
  readonly name: string;
  /** The release of this process. */
  readonly version: string;
  readonly feed: Pick<EventFeed, "unreadable" | "onUnreadable">;
  readonly timers: Timers;
  /** Returns the running instances of all services. */
  readonly discover: () => Promise<readonly ServiceInstance[]>;
}

export class StandBy {
  readonly #options: StandByOptions;

  constructor(options: StandByOptions) {
    this.#options = options;
  }

  /**
   * Resolves at once when this process can read the whole log, or when no newer instance serves. Otherwise waits, and
   * resolves when the last newer instance has stopped. `onWait` is called with each new reason to wait.
   */
  async admitted(onWait: (reason: string) => void): Promise<void> {
    let reason: string | undefined;
    for (let missed = 0; ; missed += 1) {
      const now = await this.#reason();
      if (now === undefined && (reason === undefined || missed >= LOOKS_UNTIL_ALONE)) return;
      if (now !== undefined) {
        missed = 0;
        if (now !== reason) onWait(now);
        reason = now;
      }
      await this.#pause();
    }
  }

  /**
   * Resolves with the reason once this process must stop serving, because a newer instance serves and the log has an
   * event that only that instance can read. Reading this property starts the watch.
   */
  get mustEnd(): Promise<string> {
    return this.#watch();
  }

  async #watch(): Promise<string> {
    let wake = () => {};
    this.#options.feed.onUnreadable(() => wake());
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const reason = await this.#reason();
      if (reason !== undefined) return reason;
      const isBlocked = this.#newerSeq() !== undefined;
      await (isBlocked ? Promise.race([woken, this.#pause()]) : woken);
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#options.timers.after(LOOK_INTERVAL_MS, resolve));
  }

  async #reason(): Promise<string | undefined> {
    const seq = this.#newerSeq();
    if (seq === undefined) return undefined;
    const { name, version, discover } = this.#options;
    const newer = (await discover()).find(
      (one) => one.name === name && one.waiting === null && isNewer(one.version, version),
    );
    return newer === undefined
      ? undefined
      : `event ${seq} was written by a newer BioXen, and version ${newer.version} of ${name} serves: this is ${version}`;
  }

  #newerSeq(): number | undefined {
    return this.#options.feed.unreadable().find(({ isNewer: fromNewer }) => fromNewer)?.seq;
  }
}

/** Returns true when version `a` is newer than `b`; both are `major.minor.patch`, and a suffix does not count. */
export function isNewer(a: string, b: string): boolean {
  const [left, right] = [a, b].map((version) => version.split(/[.+-]/).slice(0, 3).map(Number));
  for (let i = 0; i < 3; i += 1) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
