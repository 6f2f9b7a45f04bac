/** Both daughters of a division. */
import { expect, test } from "vitest";
import { Cell } from "./cell.ts";
import { cellTypeOf } from "./cell-types.ts";
import { partition } from "./partition.ts";
import { seedRandom } from "./random.ts";
import type { CellSnapshot } from "./snapshot.ts";
import { A, GENERATIONS, Q, R, S_I, STATE_SIZE } from "./state.ts";
import { publishedState } from "./testing.ts";

const UNCAPPED = 1e9;

function born(options: Partial<Parameters<typeof Cell.boot>[0]> = {}) {
  const { fullDemand } = cellTypeOf("syn3a");
  return Cell.boot({ biologicalType: "syn3a", allocation: fullDemand, seed: 5, ...options });
}

/** Returns the cell at this minute, and its second daughters by then. */
function lived(minutes: number, cell: Cell) {
  const daughters: {
    readonly daughter: CellSnapshot;
    readonly division: number;
    readonly mother: number[];
  }[] = [];
  cell.onSecondDaughter = (daughter, division) =>
    daughters.push({ daughter, division, mother: [...cell.stateValues()] });
  cell.advance(minutes);
  return { cell, daughters };
}

test("two daughters have together the whole molecules of twice the mother's amounts, and each what mixes fast", () => {
  const random = seedRandom(3);
  for (let n = 0; n < 200; n++) {
    const mother = publishedState(0.1, 20.3);
    const [first, second] = [publishedState(0.1, 20.3), publishedState(0.1, 20.3)];
    partition(first, random, UNCAPPED, second);
    for (let i = 0; i < STATE_SIZE; i++) {
      const [held, one, other] = [mother[i] as number, first[i] as number, second[i] as number];
      if (i === S_I || i === A || i === GENERATIONS) expect([one, other]).toEqual([held, held]);
      else {
        expect(Number.isInteger(one + other)).toBe(true);
        expect(Math.abs(one + other - 2 * held)).toBeLessThan(1);
        expect(Math.min(one, other)).toBeGreaterThanOrEqual(0);
      }
    }
    expect(first[Q]).not.toBe(second[Q]);
  }
});

test("neither daughter has more engaged ribosomes than the cap allows", () => {
  const [first, second] = [publishedState(0, 300), publishedState(0, 300)];
  const free = first[R];
  partition(first, seedRandom(4), 0, second);
  // The mother is beyond the cap: each daughter frees what it has beyond the mother's engaged ribosomes.
  expect(Math.max(first[R], second[R])).toBeGreaterThan(free);
});

test("a cell has the same course whether or not its second daughters are kept", () => {
  for (const noise of ["none", "partition", "expression"] as const) {
    const alone = born({ noise });
    alone.advance(400);
    const { cell, daughters } = lived(400, born({ noise }));
    expect(cell.snapshot()).toEqual(alone.snapshot());
    expect(daughters.map(({ division }) => division)).toEqual([1, 2, 3]);
  }
});

test("a second daughter is a newborn cell of its mother's minute that lives by itself", () => {
  const { daughters } = lived(250, born({ noise: "partition" }));
  const [{ daughter, mother } = { daughter: undefined, mother: [] }] = daughters;
  if (daughter === undefined) throw new Error("the cell has not divided");
  expect(daughter.divisions).toBe(0);
  expect(daughter.state).not.toEqual(mother);
  const one = Cell.restore(daughter, { seed: 9 });
  const sister = Cell.restore(daughter, { seed: 10 });
  expect(one.simMinutes).toBe(daughter.simMinutes);
  one.advance(300);
  sister.advance(300);
  expect(one.sample().divisions).toBeGreaterThan(0);
  expect(one.snapshot()).not.toEqual(sister.snapshot());
});

test("without noise both daughters are alike", () => {
  const { daughters } = lived(150, born());
  for (const { daughter, mother } of daughters) expect(daughter.state).toEqual(mother);
  expect(daughters).toHaveLength(1);
});
