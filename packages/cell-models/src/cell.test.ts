import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Cell, MAX_ADVANCE_MINUTES } from "./cell.ts";
import type { CellOptions } from "./cell-options.ts";
import { biologicalTypes } from "./cell-types.ts";
import { steadyState } from "./steady-state.ts";
import { allocationOf } from "./testing.ts";

const SYN3A: CellOptions = { biologicalType: "syn3a", allocation: allocationOf("syn3a"), seed: 7 };
describe("boot", () => {
  test.each(biologicalTypes)("%s under full demand is healthy from minute 0", (biologicalType) => {
    const allocation = allocationOf(biologicalType);
    const sample = Cell.boot({ biologicalType, allocation, seed: 1 }).sample();
    expect(sample).toMatchObject({
      simMinutes: 0,
      divisions: 0,
      health: 100,
      rnaPolymerases: { cap: allocation.rnaPolymerases },
    });
    expect(sample.ribosomes.cap).toBe(allocation.ribosomes);
    expect(sample.atp.capPerSecond).toBe(allocation.atpPerSecond);
    expect(Math.abs(sample.atp.perSecond / allocation.atpPerSecond - 1)).toBeLessThan(1e-4);
  });

  test("starts where growth under the given allocation and environment ends: it does not move any more", () => {
    const allocation = allocationOf("syn3a", { ribosomes: 252, rnaPolymerases: 100 });
    const options = { ...SYN3A, allocation, environment: { chloramphenicolMicromolar: 2 } };
    const cell = Cell.boot(options);
    const predicted = steadyState(options).growthRatePerMinute;
    expect(cell.sample().growthRatePerMinute).toBe(predicted);
    cell.advance(600);
    expect(Math.abs(cell.sample().growthRatePerMinute / predicted - 1)).toBeLessThan(1e-7);
    expect(cell.sample().health).toBe(Math.round((100 * predicted * 105) / Math.LN2));
  });

  test("refuses what is invalid", () => {
    expect(() => Cell.boot({ ...SYN3A, seed: 1.5 })).toThrow("seed: 1.5");
    expect(() => Cell.boot({ ...SYN3A, seed: -1 })).toThrow(RangeError);
    expect(() => Cell.boot({ ...SYN3A, allocation: { ribosomes: -1, atpPerSecond: 0.5 } })).toThrow(
      /ribosomes.*atpPerSecond/,
    );
    expect(() => Cell.boot({ ...SYN3A, environment: { substrate: -1 } })).toThrow("substrate");
    expect(() => Cell.boot({ ...SYN3A, parameterSet: "weisse-2015" })).toThrow(RangeError);
  });
});

describe("suspension", () => {
  test.each(biologicalTypes)(
    "%s without ATP stops within a minute, keeps its parts, and goes on when it gets it back",
    (type) => {
      const cell = Cell.boot({ biologicalType: type, allocation: allocationOf(type), seed: 1 });
      const before = cell.sample();
      cell.setAllocation(allocationOf(type, { atpPerSecond: 0 }));
      cell.advance(2);
      const stopped = cell.sample();
      expect(stopped.growthRatePerMinute).toBeLessThan(1e-6 * before.growthRatePerMinute);
      cell.advance(600);
      const later = cell.sample();
      expect(later).toMatchObject({
        growthRatePerMinute: 0,
        doublingTimeMinutes: null,
        health: 0,
        divisions: 0,
      });
      expect(later.ribosomes.total / stopped.ribosomes.total).toBeCloseTo(1, 9);
      cell.setAllocation(allocationOf(type));
      cell.advance(60);
      expect(cell.sample().growthRatePerMinute / before.growthRatePerMinute).toBeGreaterThan(0.8);
      cell.advance(3000);
      expect(cell.sample().growthRatePerMinute / before.growthRatePerMinute).toBeCloseTo(1, 5);
    },
  );
});

describe("the ribosome cap", () => {
  test("holds at every sampled minute, whatever happens to the cell", () => {
    const environment = fc.record({
      nutrientQuality: fc.constantFrom(0, 0.01, 0.2, 1, 10),
      substrate: fc.constantFrom(0, 100, 1e4, 1e9),
      chloramphenicolMicromolar: fc.constantFrom(0, 0, 4, 1000),
    });
    const life = fc.array(fc.tuple(environment, fc.integer({ min: 1, max: 40 })), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(
        fc.constantFrom(1, 50, 252, 503, 600),
        fc.integer({ min: 0, max: 1e6 }),
        life,
        (ribosomes, seed, events) => {
          const cell = Cell.boot({
            ...SYN3A,
            allocation: allocationOf("syn3a", { ribosomes }),
            seed,
            partitionNoise: true,
          });
          for (const [change, minutes] of events) {
            cell.setEnvironment(change);
            for (let i = 0; i < minutes; i++) {
              cell.advance(1);
              const { engaged, cap } = cell.sample().ribosomes;
              expect(engaged).toBeLessThanOrEqual(cap * (1 + 1e-12));
            }
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  test("lowered on a running cell is reached from above within 5 minutes, without a jump", () => {
    const cell = Cell.boot(SYN3A);
    cell.setAllocation(allocationOf("syn3a", { ribosomes: 252 }));
    expect(cell.sample().ribosomes.engaged).toBeCloseTo(402.4, 1);
    let engaged = 402.5;
    for (let i = 0; i < 5; i++) {
      cell.advance(1);
      expect(cell.sample().ribosomes.engaged).toBeLessThan(Math.max(engaged, 252));
      engaged = cell.sample().ribosomes.engaged;
    }
    expect(engaged).toBeLessThan(252);
  });
});

describe("division", () => {
  test("comes once per doubling time, and the count is what advance reports", () => {
    const cell = Cell.boot({ biologicalType: "ecoli", allocation: allocationOf("ecoli"), seed: 1 });
    let divisions = 0;
    for (let i = 0; i < 100; i++) divisions += cell.advance(41);
    expect(divisions).toBe(102);
    expect(cell.sample().divisions).toBe(102);
  });

  test("of half as fast a cell is half as frequent, and a stopped cell does not divide", () => {
    const slow = Cell.boot({ ...SYN3A, allocation: allocationOf("syn3a", { ribosomes: 252 }) });
    expect(slow.advance(1506)).toBe(10);
    slow.setAllocation({});
    slow.advance(30);
    expect(slow.advance(2000)).toBe(0);
  });

  test("without noise leaves the cell as it was", () => {
    const cell = Cell.boot(SYN3A);
    const before = cell.sample();
    expect(cell.advance(106)).toBe(1);
    expect(cell.sample().ribosomes.total).toBeCloseTo(before.ribosomes.total, 5);
  });
});

describe("measuring and changing", () => {
  test("advance takes whole minutes within its bound", () => {
    const cell = Cell.boot(SYN3A);
    for (const minutes of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, MAX_ADVANCE_MINUTES + 1]) {
      expect(() => cell.advance(minutes)).toThrow(RangeError);
    }
    expect(cell.advance(0)).toBe(0);
    expect(cell.simMinutes).toBe(0);
  });

  test("a refused change leaves everything as it was", () => {
    const cell = Cell.boot(SYN3A);
    const before = cell.snapshot();
    expect(() => cell.setEnvironment({ substrate: -1, nutrientQuality: Number.NaN })).toThrow(
      /substrate.*nutrientQuality/,
    );
    expect(() => cell.setAllocation({ ribosomes: 0.5 })).toThrow(RangeError);
    expect(cell.snapshot()).toEqual(before);
  });

  test("an environment is replaced as a whole; what is not named returns to the type's", () => {
    const cell = Cell.boot(SYN3A);
    cell.setEnvironment({ chloramphenicolMicromolar: 4 });
    expect(cell.environment).toEqual({
      nutrientQuality: 0.19655339702,
      substrate: 1e4,
      chloramphenicolMicromolar: 4,
    });
    cell.setEnvironment({ substrate: 500 });
    expect(cell.environment).toEqual({
      nutrientQuality: 0.19655339702,
      substrate: 500,
      chloramphenicolMicromolar: 0,
    });
  });

  test("what a cell hands out is not the cell", () => {
    const allocation = { ...allocationOf("syn3a") };
    const cell = Cell.boot({ ...SYN3A, allocation });
    const before = cell.snapshot();
    allocation.ribosomes = 0;
    Object.assign(cell.allocation, { ribosomes: 0 });
    Object.assign(cell.environment, { substrate: 0 });
    (cell.snapshot().state as number[]).fill(0);
    expect(cell.snapshot()).toEqual(before);
  });

  test("chloramphenicol slows a cell over generations and its removal heals it", () => {
    const cell = Cell.boot(SYN3A);
    cell.setEnvironment({ chloramphenicolMicromolar: 4 });
    cell.advance(2000);
    const ill = cell.sample();
    expect(ill.health).toBeLessThan(90);
    expect(ill.ribosomalMassFraction).toBeGreaterThan(0.12);
    cell.setEnvironment({});
    cell.advance(3000);
    expect(cell.sample().health).toBe(100);
  });
});
