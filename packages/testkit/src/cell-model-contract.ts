/**
 * The contract of every cell model, for each biological type that it supports.
 */
import type { BiologicalType, CellAllocation, CellModel, LivingCell } from "@bioxen/cell-models";
import { fullDemand } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";

const MINUTES = 240;

/** Returns an allocation with `percent` of the type's full demand of every resource. */
function share(biologicalType: BiologicalType, percent: number): CellAllocation {
  const demand = Object.entries(fullDemand(biologicalType, "basic"));
  return Object.fromEntries(demand.map(([name, amount]) => [name, Math.ceil((amount * percent) / 100)]));
}

function numbersIn(value: unknown): number[] {
  if (typeof value === "number") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(numbersIn);
}

/** All observable properties of a cell. */
const seen = (cell: LivingCell) => ({ sample: cell.sample(), snapshot: cell.snapshot() });

export function cellModelContract(model: CellModel, biologicalTypes: readonly BiologicalType[]): void {
  describe.each(biologicalTypes)(`cell model ${model.name} ${model.version}, %s`, (biologicalType) => {
    const boot = (percent = 100, seed = 7) =>
      model.boot({ biologicalType, allocation: share(biologicalType, percent), seed });

    it("starts at minute 0 undivided, grows at its full demand, and divides", () => {
      const cell = boot();
      expect(cell.sample()).toMatchObject({ simMinutes: 0, divisions: 0 });
      const divisions = cell.advance(MINUTES * 4);
      const sample = cell.sample();
      expect(divisions).toBeGreaterThan(0);
      expect(sample).toMatchObject({ simMinutes: MINUTES * 4, divisions });
      expect(sample.doublingTimeMinutes).toBeCloseTo(Math.LN2 / sample.growthRatePerMinute, 6);
    });

    it("samples finite numbers and a health from 0 to 100, without changing the cell", () => {
      const cell = boot(60);
      cell.advance(MINUTES);
      const sample = cell.sample();
      expect(numbersIn(sample).every(Number.isFinite)).toBe(true);
      expect(sample.health).toBeGreaterThanOrEqual(0);
      expect(sample.health).toBeLessThanOrEqual(100);
      expect(cell.sample()).toEqual(sample);
    });

    it("computes the same cell in one call and in many", () => {
      const [one, many] = [boot(70), boot(70)];
      const together = one.advance(MINUTES);
      let apart = 0;
      for (let minute = 0; minute < MINUTES; minute += 1) apart += many.advance(1);
      expect(apart).toBe(together);
      expect(seen(many)).toEqual(seen(one));
    });

    it("is independent of other cells", () => {
      const [alone, accompanied] = [boot(80), boot(80)];
      const neighbour = boot(20, 8);
      for (let minute = 0; minute < 30; minute += 1) {
        neighbour.advance(3);
        accompanied.advance(1);
      }
      alone.advance(30);
      expect(seen(accompanied)).toEqual(seen(alone));
    });

    it("never grows faster with fewer resources", () => {
      const rates = [100, 75, 50, 25].map((percent) => {
        const cell = boot(percent);
        cell.advance(MINUTES);
        return cell.sample().growthRatePerMinute;
      });
      expect(rates).toEqual([...rates].sort((a, b) => b - a));
    });

    it("continues bit for bit from a snapshot that went through JSON", () => {
      const cell = boot(65);
      cell.advance(MINUTES);
      const restored = model.restore(JSON.parse(JSON.stringify(cell.snapshot())), {});
      expect(seen(restored)).toEqual(seen(cell));
      expect(restored.advance(MINUTES)).toBe(cell.advance(MINUTES));
      expect(seen(restored)).toEqual(seen(cell));
    });

    it("rejects a malformed snapshot", () => {
      const { biologicalType: _, ...headless } = boot().snapshot();
      expect(() => model.restore(headless as never, {})).toThrow(RangeError);
      expect(() => model.restore({} as never, {})).toThrow(RangeError);
    });

    it("follows a new allocation, and rejects an invalid one without a change", () => {
      const cell = boot();
      cell.setAllocation(share(biologicalType, 50));
      expect(cell.allocation).toEqual(share(biologicalType, 50));
      const before = seen(cell);
      expect(() => cell.setAllocation({ ribosomes: -1 })).toThrow(RangeError);
      expect(() => cell.setEnvironment({ nutrientQuality: Number.NaN })).toThrow(RangeError);
      expect(seen(cell)).toEqual(before);
      expect(() => model.boot({ biologicalType, allocation: { ribosomes: 0.5 }, seed: 1 })).toThrow(
        RangeError,
      );
    });
  });
}
