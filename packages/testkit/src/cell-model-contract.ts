/**
 * The contract of every cell model, for each biological type that it declares.
 */
import {
  type BootOptions,
  type CellAllocation,
  type CellModel,
  cellResources,
  type DeclaredQuantity,
  declarationProblems,
  fullDemandOf,
  type HostedCell,
  type HostedModel,
  hosted,
  WEISSE,
} from "@bioxen/cell-models";
import { describe, expect, it } from "vitest";

const MINUTES = 240;
/** Relative difference of two rates that the rounding of a computation can make. */
const ROUNDING = 1e-6;

/** Returns an allocation with `percent` of the type's full demand of every resource. */
function share(model: HostedModel, biologicalType: string, percent: number): CellAllocation {
  const demand = Object.entries(fullDemandOf(model, { biologicalType }) ?? {});
  return Object.fromEntries(demand.map(([name, amount]) => [name, Math.ceil((amount * percent) / 100)]));
}

function numbersIn(value: unknown): number[] {
  if (typeof value === "number") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(numbersIn);
}

/** All observable properties of a cell. */
const seen = (cell: HostedCell) => ({
  sample: cell.sample(),
  snapshot: cell.snapshot(),
  environment: cell.environment,
});

/** Returns a value of the quantity that differs from its default. */
const another = ({ range, default: preset }: DeclaredQuantity): number =>
  range[0] === preset ? range[1] : range[0];

/**
 * Tests the model as a driver uses it. `biologicalTypes`: the types to test; default: all that the model declares.
 */
export function cellModelContract(
  given: CellModel | HostedModel,
  biologicalTypes: readonly string[] = given.biologicalTypes.map(({ name }) => name),
): void {
  const model = given === WEISSE ? WEISSE : hosted(given as CellModel);

  describe(`cell model ${given.name} ${given.version}`, () => {
    it("has a declaration without problems", () => {
      expect(declarationProblems(given)).toEqual([]);
    });
  });

  describe.each(biologicalTypes)(`cell model ${given.name} ${given.version}, %s`, (biologicalType) => {
    const boot = (percent = 100, options: Partial<BootOptions> = {}) =>
      model.boot({ biologicalType, allocation: share(model, biologicalType, percent), seed: 7, ...options });

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

    it("gives every declared output, within its range, and no other", () => {
      const cell = boot(60);
      for (const minutes of [0, 1, MINUTES]) {
        cell.advance(minutes);
        const outputs = cell.sample().outputs ?? {};
        expect(Object.keys(outputs).sort()).toEqual(model.outputs.map(({ name }) => name).sort());
        for (const { name, range } of model.outputs) {
          expect(outputs[name], name).toBeGreaterThanOrEqual(range[0]);
          expect(outputs[name], name).toBeLessThanOrEqual(range[1]);
        }
      }
    });

    it("gives a new cell the declared default of every output", () => {
      const outputs = boot().sample().outputs ?? {};
      for (const { name, default: preset } of model.outputs)
        expect(outputs[name], name).toBeCloseTo(preset, 9);
    });

    it("has a value for every declared state variable", () => {
      expect(boot().stateValues?.() ?? []).toHaveLength(model.stateVariables?.length ?? 0);
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
      const neighbour = boot(20, { seed: 8 });
      for (let minute = 0; minute < 30; minute += 1) {
        neighbour.advance(3);
        accompanied.advance(1);
      }
      alone.advance(30);
      expect(seen(accompanied)).toEqual(seen(alone));
    });

    it("grows no faster with fewer resources, and slower with less of what limits it", () => {
      const rateWith = (allocation: CellAllocation): number => {
        const cell = boot(100, { allocation });
        cell.advance(MINUTES);
        return cell.sample().growthRatePerMinute;
      };
      const rates = [100, 75, 50, 25].map((percent) => rateWith(share(model, biologicalType, percent)));
      for (const [i, rate] of rates.entries()) {
        expect(rate, `${100 - 25 * i} %`).toBeLessThanOrEqual((rates[i - 1] ?? Infinity) * (1 + ROUNDING));
      }
      const full = share(model, biologicalType, 100);
      for (const name of cellResources) {
        const rate = rateWith({ ...full, [name]: 0 });
        const isLimit = model.limitedBy.includes(name);
        if (isLimit) expect(rate, name).toBeLessThan((rates[0] as number) * (1 - ROUNDING));
        else expect(rate, name).toBe(rates[0]);
      }
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
      if (given === WEISSE) return;
      // Only the fields that every model has.
      const { parameterSet, parameters, partitionNoise } = boot().snapshot();
      const shell = { biologicalType, parameterSet, parameters, partitionNoise };
      expect(() => model.restore(shell as never, {})).toThrow(RangeError);
    });

    it("follows a new allocation, and rejects an invalid one without a change", () => {
      const cell = boot();
      const half = share(model, biologicalType, 50);
      cell.setAllocation(half);
      expect(cell.allocation).toEqual(half);
      const before = seen(cell);
      expect(() => cell.setAllocation({ ribosomes: -1 })).toThrow(RangeError);
      expect(() => cell.setEnvironment({ "no such field": 1 })).toThrow(RangeError);
      expect(seen(cell)).toEqual(before);
      expect(() => boot(100, { allocation: { ribosomes: 0.5 } })).toThrow(RangeError);
    });

    it("follows a new environment, whose other fields return to their defaults", () => {
      const cell = boot();
      const { environment } = cell;
      expect(Object.keys(environment).sort()).toEqual(model.environment.map(({ name }) => name).sort());
      for (const quantity of model.environment) {
        const { name, range } = quantity;
        const value = another(quantity);
        cell.setEnvironment({ [name]: value });
        expect(cell.environment, name).toEqual({ ...environment, [name]: value });
        for (const wrong of [range[0] - 1, range[1] + 1, Number.NaN]) {
          expect(() => cell.setEnvironment({ [name]: wrong }), `${name} ${wrong}`).toThrow(RangeError);
        }
      }
    });

    it.skipIf(model.parameters.length === 0)("lets every parameter act, and rejects one out of range", () => {
      const lived = (parameters: Readonly<Record<string, number>>) => {
        const cell = boot(100, { parameters });
        cell.advance(MINUTES);
        const { parameters: _, ...state } = cell.snapshot();
        return { sample: cell.sample(), state };
      };
      const plain = lived({});
      for (const quantity of model.parameters) {
        const { name, range } = quantity;
        expect(lived({ [name]: another(quantity) }), name).not.toEqual(plain);
        expect(() => boot(100, { parameters: { [name]: range[1] + 1 } }), name).toThrow(RangeError);
      }
      expect(() => boot(100, { parameters: { nosuch: 1 } })).toThrow(RangeError);
      expect(() => boot(100, { parameterSet: "no-such-set" })).toThrow(RangeError);
    });
  });
}
