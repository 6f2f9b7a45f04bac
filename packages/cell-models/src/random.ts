/**
 * Seeded random numbers of one cell: the generator sfc32 (public domain, C. Doty-Humphrey), a fair binomial, Poisson
 * numbers and the age of a cell of a growing population.
 *
 * The generator uses integer operations only, and the distributions only operations whose result IEEE 754 fixes (no
 * logarithm), so a seed gives the same cell on every machine. The snapshot of a cell
 * contains the four words of the generator's state.
 */

/** State of a generator: four 32-bit words. */
export type RandomState = [number, number, number, number];

/** Number of rounds discarded after seeding, as the author of sfc32 recommends for seeds that differ in few bits. */
const WARM_UP_ROUNDS = 16;
/**
 * Maximum number of coins that are thrown one by one. For more coins, the binomial is approximated by a sum of
 * uniforms, exact to 1e-3 of a standard deviation.
 */
const MAX_COINS = 1024;
/**
 * Number of uniform random numbers in the sum that approximates a binomial. Twelve have a total variance of 1, and
 * their sum stays within ±6 standard deviations.
 */
const UNIFORMS = 12;
/** Largest mean of a Poisson number that is an integer. The method takes about as many uniforms as its mean. */
const MAX_POISSON_MEAN = 64;
/** Number of terms of the series of e^−x for x of at most 0.5: the first one left out is below 1e-17. */
const SERIES_TERMS = 14;

/** Returns a generator for a seed, which is a safe integer of at least 0. */
export function seedRandom(seed: number): RandomState {
  const state: RandomState = [seed >>> 0, Math.floor(seed / 0x1_0000_0000) >>> 0, 0x9e3779b9, 1];
  for (let i = 0; i < WARM_UP_ROUNDS; i++) nextWord(state);
  return state;
}

/** Returns the next 32 random bits, 0..2^32−1, and advances the state. */
export function nextWord(state: RandomState): number {
  const [a, b, c, counter] = state;
  const word = (a + b + counter) >>> 0;
  state[3] = (counter + 1) >>> 0;
  state[0] = (b ^ (b >>> 9)) >>> 0;
  state[1] = (c + (c << 3)) >>> 0;
  state[2] = (((c << 21) | (c >>> 11)) + word) >>> 0;
  return word;
}

/**
 * Returns the number of heads in `coins` fair throws. Above 1024 coins it returns a random real number instead, which
 * has the same mean and variance as the number of heads.
 */
export function fairBinomial(state: RandomState, coins: number): number {
  if (coins <= MAX_COINS) {
    let heads = 0;
    for (let left = coins; left > 0; left -= 32) {
      const word = nextWord(state);
      heads += bitCount(left >= 32 ? word : word & ((1 << left) - 1));
    }
    return heads;
  }
  let sum = -UNIFORMS / 2;
  for (let i = 0; i < UNIFORMS; i++) sum += uniform(state);
  return coins / 2 + (Math.sqrt(coins) / 2) * sum;
}

/** Returns a random number, 0 ≤ u < 1. */
export function uniform(state: RandomState): number {
  return nextWord(state) / 0x1_0000_0000;
}

/**
 * Returns a Poisson number with this mean. Above 64 it returns a random real number instead, which has the same mean and
 * variance, and is at least 0.
 *
 * Source of the method for small means, which multiplies uniforms: Knuth, The Art of Computer Programming 2, 3.4.1.
 */
export function poisson(state: RandomState, mean: number): number {
  if (mean > MAX_POISSON_MEAN) {
    let sum = -UNIFORMS / 2;
    for (let i = 0; i < UNIFORMS; i++) sum += uniform(state);
    return Math.max(0, mean + Math.sqrt(mean) * sum);
  }
  const limit = negativeExponential(mean);
  let product = uniform(state);
  let count = 0;
  while (product > limit) {
    product *= uniform(state);
    count += 1;
  }
  return count;
}

/**
 * Returns the age of a cell that is picked at random from a population that grows steadily, in ∫λ dt since its last
 * division, 0..ln 2: a share 2^(1−x) of the cells is at the share x of its cycle.
 *
 * Source: Powell, Growth rate and generation time of bacteria, J. Gen. Microbiol. 15:492 (1956), for cycles of equal length.
 */
export function randomAge(state: RandomState): number {
  for (;;) {
    const age = uniform(state) * Math.LN2;
    if (uniform(state) < negativeExponential(age)) return age;
  }
}

/** Returns e^−x, 0 ≤ x ≤ 64, by a series and squarings: its bits do not depend on a library. */
function negativeExponential(x: number): number {
  let halvings = 0;
  let small = x;
  for (; small > 0.5; small /= 2) halvings += 1;
  let [term, sum] = [1, 1];
  for (let n = 1; n <= SERIES_TERMS; n++) {
    term *= -small / n;
    sum += term;
  }
  for (let i = 0; i < halvings; i++) sum *= sum;
  return sum;
}

function bitCount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  bits = (bits + (bits >>> 4)) & 0x0f0f0f0f;
  return Math.imul(bits, 0x01010101) >>> 24;
}
