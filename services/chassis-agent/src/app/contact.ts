/**
 * This agent's contact with the log: a question each second, and what follows when none is answered (`domain/self-fence.ts`).
 */
import type { EventFeed, ServicePorts } from "@bioxen/kernel";
import { type Contact, latestOf, mustHold } from "../domain/self-fence.ts";

/** How often it is looked whether guests must be held, ms. */
const LOOK_INTERVAL_MS = 100;
/** Answers that wait until the log has been read so far: more are older than what would still count. */
const MAX_ANSWERS = 32;

export class LogContact {
  readonly #ports: ServicePorts;
  readonly #monotonicMs: () => number;
  readonly #lostAfterMs: number;
  #timer: { cancel(): void } | undefined;
  #look: () => void = () => undefined;
  #contact: Contact = { sentAtMs: 0, lastSeq: 0 };
  #answers: Contact[] = [];
  #held = false;

  constructor(ports: ServicePorts, monotonicMs: () => number, lostAfterMs: number) {
    this.#ports = ports;
    this.#monotonicMs = monotonicMs;
    this.#lostAfterMs = lostAfterMs;
  }

  /** `onChange`: guests are to be held from now on, or no longer. The feed has just caught up. */
  begin(feed: EventFeed, onChange: (held: boolean) => void): void {
    this.#contact = { sentAtMs: this.#monotonicMs(), lastSeq: feed.appliedSeq };
    this.#look = () => {
      this.#contact = latestOf(this.#contact, this.#answers, feed.appliedSeq);
      this.#answers = this.#answers.filter(({ sentAtMs }) => sentAtMs > this.#contact.sentAtMs);
      const held = this.isHolding();
      if (held === this.#held) return;
      this.#held = held;
      const silentMs = Math.round(this.#monotonicMs() - this.#contact.sentAtMs);
      if (held) this.#ports.logger.warn({ silentMs }, "the log is out of reach: every guest is held");
      else this.#ports.logger.info({}, "the log is in reach again: what is still ours goes on");
      onChange(held);
    };
    feed.onEvent(this.#look);
    this.#timer = this.#ports.timers.every(LOOK_INTERVAL_MS, this.#look);
  }

  end(): void {
    this.#timer?.cancel();
  }

  /** Asked before every step of simulated time, so that a process that slept past its time does not run a guest on. */
  isHolding(): boolean {
    return mustHold(this.#contact, this.#monotonicMs(), this.#lostAfterMs);
  }

  /** To be called right after a heartbeat was sent: see `self-fence.ts`. */
  ask(): void {
    const sentAtMs = this.#monotonicMs();
    this.#ports.log.lastSeq().then(
      (lastSeq) => {
        this.#answers.push({ sentAtMs, lastSeq });
        if (this.#answers.length > MAX_ANSWERS) this.#answers.shift();
        this.#look();
      },
      (thrown: unknown) => this.#ports.logger.debug({ err: thrown }, "the log did not answer"),
    );
  }
}
