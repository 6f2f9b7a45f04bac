/**
 * Advances simulated time for many cells without blocking the event loop.
 *
 * Each tick adds the elapsed simulated minutes to the debt of every running cell. The cells then compute whole quanta
 * in turn, until every debt is less than a quantum or the tick's time budget is spent. The next tick continues after
 * the last computed cell, so a slow host delays all cells equally. The remaining debt is the lag. Lag beyond a limit is
 * dropped: the simulated minutes are then never computed, which avoids a burst of work after every stall.
 *
 * A cell that is held owes its minutes, but computes none: its Lua acts on it at the present minute. When that has
 * ended, `goOn` computes the cell without waiting for the next tick, within a second budget.
 */
import { QUANTUM_MINUTES } from "@bioxen/cell-models";
import { BETWEEN_TICKS_BUDGET_MS, MAX_LAG_MS, TICK_BUDGET_MS } from "./limits.ts";

export interface Clocked {
  /** Debt of the cell: simulated minutes that have passed on the host but are not computed yet. */
  owedMinutes: number;
  /** Returns whether simulated time passes for the cell. */
  isRunning(): boolean;
  /** Returns whether the cell must stay at its present minute. */
  isHeld(): boolean;
  /** Computes one quantum of the cell. The cell may stop running or be held as a result. */
  liveQuantum(): void;
}

export class CellClock {
  readonly #minutesPerMs: number;
  readonly #now: () => number;
  #next = 0;
  #spentMs = 0;

  constructor(timeScaleMinutesPerSecond: number, now: () => number) {
    this.#minutesPerMs = timeScaleMinutesPerSecond / 1000;
    this.#now = now;
  }

  /**
   * Adds `elapsedMs` of host time to the debt of the running cells, and computes cells until the time budget is spent.
   */
  tick(cells: readonly Clocked[], elapsedMs: number): void {
    const most = Math.max(MAX_LAG_MS * this.#minutesPerMs, QUANTUM_MINUTES);
    for (const cell of cells) {
      if (!cell.isRunning()) continue;
      cell.owedMinutes = Math.min(cell.owedMinutes + elapsedMs * this.#minutesPerMs, most);
    }
    this.#spentMs = 0;
    const endMs = this.#now() + TICK_BUDGET_MS;
    let idle = 0;
    while (idle < cells.length) {
      const cell = cells[this.#next % cells.length];
      this.#next = (this.#next + 1) % cells.length;
      if (cell === undefined || !isDue(cell)) {
        idle += 1;
        continue;
      }
      idle = 0;
      live(cell);
      if (this.#now() >= endMs) return;
    }
  }

  /**
   * Computes the quanta that the cell owes, until it is held or the budget between two ticks is spent. Returns whether it
   * computed any.
   */
  goOn(cell: Clocked): boolean {
    if (this.#spentMs >= BETWEEN_TICKS_BUDGET_MS || !isDue(cell)) return false;
    const startMs = this.#now();
    const leftMs = BETWEEN_TICKS_BUDGET_MS - this.#spentMs;
    let usedMs = 0;
    while (usedMs < leftMs && isDue(cell)) {
      live(cell);
      usedMs = this.#now() - startMs;
    }
    this.#spentMs += usedMs;
    return true;
  }

  /** Returns the lag of the cell, rounded down to whole quanta, in ms of host time. */
  lagMs(cell: Clocked): number {
    const quanta = Math.floor(cell.owedMinutes / QUANTUM_MINUTES);
    return (quanta * QUANTUM_MINUTES) / this.#minutesPerMs;
  }
}

function isDue(cell: Clocked): boolean {
  return cell.isRunning() && !cell.isHeld() && cell.owedMinutes >= QUANTUM_MINUTES;
}

function live(cell: Clocked): void {
  cell.owedMinutes -= QUANTUM_MINUTES;
  cell.liveQuantum();
}
