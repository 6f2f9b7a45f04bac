import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CellClock, type Clocked } from "../src/cell-clock.ts";
import { MAX_LAG_MS, MAX_SCALE_SLICE_MS, SHARED_THREAD_BUDGETS } from "../src/limits.ts";

class FakeCell implements Clocked {
  atMax = false;
  owedMinutes = 0;
  lived = 0;
  running = true;
  held = false;
  readonly #cost: () => void;
  constructor(cost: () => void = () => {}) {
    this.#cost = cost;
  }
  isRunning(): boolean {
    return this.running;
  }
  isHeld(): boolean {
    return this.held;
  }
  liveQuantum(): void {
    this.lived += 1;
    this.#cost();
  }
}

describe("the clock of the cells", () => {
  it("on a fast host, cells have computed exactly the elapsed whole minutes, for any sequence of ticks", () => {
    const ticks = fc.array(fc.integer({ min: 1, max: 5_000 }), { maxLength: 40 });
    fc.assert(
      fc.property(ticks, fc.constantFrom(0.5, 1, 4), (elapsed, scale) => {
        const clock = new CellClock(scale, () => 0);
        const cell = new FakeCell();
        for (const ms of elapsed) clock.tick([cell], ms);
        const due = (elapsed.reduce((sum, ms) => sum + ms, 0) / 1000) * scale;
        expect(Math.abs(cell.lived + cell.owedMinutes - due)).toBeLessThan(1e-6);
        expect(cell.owedMinutes).toBeLessThan(1);
        expect(clock.lagMs(cell)).toBe(0);
      }),
    );
  });

  it("a slow host delays all cells equally, and reports the lag", () => {
    let nowMs = 0;
    const cost = (): void => {
      nowMs += 3;
    };
    const cells = Array.from({ length: 10 }, () => new FakeCell(cost));
    const clock = new CellClock(1, () => nowMs);
    for (let tick = 0; tick < 10; tick += 1) {
      const beforeMs = nowMs;
      clock.tick(cells, 1_000);
      expect(nowMs - beforeMs).toBeLessThanOrEqual(SHARED_THREAD_BUDGETS.tickMs + 3);
    }
    const lived = cells.map((cell) => cell.lived);
    expect(lived.reduce((a, b) => a + b)).toBe(70);
    expect(lived.every((n) => n === 7)).toBe(true);
    expect(cells.map((cell) => clock.lagMs(cell))).toEqual(cells.map(() => 3_000));
  });

  it("lag is limited, and lag beyond the limit is dropped", () => {
    const cell = new FakeCell();
    const clock = new CellClock(2, () => 0);
    cell.running = false;
    clock.tick([cell], 1e9);
    expect(cell.owedMinutes, "no time passes while it does not run").toBe(0);
    cell.running = true;
    clock.tick([cell], 1e9);
    expect(cell.lived).toBe((MAX_LAG_MS / 1000) * 2);
  });

  it("a cell that stops during a tick computes no further quanta", () => {
    const cell = new FakeCell(() => {
      cell.running = false;
    });
    const other = new FakeCell();
    new CellClock(1, () => 0).tick([cell, other], 5_000);
    expect([cell.lived, other.lived]).toEqual([1, 5]);
  });

  it("a held cell owes its minutes, and goes on without a tick", () => {
    const cell = new FakeCell(() => {
      cell.held = true;
    });
    const clock = new CellClock(1, () => 0);
    clock.tick([cell], 5_000);
    expect([cell.lived, cell.owedMinutes]).toEqual([1, 4]);
    expect(clock.goOn(cell), "still held").toBe(false);
    for (const lived of [2, 3, 4, 5]) {
      cell.held = false;
      expect(clock.goOn(cell)).toBe(true);
      expect(cell.lived).toBe(lived);
    }
    cell.held = false;
    expect(clock.goOn(cell), "all are paid").toBe(false);
  });

  it("cells that go on between two ticks share a budget of time", () => {
    let nowMs = 0;
    const cells = Array.from({ length: 2 }, () => {
      const cell: FakeCell = new FakeCell(() => {
        nowMs += 10;
      });
      cell.owedMinutes = 100;
      return cell;
    });
    const clock = new CellClock(1, () => nowMs);
    const goOn = (): number => {
      for (const cell of cells) clock.goOn(cell);
      return cells.reduce((sum, cell) => sum + cell.lived, 0);
    };
    expect([goOn(), goOn()]).toEqual([
      SHARED_THREAD_BUDGETS.betweenTicksMs / 10,
      SHARED_THREAD_BUDGETS.betweenTicksMs / 10,
    ]);
    const inTick = SHARED_THREAD_BUDGETS.tickMs / 10;
    clock.tick(cells, 1);
    expect(goOn()).toBe(2 * (SHARED_THREAD_BUDGETS.betweenTicksMs / 10) + inTick);
  });

  describe("with cells at the time scale max", () => {
    const QUANTUM_MS = 1;
    let nowMs = 0;
    const cellsOf = (count: number, atMax: boolean): FakeCell[] =>
      Array.from({ length: count }, () => {
        const cell = new FakeCell(() => {
          nowMs += QUANTUM_MS;
        });
        cell.atMax = atMax;
        return cell;
      });
    const livedBy = (cells: readonly FakeCell[]): number[] => cells.map(({ lived }) => lived);
    /** Lets 100 ms pass, with all slices before the next tick. Returns how many slices there were. */
    const pass = (clock: CellClock, cells: readonly FakeCell[], onlyAtRate = false): number => {
      clock.tick(cells, 100, onlyAtRate);
      let slices = 0;
      for (; clock.hasSlice(cells); slices += 1) {
        const beforeMs = nowMs;
        clock.slice(cells);
        expect(nowMs - beforeMs).toBeLessThanOrEqual(MAX_SCALE_SLICE_MS);
      }
      return slices;
    };

    it("the others keep their rate, and these have what is left in fair turns", () => {
      const [atRate, atMax] = [cellsOf(4, false), cellsOf(3, true)];
      const cells = [...atMax, ...atRate];
      const clock = new CellClock(20, () => nowMs);
      for (let tick = 1; tick <= 10; tick += 1) {
        pass(clock, cells);
        expect(livedBy(atRate)).toEqual(Array(4).fill(2 * tick));
      }
      const left = 10 * (SHARED_THREAD_BUDGETS.tickMs - 4 * 2 + SHARED_THREAD_BUDGETS.maxScaleMs);
      const lived = livedBy(atMax);
      expect(lived.reduce((a, b) => a + b)).toBe(left);
      expect(Math.max(...lived) - Math.min(...lived)).toBeLessThanOrEqual(1);
      expect(cells.map((cell) => clock.lagMs(cell))).toEqual(Array(7).fill(0));
    });

    it("these compute nothing while the others owe minutes, or while they must wait", () => {
      const [atRate, atMax] = [cellsOf(30, false), cellsOf(2, true)];
      const clock = new CellClock(10, () => nowMs);
      expect(pass(clock, [...atMax, ...atRate])).toBe(0);
      expect(livedBy(atMax)).toEqual([0, 0]);
      expect(livedBy(atRate).reduce((a, b) => a + b)).toBe(SHARED_THREAD_BUDGETS.tickMs);
      expect(pass(clock, atMax, true)).toBe(0);
      expect(livedBy(atMax)).toEqual([0, 0]);
      expect(pass(clock, atMax)).toBe(SHARED_THREAD_BUDGETS.maxScaleMs / MAX_SCALE_SLICE_MS);
    });

    it("one that its Lua holds goes on for a slice at a time", () => {
      const [cell] = cellsOf(1, true) as [FakeCell];
      const clock = new CellClock(1, () => nowMs);
      cell.held = true;
      clock.tick([cell], 100);
      expect([cell.lived, clock.goOn(cell), clock.hasSlice([cell])]).toEqual([0, false, false]);
      cell.held = false;
      expect(clock.goOn(cell)).toBe(true);
      expect(cell.lived).toBe(MAX_SCALE_SLICE_MS / QUANTUM_MS);
      while (clock.goOn(cell));
      expect(cell.lived).toBe(SHARED_THREAD_BUDGETS.maxScaleMs / QUANTUM_MS);
    });
  });

  it("works without cells", () => {
    new CellClock(1, () => 0).tick([], 1_000);
  });
});
