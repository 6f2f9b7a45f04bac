/**
 * Radau IIA of order 5 (Hairer & Wanner, Solving Ordinary Differential Equations II, section IV.5) with step doubling: an
 * implicit method that has nothing in common with the solver of the product, for tests of its results.
 */

export type Rates = (y: readonly number[]) => number[];

const S6 = Math.sqrt(6);
const STAGES = [
  [(88 - 7 * S6) / 360, (296 - 169 * S6) / 1800, (-2 + 3 * S6) / 225],
  [(296 + 169 * S6) / 1800, (88 + 7 * S6) / 360, (-2 - 3 * S6) / 225],
  [(16 - S6) / 36, (16 + S6) / 36, 1 / 9],
] as const;
/** Error per step relative to each variable: 1 000 times stricter than what the tests compare. */
const TOLERANCE = 1e-8;
/** Below this amount an error does not count; the variables are molecules, and 1e-7 of a molecule is nothing. */
const NOTHING = 1e-7;
const NEWTON_ROUNDS = 20;

/** Returns the state after `duration`, from the state `y`. */
export function integrated(rates: Rates, y: readonly number[], duration: number): number[] {
  let state = [...y];
  let at = 0;
  let step = Math.min(duration, 1e-6);
  while (at < duration) {
    step = Math.min(step, duration - at);
    const slopes = jacobian(rates, state);
    const whole = stepped(rates, slopes, state, step);
    const half = stepped(rates, slopes, state, step / 2);
    const twice = half && stepped(rates, jacobian(rates, half), half, step / 2);
    const error = whole && twice ? errorOf(whole, twice) : Number.POSITIVE_INFINITY;
    if (twice && error <= 1) {
      state = twice;
      at = duration - at - step < 1e-13 * duration ? duration : at + step;
    }
    step *= Math.min(3, Math.max(0.1, 0.9 * error ** (-1 / 6)));
    if (step < 1e-14) throw new Error("the equations need steps that are too short");
  }
  return state;
}

function errorOf(one: readonly number[], other: readonly number[]): number {
  return Math.max(
    ...one.map((value, i) => {
      const exact = other[i] ?? Number.NaN;
      return Math.abs(value - exact) / (TOLERANCE * Math.abs(exact) + NOTHING * TOLERANCE * 1e3);
    }),
  );
}

/** Returns the state after one step; undefined when Newton's method does not converge. */
function stepped(rates: Rates, slopes: number[][], y: readonly number[], step: number): number[] | undefined {
  const n = y.length;
  const matrix = STAGES.flatMap((row, i) =>
    Array.from({ length: n }, (_, k) =>
      row.flatMap((a, j) =>
        Array.from(
          { length: n },
          (_unused, l) => (i === j && k === l ? 1 : 0) - step * a * (slopes[k]?.[l] ?? 0),
        ),
      ),
    ),
  );
  const solve = eliminated(matrix);
  const offsets = Array<number>(3 * n).fill(0);
  for (let round = 0; round < NEWTON_ROUNDS; round += 1) {
    const stages = [0, 1, 2].map((j) => rates(y.map((value, k) => value + (offsets[j * n + k] ?? 0))));
    const residual = offsets.map((offset, at) => {
      const [i, k] = [Math.floor(at / n), at % n];
      const sum = stages.reduce((total, stage, j) => total + (STAGES[i]?.[j] ?? 0) * (stage[k] ?? 0), 0);
      return step * sum - offset;
    });
    const change = solve(residual);
    let largest = 0;
    for (const [at, by] of change.entries()) {
      offsets[at] = (offsets[at] ?? 0) + by;
      largest = Math.max(largest, Math.abs(by) / (Math.abs(y[at % n] ?? 0) + NOTHING));
    }
    if (!(largest < 1e3)) return undefined;
    if (largest < TOLERANCE / 100) return y.map((value, k) => value + (offsets[2 * n + k] ?? 0));
  }
  return undefined;
}

/** Returns the matrix of ∂rate/∂y by central differences. Newton's method converges with an approximate one too. */
function jacobian(rates: Rates, y: readonly number[]): number[][] {
  const columns = y.map((value, j) => {
    const h = 1e-6 * Math.abs(value) + 1e-9;
    const at = (moved: number) => rates(y.map((other, k) => (k === j ? moved : other)));
    const [up, down] = [at(value + h), at(value - h)];
    return up.map((rate, i) => (rate - (down[i] ?? 0)) / (2 * h));
  });
  return y.map((_, i) => columns.map((column) => column[i] ?? 0));
}

/** Gaussian elimination with row pivots; returns the function that solves the equations for a right side. */
function eliminated(matrix: number[][]): (right: readonly number[]) => number[] {
  const n = matrix.length;
  const rows = matrix.map((row) => Float64Array.from(row));
  const order = Array.from({ length: n }, (_, i) => i);
  const at = (i: number, j: number) => rows[order[i] ?? 0]?.[j] ?? 0;
  for (let p = 0; p < n; p += 1) {
    let pivot = p;
    for (let i = p + 1; i < n; i += 1) if (Math.abs(at(i, p)) > Math.abs(at(pivot, p))) pivot = i;
    [order[p], order[pivot]] = [order[pivot] ?? 0, order[p] ?? 0];
    const top = rows[order[p] ?? 0] as Float64Array;
    for (let i = p + 1; i < n; i += 1) {
      const row = rows[order[i] ?? 0] as Float64Array;
      const factor = (row[p] ?? 0) / (top[p] ?? 0);
      row[p] = factor;
      if (factor === 0) continue;
      for (let j = p + 1; j < n; j += 1) row[j] = (row[j] ?? 0) - factor * (top[j] ?? 0);
    }
  }
  return (right) => {
    const x = order.map((row) => right[row] ?? 0);
    for (let i = 0; i < n; i += 1) for (let j = 0; j < i; j += 1) x[i] = (x[i] ?? 0) - at(i, j) * (x[j] ?? 0);
    for (let i = n - 1; i >= 0; i -= 1) {
      for (let j = i + 1; j < n; j += 1) x[i] = (x[i] ?? 0) - at(i, j) * (x[j] ?? 0);
      x[i] = (x[i] ?? 0) / at(i, i);
    }
    return x;
  };
}
