import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  add,
  afterOverhead,
  equalAmounts,
  fits,
  isAmount,
  MAX_AMOUNT,
  shortages,
  subtract,
  sum,
} from "./amounts.ts";

const vector = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.integer({ min: 0, max: MAX_AMOUNT }));

describe("amounts", () => {
  it("adding and subtracting cancel out, and addition is commutative", () => {
    fc.assert(
      fc.property(vector, vector, (a, b) => {
        expect(equalAmounts(subtract(add(a, b), b), a)).toBe(true);
        expect(add(a, b)).toEqual(add(b, a));
        expect(JSON.stringify(add(a, b))).toBe(JSON.stringify(add(b, a)));
      }),
    );
  });

  it("a request fits exactly when it has no shortage and can be subtracted", () => {
    fc.assert(
      fc.property(vector, vector, (request, free) => {
        expect(fits(request, free)).toBe(shortages(request, free).length === 0);
        if (fits(request, free)) subtract(free, request);
        else expect(() => subtract(free, request)).toThrow(/invariant/);
      }),
    );
  });

  it("the rest after the overhead is rounded down", () => {
    expect(afterOverhead({ ribosomes: 26_300, rnaPolymerases: 5_000 }, 150)).toEqual({
      ribosomes: 22_355,
      rnaPolymerases: 4_250,
    });
    expect(afterOverhead({ a: 1 }, 1)).toEqual({ a: 0 });
  });

  it("an absent name equals zero, and an amount is a finite non-negative integer", () => {
    expect(equalAmounts({ a: 0 }, {})).toBe(true);
    expect(sum([])).toEqual({});
    expect([0, 1, MAX_AMOUNT].every(isAmount)).toBe(true);
    const no = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, MAX_AMOUNT + 1, "1", null];
    expect(no.some(isAmount)).toBe(false);
  });
});
