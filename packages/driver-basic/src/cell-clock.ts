/**
 * Advances simulated time for many cells without blocking the event loop.
 *
 * Each tick adds the elapsed simulated minutes to the debt of every running cell. The cells then compute whole quanta
 * in turn, until every debt is less than a quantum or the tick's time budget is spent. The next tick continues after
 * the last computed cell, so a slow host delays all cells equally. The remaining debt is the lag. Lag beyond a limit is
 * dropped: the simulated minutes are then never computed, which avoids a burst of work after every stall.
 *
 * Cells at the time scale `max` owe nothing and have no lag. When no other cell owes a quantum, they compute quanta in
 * turn for the rest of the tick's budget, and in short slices until the next tick.
 *
 * A cell that is held owes its minutes, but computes none: its Lua acts on it at the present minute. When that has
 * ended, `goOn` computes the cell without waiting for the next tick, within a second budget.
 */
import { QUANTUM_MINUTES } from "@bioxen/cell-models";
import { type CellBudgets, MAX_LAG_MS, MAX_SCALE_SLICE_MS, SHARED_THREAD_BUDGETS } from "./limits.ts";

export interface Clocked {
  /** Whether the cell computes as many minutes as it can. */
  readonly atMax: boolean;
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
  readonly #budgets: CellBudgets;
  readonly #atRate = new Turns();
  readonly #atMax = new Turns();
  /** Time that cells at the rate, and cells at `max`, have used since the tick, ms. */
  #spentMs = 0;
  #maxSpentMs = 0;
  #maxBudgetMs = 0;

  constructor(
    timeScaleMinutesPerSecond: number,
    now: () => number = () => performance.now(),
    budgets: CellBudgets = SHARED_THREAD_BUDGETS,
  ) {
    this.#minutesPerMs = timeScaleMinutesPerSecond / 1000;
    this.#now = now;
    this.#budgets = budgets;
  }

  /**
   * Adds `elapsedMs` of host time to the debt of the running cells, and computes cells until the time budget is spent.
   * With `onlyAtRate` cells at `max` compute nothing until the next tick.
   */
  tick(cells: readonly Clocked[], elapsedMs: number, onlyAtRate = false): void {
    const most = Math.max(MAX_LAG_MS * this.#minutesPerMs, QUANTUM_MINUTES);
    for (const cell of cells) {
      if (!cell.isRunning() || cell.atMax) continue;
      cell.owedMinutes = Math.min(cell.owedMinutes + elapsedMs * this.#minutesPerMs, most);
    }
    [this.#spentMs, this.#maxSpentMs] = [0, 0];
    const endMs = this.#now() + this.#budgets.tickMs;
    const slow = cells.filter(({ atMax }) => !atMax);
    const leavesTime = this.#atRate.run(slow, endMs, this.#now) && !onlyAtRate;
    this.#maxBudgetMs = leavesTime ? this.#budgets.maxScaleMs : 0;
    if (leavesTime && slow.length < cells.length) this.#atMax.run(maxOf(cells), endMs, this.#now);
  }

  /** Returns whether cells at `max` have quanta to compute, and time before the next tick. */
  hasSlice(cells: readonly Clocked[]): boolean {
    return this.#maxSpentMs < this.#maxBudgetMs && maxOf(cells).some(isDue);
  }

  /** Computes cells at `max` for a short slice of the time before the next tick. */
  slice(cells: readonly Clocked[]): void {
    const startMs = this.#now();
    this.#atMax.run(maxOf(cells), startMs + MAX_SCALE_SLICE_MS, this.#now);
    this.#maxSpentMs += this.#now() - startMs;
  }

  /**
   * Computes the quanta that the cell owes, until it is held or the budget between two ticks is spent; a cell at `max` for
   * a slice at most. Returns whether it computed any.
   */
  goOn(cell: Clocked): boolean {
    const leftMs = cell.atMax
      ? Math.min(MAX_SCALE_SLICE_MS, this.#maxBudgetMs - this.#maxSpentMs)
      : this.#budgets.betweenTicksMs - this.#spentMs;
    if (leftMs <= 0 || !isDue(cell)) return false;
    const startMs = this.#now();
    let usedMs = 0;
    while (usedMs < leftMs && isDue(cell)) {
      live(cell);
      usedMs = this.#now() - startMs;
    }
    if (cell.atMax) this.#maxSpentMs += usedMs;
    else this.#spentMs += usedMs;
    return true;
  }

  /** Returns the lag of the cell, rounded down to whole quanta, in ms of host time. */
  lagMs(cell: Clocked): number {
    if (cell.atMax) return 0;
    const quanta = Math.floor(cell.owedMinutes / QUANTUM_MINUTES);
    return (quanta * QUANTUM_MINUTES) / this.#minutesPerMs;
  }
}

/** Cells in turn: each run continues after the last computed cell. */
class Turns {
  #next = 0;

  /** Computes one quantum of each due cell in turn. Returns true once none is due, false once `endMs` has come. */
  run(cells: readonly Clocked[], endMs: number, now: () => number): boolean {
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
      if (now() >= endMs) return false;
    }
    return true;
  }
}

function maxOf(cells: readonly Clocked[]): readonly Clocked[] {
  return cells.filter(({ atMax }) => atMax);
}

function isDue(cell: Clocked): boolean {
  const isOwed = cell.atMax || cell.owedMinutes >= QUANTUM_MINUTES;
  return isOwed && cell.isRunning() && !cell.isHeld();
}

function live(cell: Clocked): void {
  if (!cell.atMax) cell.owedMinutes -= QUANTUM_MINUTES;
  cell.liveQuantum();
}
