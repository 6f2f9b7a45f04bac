/**
 * Watches this agent's contact with the log by one query per second. After a time without an answer, the agent must
 * hold (pause) its guests (`domain/self-fence.ts`). It must also hold them while its claim has lapsed (`claim.ts`).
 */
import type { EventFeed, ServicePorts } from "@bioxen/kernel";
import { type Contact, latestOf, mustHold } from "../domain/self-fence.ts";
import type { AgentClaim } from "./claim.ts";

/** Interval at which the agent checks whether guests must be held, ms. */
const CHECK_INTERVAL_MS = 100;
/**
 * Maximum number of stored answers. An answer is stored until the agent has applied the log up to the answer's
 * sequence; older answers no longer matter.
 */
const MAX_ANSWERS = 32;

export class LogContact {
  readonly #ports: ServicePorts;
  readonly #monotonicMs: () => number;
  readonly #lostAfterMs: number;
  readonly #claim: Pick<AgentClaim, "isHeld">;
  #timer: { cancel(): void } | undefined;
  #check: () => void = () => undefined;
  #contact: Contact = { sentAtMs: 0, lastSeq: 0 };
  #answers: Contact[] = [];
  #held = false;

  constructor(
    ports: ServicePorts,
    monotonicMs: () => number,
    lostAfterMs: number,
    claim: Pick<AgentClaim, "isHeld">,
  ) {
    this.#ports = ports;
    this.#monotonicMs = monotonicMs;
    this.#lostAfterMs = lostAfterMs;
    this.#claim = claim;
  }

  /**
   * Starts watching. The feed must have caught up. `onChange` is called with true when guests must be held, and with
   * false when they may run again.
   */
  begin(feed: EventFeed, onChange: (held: boolean) => void): void {
    this.#contact = { sentAtMs: this.#monotonicMs(), lastSeq: feed.appliedSeq };
    this.#check = () => {
      this.#contact = latestOf(this.#contact, this.#answers, feed.appliedSeq);
      this.#answers = this.#answers.filter(({ sentAtMs }) => sentAtMs > this.#contact.sentAtMs);
      const held = this.isHolding();
      if (held === this.#held) return;
      this.#held = held;
      const silentMs = Math.round(this.#monotonicMs() - this.#contact.sentAtMs);
      const why = this.#claim.isHeld() ? "the log is unreachable" : "the claim on the agent was not renewed";
      if (held) this.#ports.logger.warn({ silentMs }, `${why}: every guest is paused`);
      else this.#ports.logger.info({}, "log and claim are in reach again: guests of this agent resume");
      onChange(held);
    };
    feed.onEvent(this.#check);
    this.#timer = this.#ports.timers.every(CHECK_INTERVAL_MS, this.#check);
  }

  end(): void {
    this.#timer?.cancel();
  }

  /**
   * Returns true while guests must be held. Checked before each step of simulated time, so that no guest runs on after
   * this process has slept for long.
   */
  isHolding(): boolean {
    return !this.#claim.isHeld() || mustHold(this.#contact, this.#monotonicMs(), this.#lostAfterMs);
  }

  /**
   * Asks the log for its last sequence. Call it right after a heartbeat, on the same connection: see `self-fence.ts`.
   */
  ask(): void {
    const sentAtMs = this.#monotonicMs();
    this.#ports.log.lastSeq().then(
      (lastSeq) => {
        this.#answers.push({ sentAtMs, lastSeq });
        if (this.#answers.length > MAX_ANSWERS) this.#answers.shift();
        this.#check();
      },
      (thrown: unknown) => this.#ports.logger.debug({ err: thrown }, "the log did not answer"),
    );
  }
}
