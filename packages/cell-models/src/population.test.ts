/**
 * Populations of cells of one description: what noise and random ages make of them. The expectations are figures of this
 * model (README.md, "Noise"); measured cells vary more.
 */
import { expect, test } from "vitest";
import { Cell } from "./cell.ts";
import type { CellNoise } from "./cell-options.ts";
import type { CellSample } from "./cell-sample.ts";
import { type BiologicalType, cellTypeOf } from "./cell-types.ts";
import { momentsOf } from "./exact-gene.testing.ts";

const CELLS = 200;

interface Population {
  /** Minutes until the first division of each cell. */
  readonly first: readonly number[];
  /** Minutes between two divisions of one cell. */
  readonly between: readonly number[];
  /** Protein of each daughter, amino acids, in the first minute after a division. */
  readonly atBirth: readonly number[];
  readonly atEnd: readonly CellSample[];
}

const ecoli = () => ({ biologicalType: "ecoli", allocation: cellTypeOf("ecoli").fullDemand }) as const;

function live(biologicalType: BiologicalType, noise: CellNoise, minutes: number): Population {
  const allocation = cellTypeOf(biologicalType).fullDemand;
  const [first, between, atBirth]: [number[], number[], number[]] = [[], [], []];
  const atEnd: CellSample[] = [];
  for (let seed = 0; seed < CELLS; seed++) {
    const cell = Cell.boot({ biologicalType, allocation, seed, noise, age: "random" });
    let last: number | undefined;
    for (let minute = 1; minute <= minutes; minute++) {
      if (cell.advance(1) === 0) continue;
      if (last === undefined) first.push(minute);
      else between.push(minute - last);
      atBirth.push(cell.sample().proteinAminoAcids);
      last = minute;
    }
    atEnd.push(cell.sample());
  }
  return { first, between, atBirth, atEnd };
}

/** Returns the standard deviation as a part of the mean. */
function variation(values: readonly number[]): number {
  const { mean, variance } = momentsOf(values);
  return Math.sqrt(variance) / mean;
}

test("cells of random age divide at all times of the cycle, as those of a culture that grows", () => {
  const { first, between } = live("ecoli", "none", 50);
  expect(first.length).toBe(CELLS);
  // A cell of age x divides after (1 − x) of 40 minutes: 22.3 minutes on average.
  expect(Math.abs(momentsOf(first).mean - 40 * (2 - 1 / Math.LN2))).toBeLessThan(2.5);
  expect(new Set(first).size).toBeGreaterThan(30);
  expect(between.every((minutes) => minutes === 40 || minutes === 39)).toBe(true);
});

test("200 cells of ecoli with expression noise vary as stated, and their seeds reproduce them", () => {
  const { between, atBirth, atEnd } = live("ecoli", "expression", 130);
  expect(Math.abs(momentsOf(between).mean - 40)).toBeLessThan(0.25);
  expect(variation(between)).toBeGreaterThan(0.0145);
  expect(variation(between)).toBeLessThan(0.02);
  const { mass } = cellTypeOf("ecoli").parameters;
  expect(Math.abs(momentsOf(atBirth).mean / mass - 1)).toBeLessThan(2e-3);
  expect(variation(atBirth)).toBeGreaterThan(0.0007);
  expect(variation(atBirth)).toBeLessThan(0.0014);
  const ribosomes = variation(atEnd.map((sample) => sample.ribosomes.total));
  expect(ribosomes).toBeGreaterThan(0.016);
  expect(ribosomes).toBeLessThan(0.026);
  const again = Cell.boot({ ...ecoli(), seed: 17, noise: "expression", age: "random" });
  again.advance(130);
  expect(again.sample()).toEqual(atEnd[17]);
});
