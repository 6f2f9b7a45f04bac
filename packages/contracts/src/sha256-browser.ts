/**
 * SHA-256 in plain JavaScript, for browsers (FIPS 180-4, section 6.2).
 *
 * Web Crypto computes SHA-256 only asynchronously, but `decodeEvent` is synchronous. This code is slower, which does
 * not matter in a browser that reads a few events a second. Node uses sha256-node.ts.
 */

type State = [number, number, number, number, number, number, number, number];

const BLOCK_BYTES = 64;
/**
 * The first 64 prime numbers. All constants of SHA-256 derive from their square and cube roots (FIPS 180-4, 4.2.2 and
 * 5.3.3).
 */
const PRIMES = firstPrimes(64);
const INITIAL_STATE = PRIMES.slice(0, 8).map((prime) => fractionBits(Math.sqrt(prime))) as State;
const ROUND_CONSTANTS = PRIMES.map((prime) => fractionBits(Math.cbrt(prime)));

function firstPrimes(count: number): number[] {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n += 1) {
    if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  }
  return primes;
}

/**
 * Returns the first 32 bits of `root` after the binary point. JavaScript engines may round roots differently, but only
 * in lower bits.
 */
function fractionBits(root: number): number {
  return ((root - Math.floor(root)) * 2 ** 32) | 0;
}

const rotated = (word: number, bits: number) => (word >>> bits) | (word << (32 - bits));

/** Returns the SHA-256 digest of `bytes` as 64 hexadecimal digits. */
export function sha256(bytes: Uint8Array): string {
  const padded = pad(bytes);
  let state = INITIAL_STATE;
  const schedule = new Int32Array(64);
  for (let offset = 0; offset < padded.byteLength; offset += BLOCK_BYTES) {
    fillSchedule(schedule, padded, offset);
    state = compress(state, schedule);
  }
  return state.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

/**
 * Returns the padded message: the message, then a bit 1, then zeros up to a multiple of 64 bytes. The last 64 bits hold
 * the length of the message in bits.
 */
function pad(bytes: Uint8Array): DataView {
  const blocks = Math.ceil((bytes.byteLength + 9) / BLOCK_BYTES);
  const padded = new Uint8Array(blocks * BLOCK_BYTES);
  padded.set(bytes);
  padded[bytes.byteLength] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.byteLength - 8, BigInt(bytes.byteLength) * 8n);
  return view;
}

function fillSchedule(schedule: Int32Array, view: DataView, offset: number): void {
  for (let t = 0; t < 16; t += 1) schedule[t] = view.getInt32(offset + 4 * t);
  const word = (t: number) => schedule[t] as number;
  for (let t = 16; t < 64; t += 1) {
    const s0 = rotated(word(t - 15), 7) ^ rotated(word(t - 15), 18) ^ (word(t - 15) >>> 3);
    const s1 = rotated(word(t - 2), 17) ^ rotated(word(t - 2), 19) ^ (word(t - 2) >>> 10);
    schedule[t] = word(t - 16) + s0 + word(t - 7) + s1;
  }
}

function compress(state: State, schedule: Int32Array): State {
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < 64; t += 1) {
    const sum1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    const choice = (e & f) ^ (~e & g);
    const t1 = (h + sum1 + choice + (ROUND_CONSTANTS[t] as number) + (schedule[t] as number)) | 0;
    const sum0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    [a, b, c, d, e, f, g, h] = [(t1 + sum0 + majority) | 0, a, b, c, (d + t1) | 0, e, f, g];
  }
  const working: State = [a, b, c, d, e, f, g, h];
  return state.map((word, i) => (word + (working[i] as number)) | 0) as State;
}
