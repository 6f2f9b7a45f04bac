/**
 * Loss of telemetry, counted by the numbers that samples carry.
 *
 * A source numbers its samples 1, 2, 3, … and restarts at 1 when it is restarted. A gap in the numbers shows how many
 * samples were lost. If a missing sample arrives a little later, a newer sample has overtaken it, and the loss that was
 * counted for it is taken back. Samples that a silent source would have sent are not counted: the age of its last
 * sample shows the silence.
 */

/**
 * A sample whose number is below the last number by at most this difference was overtaken by newer samples. A larger
 * difference shows that the source was restarted.
 */
const MOST_OVERTAKEN = 5;

export interface SampleCount {
  readonly received: number;
  /** Number of samples that were lost; negative when a sample arrives that was counted as lost. */
  readonly lost: number;
  readonly last: number;
}

/**
 * Returns what the sample `number` adds to the counts of its source, after the sample `last`. `last` is undefined for
 * the first sample that was received at all.
 */
export function countSample(last: number | undefined, number: number): SampleCount {
  if (last === undefined) return { received: 1, lost: 0, last: number };
  if (number > last) return { received: 1, lost: number - last - 1, last: number };
  if (number === last && number > 1) return { received: 0, lost: 0, last };
  if (number > 1 && last - number <= MOST_OVERTAKEN) return { received: 1, lost: -1, last };
  return { received: 1, lost: number - 1, last: number };
}

/**
 * Length of the window for the share of lost samples, s. A shorter window forgets a burst before an operator sees it.
 */
export const LOSS_WINDOW_S = 60;

/** Received and lost samples of one chassis: in total, and in the last {@link LOSS_WINDOW_S} seconds. */
export class LossWindow {
  received = 0;
  lost = 0;
  readonly #seconds = Array.from({ length: LOSS_WINDOW_S }, () => ({ second: -1, received: 0, lost: 0 }));

  add({ received, lost }: SampleCount, nowMs: number): void {
    this.received += received;
    this.lost += lost;
    const second = Math.floor(nowMs / 1_000);
    const slot = this.#seconds[second % LOSS_WINDOW_S];
    if (slot === undefined) return;
    if (slot.second !== second) Object.assign(slot, { second, received: 0, lost: 0 });
    slot.received += received;
    slot.lost += lost;
  }

  /** Returns the lost samples, at least 0: a late sample may take back a loss that this process never counted. */
  get lostTotal(): number {
    return Math.max(0, this.lost);
  }

  view(nowMs: number): { received: number; lost: number; lostPermille: number | null } {
    return { received: this.received, lost: this.lostTotal, lostPermille: this.permille(nowMs) ?? null };
  }

  /** Returns the lost share of the samples sent in the window, permille; undefined if no sample was received then. */
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
