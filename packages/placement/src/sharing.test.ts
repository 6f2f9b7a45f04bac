/**
 * The sharing of one resource: examples, and properties that hold for all claims.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Claim, type Share, shareOut } from "./sharing.ts";

const claim = (id: string, weight: number, guarantee: number, demand: number): Claim => ({
  id,
  weight,
  guarantee,
  demand,
});
const lentOf = (capacity: number, ...claims: Claim[]) =>
  Object.fromEntries(shareOut(capacity, claims).map(({ id, lent }) => [id, lent]));
const grantedOf = (capacity: number, claims: readonly Claim[]) =>
  Object.fromEntries(shareOut(capacity, claims).map(({ id, granted }) => [id, granted]));

describe("sharing", () => {
  it("lends idle amounts in proportion to the weights", () => {
    const contenders = [claim("a", 1, 100, 9e5), claim("b", 3, 100, 9e5), claim("c", 5, 100, 9e5)];
    expect(lentOf(1_200, ...contenders)).toEqual({ a: 100, b: 300, c: 500 });
  });

  it("lends the unused part of a guarantee, and returns it as soon as its owner can use it", () => {
    const borrower = claim("b", 1, 100, 9e5);
    expect(lentOf(200, claim("a", 5, 100, 0), borrower)).toEqual({ a: 0, b: 100 });
    expect(lentOf(200, claim("a", 5, 100, 30), borrower)).toEqual({ a: 0, b: 70 });
    expect(lentOf(200, claim("a", 5, 100, 100), borrower)).toEqual({ a: 0, b: 0 });
  });

  it("leaves to the others what a satisfied VM does not need", () => {
    expect(lentOf(1_000, claim("a", 1, 0, 100), claim("b", 1, 0, 9e5), claim("c", 2, 0, 9e5))).toEqual({
      a: 100,
      b: 300,
      c: 600,
    });
  });

  it("shares guarantees by weight when the capacity is below their sum", () => {
    const oversubscribed = [claim("a", 1, 100, 100), claim("b", 2, 100, 300), claim("c", 2, 20, 20)];
    expect(shareOut(110, oversubscribed)).toEqual([
      { id: "a", granted: 30, lent: 0 },
      { id: "b", granted: 60, lent: 0 },
      { id: "c", granted: 20, lent: 0 },
    ]);
  });

  it("gives the units left over by rounding to the largest fractions", () => {
    expect(grantedOf(10, [claim("a", 1, 0, 9), claim("b", 1, 0, 9), claim("c", 1, 0, 9)])).toEqual({
      a: 4,
      b: 3,
      c: 3,
    });
  });
});

const anyClaims = fc
  .array(
    fc.record({
      weight: fc.integer({ min: 1, max: 5 }),
      guarantee: fc.nat(500),
      demand: fc.nat(1_000),
    }),
    { maxLength: 8 },
  )
  .map((all) => all.map((one, i) => ({ id: `vm-${i}`, ...one })));

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

/** Each claim together with its share. */
function outcome(capacity: number, claims: readonly Claim[]): (Claim & Share)[] {
  return shareOut(capacity, claims).map((share, i) => ({ ...(claims[i] as Claim), ...share }));
}

describe("any claims", () => {
  it("are granted no more than the capacity, and no VM more than its demand", () => {
    fc.assert(
      fc.property(fc.nat(3_000), anyClaims, (capacity, claims) => {
        const shares = outcome(capacity, claims);
        expect(sum(shares.map(({ granted }) => granted))).toBeLessThanOrEqual(capacity);
        for (const { granted, lent, demand } of shares) {
          expect(granted).toBeLessThanOrEqual(demand);
          expect(Number.isInteger(granted) && lent >= 0 && lent <= granted).toBe(true);
        }
      }),
    );
  });

  it("get their guarantees as far as they use them, if the capacity suffices for all guarantees", () => {
    fc.assert(
      fc.property(anyClaims, fc.nat(1_000), (claims, idle) => {
        const capacity = sum(claims.map(({ guarantee }) => guarantee)) + idle;
        for (const { granted, guarantee, demand } of outcome(capacity, claims)) {
          expect(granted).toBeGreaterThanOrEqual(Math.min(guarantee, demand));
        }
      }),
    );
  });

  it("leave nothing idle that a VM could use", () => {
    fc.assert(
      fc.property(fc.nat(3_000), anyClaims, (capacity, claims) => {
        const shares = outcome(capacity, claims);
        const left = capacity - sum(shares.map(({ granted }) => granted));
        expect(left === 0 || shares.every(({ granted, demand }) => granted === demand)).toBe(true);
      }),
    );
  });

  it("are max-min fair: a VM that is lent less per weight than another, beyond rounding, has all that it can use", () => {
    fc.assert(
      fc.property(fc.nat(3_000), anyClaims, (capacity, claims) => {
        const shares = outcome(capacity, claims);
        for (const poor of shares) {
          for (const rich of shares) {
            const isBehind = (poor.lent + 1) * rich.weight < (rich.lent - 1) * poor.weight;
            if (isBehind) expect(poor.granted).toBe(poor.demand);
          }
        }
      }),
    );
  });

  it("lose nothing when capacity is added, except for one unit of rounding", () => {
    fc.assert(
      fc.property(fc.nat(3_000), fc.nat(500), anyClaims, (capacity, more, claims) => {
        const before = grantedOf(capacity, claims);
        const after = grantedOf(capacity + more, claims);
        for (const { id } of claims) expect(after[id]).toBeGreaterThanOrEqual((before[id] ?? 0) - 1);
      }),
    );
  });

  it("get no less when their demand grows, except for one unit of rounding", () => {
    fc.assert(
      fc.property(fc.nat(3_000), anyClaims, fc.nat(500), (capacity, claims, more) => {
        const [first, ...rest] = claims;
        if (first === undefined) return;
        const before = grantedOf(capacity, claims)[first.id] ?? 0;
        const after = grantedOf(capacity, [{ ...first, demand: first.demand + more }, ...rest])[first.id];
        expect(after).toBeGreaterThanOrEqual(before - 1);
      }),
    );
  });

  it("get the same shares in any order", () => {
    fc.assert(
      fc.property(fc.nat(3_000), anyClaims, (capacity, claims) => {
        expect(grantedOf(capacity, [...claims].reverse())).toEqual(grantedOf(capacity, claims));
      }),
    );
  });
});
