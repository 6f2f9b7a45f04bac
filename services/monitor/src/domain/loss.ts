/**
 * Telemetry that never arrived, counted by the numbers samples carry.
 *
 * A source counts 1, 2, 3 …, and begins again at 1 when it is started again. A number that skips some says how many
 * were lost; one that comes a little late was overtaken, and takes back the loss that was counted for it. What a silent
 * source would have sent is nobody's to count: its age says it.
 */

/** A number lower than the last by at most this was overtaken on its way; by more, its source was started again. */
const MOST_OVERTAKEN = 5;

export interface Heard {
  readonly received: number;
  /** May be negative: what was counted as lost came after all. */
  readonly lost: number;
  readonly last: number;
}

/** What the sample `number` says after the source's sample `last`; undefined: it is the first that was ever heard. */
export function heardNext(last: number | undefined, number: number): Heard {
  if (last === undefined) return { received: 1, lost: 0, last: number };
  if (number > last) return { received: 1, lost: number - last - 1, last: number };
  if (number === last && number > 1) return { received: 0, lost: 0, last };
  if (number > 1 && last - number <= MOST_OVERTAKEN) return { received: 1, lost: -1, last };
  return { received: 1, lost: number - 1, last: number };
}

/** Seconds a loss is remembered for its share: shorter forgets a burst before it is seen. */
export const LOSS_WINDOW_S = 60;

/** Received and lost of one chassis: all, and in the last {@link LOSS_WINDOW_S} seconds. */
export class LossWindow {
  received = 0;
  lost = 0;
  readonly #seconds = Array.from({ length: LOSS_WINDOW_S }, () => ({ second: -1, received: 0, lost: 0 }));

  add({ received, lost }: Heard, nowMs: number): void {
    this.received += received;
    this.lost += lost;
    const second = Math.floor(nowMs / 1_000);
    const slot = this.#seconds[second % LOSS_WINDOW_S];
    if (slot === undefined) return;
    if (slot.second !== second) Object.assign(slot, { second, received: 0, lost: 0 });
    slot.received += received;
    slot.lost += lost;
  }

  /** A late sample may take back a loss that was never counted here: no less than none. */
  get lostForGood(): number {
    return Math.max(0, this.lost);
  }

  view(nowMs: number): { received: number; lost: number; lostPermille: number | null } {
    return { received: this.received, lost: this.lostForGood, lostPermille: this.permille(nowMs) ?? null };
  }

  /** Thousandths lost of what was sent in the window, rounded; undefined when nothing was heard in it. */
  permille(nowMs: number): number | undefined {
    const oldest = Math.floor(nowMs / 1_000) - LOSS_WINDOW_S;
    let [received, lost] = [0, 0];
    for (const slot of this.#seconds) {
      if (slot.second <= oldest) continue;
      received += slot.received;
      lost += slot.lost;
    }
    const sent = received + Math.max(0, lost);
    return sent === 0 ? undefined : Math.round((1_000 * Math.max(0, lost)) / sent);
  }
}
