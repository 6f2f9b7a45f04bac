import fc from "fast-check";
import { expect, test } from "vitest";
import { LuFactorisation } from "./linear.ts";

/** Entries of very different size and many zeros, as in the cell's equations. */
const entry = fc.oneof(
  { weight: 2, arbitrary: fc.constant(0) },
  fc.integer({ min: -9, max: 9 }),
  fc.integer({ min: -9, max: 9 }).map((n) => n * 1e4),
);

test("solve gives what was multiplied, or factorise says the matrix is singular", () => {
  let solved = 0;
  const matrices = fc.integer({ min: 1, max: 7 }).chain((n) => {
    const rows = fc.array(entry, { minLength: n * n, maxLength: n * n });
    return fc.tuple(
      fc.constant(n),
      rows,
      fc.array(fc.integer({ min: -9, max: 9 }), { minLength: n, maxLength: n }),
    );
  });
  fc.assert(
    fc.property(matrices, ([n, matrix, x]) => {
      const lu = new LuFactorisation(n);
      lu.matrix.set(matrix);
      if (!lu.factorise()) return;
      const b = Float64Array.from(x, (_, i) =>
        x.reduce((sum, value, j) => sum + (matrix[i * n + j] as number) * value, 0),
      );
      const solution = Float64Array.from(b);
      lu.solve(solution);
      // A backward-stable solve leaves a residual of rounding size even when the matrix is nearly singular.
      const size = Math.max(...solution.map(Math.abs), 1);
      for (let i = 0; i < n; i++) {
        const left = solution.reduce((sum, value, j) => sum + (matrix[i * n + j] as number) * value, 0);
        expect(Math.abs(left - (b[i] as number))).toBeLessThan(1e-9 * size * 9e4);
      }
      solved += 1;
    }),
    { numRuns: 500, seed: 1 },
  );
  expect(solved).toBeGreaterThan(100);
});

test("a zero on the diagonal is pivoted away and every row used", () => {
  const lu = new LuFactorisation(3);
  lu.matrix.set([0, 0, 2, 0, 3, 1, 4, 1, 0]);
  expect(lu.factorise()).toBe(true);
  const b = Float64Array.from([6, 9, 6]);
  lu.solve(b);
  expect([...b]).toEqual([1, 2, 3]);
});

test.each([
  ["zero", [1, 2, 2, 4]],
  ["NaN", [Number.NaN, 1, 1, 1]],
  ["infinite", [Number.POSITIVE_INFINITY, 1, 1, 1]],
])("a %s pivot is reported, not divided by", (_, matrix) => {
  const lu = new LuFactorisation(2);
  lu.matrix.set(matrix);
  expect(lu.factorise()).toBe(false);
});
