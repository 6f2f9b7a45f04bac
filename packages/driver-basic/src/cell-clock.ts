/**
 * Lets simulated time pass for many cells without holding up the event loop.
 *
 * Each tick every running cell is owed the minutes that passed; whole quanta are then lived in turn, one cell after the
 * other, until nothing is owed or the tick's budget is spent. The next tick goes on where this one stopped, so a host
 * that is too slow is too slow for all cells alike. What stays owed is the lag. Beyond a bound it is dropped, and
 * simulated time is behind the host's for good: better than a storm of work after every stall.
 */
import { QUANTUM_MINUTES } from "@bioxen/cell-models";
import { MAX_LAG_MS, TICK_BUDGET_MS } from "./limits.ts";

export interface Clocked {
  /** Simulated minutes the host owes it. */
  owedMinutes: number;
  /** Whether time passes for it. */
  isRunning(): boolean;
  /** Lives one quantum. It may stop running by it. */
  liveQuantum(): void;
}

export class CellClock {
  readonly #minutesPerMs: number;
  readonly #now: () => number;
  #next = 0;

  constructor(timeScaleMinutesPerSecond: number, now: () => number) {
    this.#minutesPerMs = timeScaleMinutesPerSecond / 1000;
    this.#now = now;
  }

  /** Advances the cells by `elapsedMs` of host time, as far as the budget goes. */
  tick(cells: readonly Clocked[], elapsedMs: number): void {
    const most = Math.max(MAX_LAG_MS * this.#minutesPerMs, QUANTUM_MINUTES);
    for (const cell of cells) {
      if (!cell.isRunning()) continue;
      cell.owedMinutes = Math.min(cell.owedMinutes + elapsedMs * this.#minutesPerMs, most);
    }
    const endMs = this.#now() + TICK_BUDGET_MS;
    let idle = 0;
    while (idle < cells.length) {
      const cell = cells[this.#next % cells.length];
      this.#next = (this.#next + 1) % cells.length;
      if (cell?.isRunning() !== true || cell.owedMinutes < QUANTUM_MINUTES) {
        idle += 1;
        continue;
      }
      idle = 0;
      cell.owedMinutes -= QUANTUM_MINUTES;
      cell.liveQuantum();
      if (this.#now() >= endMs) return;
    }
  }

  /** Host time in which what is owed in whole quanta would have passed, ms. */
  lagMs(cell: Clocked): number {
    const quanta = Math.floor(cell.owedMinutes / QUANTUM_MINUTES);
    return (quanta * QUANTUM_MINUTES) / this.#minutesPerMs;
  }
}
