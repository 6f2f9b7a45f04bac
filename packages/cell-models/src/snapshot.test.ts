import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Cell } from "./cell.ts";
import type { CellOptions } from "./cell-options.ts";
import { biologicalTypes, cellTypeOf } from "./cell-types.ts";
import { type CellSnapshot, snapshotProblems } from "./snapshot.ts";
import { allocationOf } from "./testing.ts";

const NOISY: CellOptions = {
  biologicalType: "syn3a",
  allocation: allocationOf("syn3a", { atpPerSecond: 9000 }),
  seed: 42,
  partitionNoise: true,
};

const throughText = (snapshot: CellSnapshot) => JSON.parse(JSON.stringify(snapshot)) as CellSnapshot;

/** Applies shifts up and down, so that the solver's step is not settled. */
function live(cell: Cell, minutes: number): void {
  for (let i = 0; i < minutes; i++) {
    if (i % 17 === 0) cell.setEnvironment({ nutrientQuality: i % 2 === 0 ? 0.5 : 0.1 });
    if (i % 23 === 0) cell.setAllocation(allocationOf("syn3a", { ribosomes: 200 + i }));
    cell.advance(1);
  }
}

describe("the same options give the same cell", () => {
  test.each(biologicalTypes)("%s, bit for bit", (biologicalType) => {
    const { fullDemand } = cellTypeOf(biologicalType);
    const allocation = { ...fullDemand, ribosomes: Math.ceil(fullDemand.ribosomes * 0.7) };
    const [a, b] = [0, 1].map(() =>
      Cell.boot({ biologicalType, allocation, seed: 5, partitionNoise: true }),
    ) as [Cell, Cell];
    for (const cell of [a, b]) {
      cell.setEnvironment({ chloramphenicolMicromolar: 1 });
      cell.advance(400);
    }
    expect(a.snapshot()).toEqual(b.snapshot());
    expect(a.sample()).toEqual(b.sample());
    expect(a.sample().divisions).toBeGreaterThan(0);
  });

  test("on every machine: one course is pinned to the last bit", () => {
    const cell = Cell.boot(NOISY);
    live(cell, 300);
    // A change of equations, parameters, solver or random draws changes these values, and the future of every stored cell.
    const { divisions, growthRatePerMinute, ribosomes, atp } = cell.sample();
    expect({ divisions, growthRatePerMinute, ribosomes: ribosomes.total, energy: atp.molecules }).toEqual({
      divisions: 2,
      growthRatePerMinute: 0.001534792099109731,
      ribosomes: 1870.1405211481674,
      energy: 0.3358182429271134,
    });
  });

  test("the seed decides only the noise", () => {
    const quiet = [1, 2].map((seed) => Cell.boot({ ...NOISY, seed, partitionNoise: false }));
    const noisy = [1, 2].map((seed) => Cell.boot({ ...NOISY, seed }));
    for (const cell of [...quiet, ...noisy]) cell.advance(300);
    expect(quiet[0]?.sample()).toEqual(quiet[1]?.sample());
    expect(noisy[0]?.sample()).not.toEqual(noisy[1]?.sample());
  });

  test("how advance is called does not matter", () => {
    const [whole, minutes] = [Cell.boot(NOISY), Cell.boot(NOISY)];
    for (const cell of [whole, minutes]) cell.setEnvironment({ nutrientQuality: 0.4 });
    whole.advance(240);
    for (let i = 0; i < 240; i++) minutes.advance(1);
    expect(minutes.snapshot()).toEqual(whole.snapshot());
  });

  test("cells do not touch each other", () => {
    const [alone, watched, neighbour] = [
      Cell.boot(NOISY),
      Cell.boot(NOISY),
      Cell.boot({ ...NOISY, seed: 1 }),
    ];
    alone.advance(150);
    for (let i = 0; i < 150; i++) {
      watched.advance(1);
      live(neighbour, 1);
    }
    expect(watched.snapshot()).toEqual(alone.snapshot());
  });
});

describe("a snapshot", () => {
  test("goes on exactly like the original, at any minute and through text", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 120 }), (minutes) => {
        const cell = Cell.boot(NOISY);
        live(cell, minutes);
        const copy = Cell.restore(throughText(cell.snapshot()));
        expect(copy.sample()).toEqual(cell.sample());
        for (const each of [cell, copy]) {
          each.advance(30);
          each.setAllocation(allocationOf("syn3a", { atpPerSecond: 5000 }));
          each.advance(200);
        }
        expect(copy.snapshot()).toEqual(cell.snapshot());
      }),
      { numRuns: 12 },
    );
  });

  test("does not change what it was taken of, and setting what is set moves nothing", () => {
    const [plain, disturbed] = [Cell.boot(NOISY), Cell.boot(NOISY)];
    for (const cell of [plain, disturbed]) cell.setEnvironment({ nutrientQuality: 0.5 });
    for (let i = 0; i < 60; i++) {
      plain.advance(1);
      disturbed.advance(1);
      disturbed.snapshot();
      disturbed.sample();
      disturbed.setAllocation(disturbed.allocation);
      disturbed.setEnvironment(disturbed.environment);
    }
    expect(disturbed.snapshot()).toEqual(plain.snapshot());
  });

  test("restored with a seed of its own has chance of its own", () => {
    const cell = Cell.boot(NOISY);
    cell.advance(10);
    const snapshot = cell.snapshot();
    const fork = Cell.restore(snapshot, { seed: 43 });
    expect(fork.sample()).toEqual(cell.sample());
    for (const each of [cell, fork]) each.advance(300);
    expect(fork.sample().ribosomes.total).not.toBe(cell.sample().ribosomes.total);
    expect(() => Cell.restore(snapshot, { seed: -3 })).toThrow("seed");
  });

  test("keeps the type, the parameter set and the environment", () => {
    const cell = Cell.boot({
      biologicalType: "ecoli",
      parameterSet: "weisse-2015",
      allocation: { ribosomes: 2000, atpPerSecond: 1480454, rnaPolymerases: 5000 },
      environment: { nutrientQuality: 0.3 },
      seed: 2 ** 50,
    });
    const copy = Cell.restore(throughText(cell.snapshot()));
    expect(copy.biologicalType).toBe("ecoli");
    expect(copy.allocation).toEqual(cell.allocation);
    expect(copy.environment).toEqual(cell.environment);
    expect(copy.snapshot().parameterSet).toBe("weisse-2015");
  });
});

describe("what is no snapshot is refused with every problem", () => {
  const good = Cell.boot(NOISY).snapshot();
  const paths = (snapshot: unknown) =>
    snapshotProblems(snapshot as CellSnapshot).map((problem) => problem.split(":")[0]);

  test("a good one has none", () => {
    expect(snapshotProblems(good)).toEqual([]);
  });

  test.each([
    [null, ["snapshot"]],
    [{ ...good, format: 4 }, ["format"]],
    [{ ...good, format: 3 }, ["noise"]],
    [{ ...good, noise: "expression" }, ["noise"]],
    [{ ...good, format: 2 }, ["genes"]],
    [{ ...good, biologicalType: "yeast", parameterSet: "mine" }, ["biologicalType", "parameterSet"]],
    [{ ...good, simMinutes: -1, divisions: 0.5, stepMinutes: 0 }, ["simMinutes", "divisions", "stepMinutes"]],
    [
      { ...good, stepMinutes: Number.POSITIVE_INFINITY, partitionNoise: 1 },
      ["partitionNoise", "stepMinutes"],
    ],
    [{ ...good, random: [1, 2, 3] }, ["random"]],
    [{ ...good, random: [1, 2, 3, 2 ** 32] }, ["random"]],
    [{ ...good, state: [1] }, ["state"]],
    [{ ...good, state: good.state.map((v, i) => (i === 18 ? -1 : v)) }, ["state.a"]],
    [{ ...good, state: good.state.map((v, i) => (i === 5 ? null : v)) }, ["state.et"]],
    [{ ...good, allocation: { ribosomes: -1 }, environment: null }, ["allocation.ribosomes", "environment"]],
    [{ ...good, environment: { substrate: 1e10 } }, ["environment.substrate"]],
  ])("%#", (snapshot, expected) => {
    expect(paths(snapshot)).toEqual(expected);
    expect(() => Cell.restore(snapshot as CellSnapshot)).toThrow(RangeError);
  });
});
