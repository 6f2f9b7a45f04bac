/**
 * LU factorisation with partial pivoting of a small matrix. One instance serves many matrices of the same size.
 *
 * The elimination skips zero factors, and the class stores for each row where its non-zeros begin. The cost is
 * therefore low if the caller orders its variables from the most loosely to the most densely coupled. Only the
 * constructor allocates memory, because this is the inner loop of every simulated cell.
 */
export class LuFactorisation {
  readonly size: number;
  /** The matrix, row-major, size×size. The caller fills it; `factorise` overwrites it with the factors L and U. */
  readonly matrix: Float64Array;
  readonly #pivots: Int32Array;
  /** For each row, the index of the first non-zero column left of the diagonal. */
  readonly #lowerStart: Int32Array;
  /** For each row, the index of the first non-zero column right of the diagonal. */
  readonly #upperStart: Int32Array;

  constructor(size: number) {
    this.size = size;
    this.matrix = new Float64Array(size * size);
    this.#pivots = new Int32Array(size);
    this.#lowerStart = new Int32Array(size);
    this.#upperStart = new Int32Array(size);
  }

  /**
   * Factorises `matrix` in place and returns whether that succeeded. It fails when every pivot of a column is zero or
   * not finite; the caller must not call `solve` then.
   */
  factorise(): boolean {
    const matrix = this.matrix;
    const n = this.size;
    for (let k = 0; k < n; k++) {
      const pivotRow = this.#largestBelow(k);
      const pivot = matrix[pivotRow * n + k] as number;
      if (!(pivot !== 0 && Number.isFinite(pivot))) return false;
      this.#pivots[k] = pivotRow;
      if (pivotRow !== k) this.#swapRows(k, pivotRow);
      const top = k * n;
      const first = this.#firstNonZero(top, k + 1, n);
      this.#upperStart[k] = first;
      for (let row = k + 1; row < n; row++) {
        const start = row * n;
        const entry = matrix[start + k] as number;
        if (entry === 0) continue;
        const factor = entry / pivot;
        matrix[start + k] = factor;
        for (let column = first; column < n; column++) {
          matrix[start + column] =
            (matrix[start + column] as number) - factor * (matrix[top + column] as number);
        }
      }
    }
    for (let row = 0; row < n; row++) this.#lowerStart[row] = this.#firstNonZero(row * n, 0, row);
    return true;
  }

  /**
   * Replaces `vector` by the solution x of matrix·x = vector. The matrix is the one that `factorise` last factorised.
   */
  solve(vector: Float64Array): void {
    const matrix = this.matrix;
    const n = this.size;
    for (let k = 0; k < n; k++) {
      const from = this.#pivots[k] as number;
      if (from === k) continue;
      const held = vector[from] as number;
      vector[from] = vector[k] as number;
      vector[k] = held;
    }
    for (let row = 1; row < n; row++) {
      let sum = vector[row] as number;
      for (let column = this.#lowerStart[row] as number; column < row; column++) {
        sum -= (matrix[row * n + column] as number) * (vector[column] as number);
      }
      vector[row] = sum;
    }
    for (let row = n - 1; row >= 0; row--) {
      let sum = vector[row] as number;
      for (let column = this.#upperStart[row] as number; column < n; column++) {
        sum -= (matrix[row * n + column] as number) * (vector[column] as number);
      }
      vector[row] = sum / (matrix[row * n + row] as number);
    }
  }

  #firstNonZero(start: number, from: number, to: number): number {
    let column = from;
    while (column < to && this.matrix[start + column] === 0) column += 1;
    return column;
  }

  #largestBelow(k: number): number {
    const matrix = this.matrix;
    const n = this.size;
    let best = k;
    let size = Math.abs(matrix[k * n + k] as number);
    for (let row = k + 1; row < n; row++) {
      const candidate = Math.abs(matrix[row * n + k] as number);
      if (candidate > size) {
        best = row;
        size = candidate;
      }
    }
    return best;
  }

  #swapRows(a: number, b: number): void {
    const matrix = this.matrix;
    const n = this.size;
    for (let column = 0; column < n; column++) {
      const held = matrix[a * n + column] as number;
      matrix[a * n + column] = matrix[b * n + column] as number;
      matrix[b * n + column] = held;
    }
  }
}
