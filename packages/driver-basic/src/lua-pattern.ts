/**
 * A matcher for Lua patterns outside Lua, so that a match can be interrupted.
 *
 * Lua's own matcher is C code without a hook: `("a"):rep(30000):find(".-.-.-.-b")` would block the thread for years.
 * This matcher counts its steps and stops at a limit. It follows the reference manual, §6.4.1, on bytes, with the
 * classes of the C locale. A test compares it with the library on random patterns and subjects.
 *
 * Patterns are interpreted without compilation, because they are short and mostly used once.
 */
import { MAX_CAPTURES, MAX_PATTERN_DEPTH, MAX_PATTERN_STEPS } from "./limits.ts";

/**
 * Thrown if the pattern is malformed or takes too long. The error text equals Lua's text for the same problem, if Lua
 * reports that problem.
 */
export class PatternError extends Error {}

/** One capture: a range of the subject, or a position in the subject, counted from 1. */
export type Capture = { readonly from: number; readonly to: number } | { readonly position: number };

interface OpenCapture {
  readonly from: number;
  /**
   * The index in the subject at which the capture ends. "open" while the capture has no end yet; "position" for a
   * position capture.
   */
  to: number | "open" | "position";
}

const FAIL = -1;
const [ESCAPE, OPEN, CLOSE, SET, SET_END, CARET, DOLLAR, DASH, STAR, PLUS, OPTIONAL] = Array.from(
  "%()[]^$-*+?",
  (c) => c.charCodeAt(0),
) as [number, number, number, number, number, number, number, number, number, number, number];
const LOWER_B = 0x62;
const LOWER_F = 0x66;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

export class PatternMatch {
  readonly #subject: Uint8Array;
  readonly #pattern: Uint8Array;
  #captures: OpenCapture[] = [];
  #depth = 0;
  #steps = 0;

  constructor(subject: Uint8Array, pattern: Uint8Array) {
    this.#subject = subject;
    this.#pattern = pattern;
  }

  /** The number of steps of this matcher so far, over all calls of `at`. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * Matches the pattern, from its byte `patternFrom` on, against the subject from its byte `start` on. Returns the
   * index after the match, or -1 if there is none.
   */
  at(start: number, patternFrom: number): number {
    this.#captures = [];
    this.#depth = 0;
    return this.#match(start, patternFrom);
  }

  /**
   * Returns the captures of the last match. For a pattern without captures, returns `whole`, the range of the whole
   * match, or nothing if `whole` is undefined.
   */
  captures(whole?: { readonly from: number; readonly to: number }): Capture[] {
    if (this.#captures.length === 0) return whole === undefined ? [] : [whole];
    return this.#captures.map(({ from, to }): Capture => {
      if (to === "open") throw new PatternError("unfinished capture");
      return to === "position" ? { position: from + 1 } : { from, to };
    });
  }

  #step(): void {
    this.#steps += 1;
    if (this.#steps > MAX_PATTERN_STEPS) {
      throw new PatternError(`pattern too complex: more than ${MAX_PATTERN_STEPS} steps on this subject`);
    }
  }

  #match(start: number, patternStart: number): number {
    this.#depth += 1;
    if (this.#depth > MAX_PATTERN_DEPTH) throw new PatternError("pattern too complex");
    try {
      return this.#items(start, patternStart);
    } finally {
      this.#depth -= 1;
    }
  }

  /** Matches the rest of the pattern item by item; only items with several possible matches recurse. */
  #items(start: number, patternStart: number): number {
    const pattern = this.#pattern;
    let s = start;
    let p = patternStart;
    while (p < pattern.length) {
      this.#step();
      const item = pattern[p];
      const next = pattern[p + 1];
      if (item === OPEN) return this.#openCapture(s, p);
      if (item === CLOSE) return this.#closeCapture(s, p);
      if (item === DOLLAR && p + 1 === pattern.length) return s === this.#subject.length ? s : FAIL;
      if (item === ESCAPE && next === LOWER_B) {
        s = this.#balanced(s, p + 2);
        p += 4;
      } else if (item === ESCAPE && next === LOWER_F) {
        const end = this.#frontierEnd(p + 2);
        if (!this.#atFrontier(s, p + 2, end)) return FAIL;
        p = end;
      } else if (item === ESCAPE && next !== undefined && next >= DIGIT_0 && next <= DIGIT_9) {
        s = this.#repeatedCapture(s, next - DIGIT_0);
        p += 2;
      } else {
        const end = this.#itemEnd(p);
        const suffix = pattern[end];
        if (suffix === STAR) return this.#longest(s, s, p, end);
        if (suffix === PLUS) return this.#single(s, p, end) ? this.#longest(s, s + 1, p, end) : FAIL;
        if (suffix === DASH) return this.#shortest(s, p, end);
        const matches = this.#single(s, p, end);
        if (suffix === OPTIONAL) {
          const taken = matches ? this.#match(s + 1, end + 1) : FAIL;
          if (taken !== FAIL) return taken;
          p = end + 1;
        } else if (matches) {
          s += 1;
          p = end;
        } else return FAIL;
      }
      if (s === FAIL) return FAIL;
    }
    return s;
  }

  /**
   * Matches as many repetitions of the item as possible, then fewer, until the rest of the pattern matches. `least` is
   * the minimum number of repetitions.
   */
  #longest(from: number, least: number, p: number, end: number): number {
    let s = from;
    while (this.#single(s, p, end)) s += 1;
    for (; s >= least; s -= 1) {
      const result = this.#match(s, end + 1);
      if (result !== FAIL) return result;
    }
    return FAIL;
  }

  #shortest(from: number, p: number, end: number): number {
    for (let s = from; ; s += 1) {
      const result = this.#match(s, end + 1);
      if (result !== FAIL) return result;
      if (!this.#single(s, p, end)) return FAIL;
    }
  }

  #openCapture(s: number, p: number): number {
    if (this.#captures.length >= MAX_CAPTURES) throw new PatternError("too many captures");
    const isPosition = this.#pattern[p + 1] === CLOSE;
    this.#captures.push({ from: s, to: isPosition ? "position" : "open" });
    const result = this.#match(s, isPosition ? p + 2 : p + 1);
    if (result === FAIL) this.#captures.pop();
    return result;
  }

  #closeCapture(s: number, p: number): number {
    const capture = this.#captures.findLast(({ to }) => to === "open");
    if (capture === undefined) throw new PatternError("invalid pattern capture");
    capture.to = s;
    const result = this.#match(s, p + 1);
    if (result === FAIL) capture.to = "open";
    return result;
  }

  #repeatedCapture(s: number, number: number): number {
    const capture = this.#captures[number - 1];
    if (capture === undefined || capture.to === "open") {
      throw new PatternError(`invalid capture index %${number}`);
    }
    if (capture.to === "position") return FAIL;
    const length = capture.to - capture.from;
    if (s + length > this.#subject.length) return FAIL;
    for (let i = 0; i < length; i += 1) {
      this.#step();
      if (this.#subject[capture.from + i] !== this.#subject[s + i]) return FAIL;
    }
    return s + length;
  }

  #balanced(start: number, p: number): number {
    const opening = this.#pattern[p];
    const closing = this.#pattern[p + 1];
    if (opening === undefined || closing === undefined) {
      throw new PatternError("malformed pattern (missing arguments to '%b')");
    }
    if (start >= this.#subject.length || this.#subject[start] !== opening) return FAIL;
    let open = 1;
    for (let s = start + 1; s < this.#subject.length; s += 1) {
      this.#step();
      const byte = this.#subject[s];
      if (byte === closing) {
        open -= 1;
        if (open === 0) return s + 1;
      } else if (byte === opening) open += 1;
    }
    return FAIL;
  }

  #frontierEnd(p: number): number {
    if (this.#pattern[p] !== SET) throw new PatternError("missing '[' after '%f' in pattern");
    return this.#itemEnd(p);
  }

  /**
   * Returns whether position `s` of the subject is a frontier of the set: the byte before `s` is outside the set and
   * the byte at `s` is inside it. Beyond the ends of the subject, bytes count as 0.
   */
  #atFrontier(s: number, p: number, end: number): boolean {
    return !this.#inSet(this.#subject[s - 1] ?? 0, p, end) && this.#inSet(this.#subject[s] ?? 0, p, end);
  }

  /** Returns the index after the single item at index `p` of the pattern: one byte, `%x`, or a set. */
  #itemEnd(p: number): number {
    const pattern = this.#pattern;
    if (pattern[p] === ESCAPE) {
      if (p + 1 >= pattern.length) throw new PatternError("malformed pattern (ends with '%')");
      return p + 2;
    }
    if (pattern[p] !== SET) return p + 1;
    let at = pattern[p + 1] === CARET ? p + 2 : p + 1;
    // A `]` directly after the opening `[` or `[^` is literal.
    do {
      if (at >= pattern.length) throw new PatternError("malformed pattern (missing ']')");
      at += pattern[at] === ESCAPE && at + 1 < pattern.length ? 2 : 1;
    } while (pattern[at] !== SET_END);
    return at + 1;
  }

  #single(s: number, p: number, end: number): boolean {
    this.#step();
    const byte = this.#subject[s];
    if (byte === undefined) return false;
    const item = this.#pattern[p];
    if (item === 0x2e) return true;
    if (item === ESCAPE) return inClass(byte, this.#pattern[p + 1] ?? 0);
    if (item === SET) return this.#inSet(byte, p, end);
    return item === byte;
  }

  /**
   * Returns whether the byte is in the set of the pattern that starts with `[` at `p`. `end` is the index after its
   * `]`.
   */
  #inSet(byte: number, p: number, end: number): boolean {
    const pattern = this.#pattern;
    const last = end - 1;
    const negated = pattern[p + 1] === CARET;
    let at = negated ? p + 2 : p + 1;
    while (at < last) {
      this.#step();
      const item = pattern[at] ?? 0;
      const upTo = pattern[at + 2] ?? 0;
      if (item === ESCAPE) {
        if (inClass(byte, pattern[at + 1] ?? 0)) return !negated;
        at += 2;
      } else if (pattern[at + 1] === DASH && at + 2 < last) {
        if (item <= byte && byte <= upTo) return !negated;
        at += 3;
      } else {
        if (item === byte) return !negated;
        at += 1;
      }
    }
    return negated;
  }
}

/** Returns whether the pattern has no special bytes, so that a plain search gives the same result. */
export function isPlain(pattern: Uint8Array): boolean {
  return !pattern.some((byte) => SPECIAL.has(byte));
}
const SPECIAL = new Set(Array.from("^$*+?.([%-", (c) => c.charCodeAt(0)));

const CLASSES: Readonly<Record<string, (byte: number) => boolean>> = {
  a: isLetter,
  c: (byte) => byte < 32 || byte === 127,
  d: isDigit,
  g: (byte) => byte > 32 && byte < 127,
  l: isLower,
  p: (byte) => byte > 32 && byte < 127 && !isLetter(byte) && !isDigit(byte),
  s: (byte) => byte === 32 || (byte >= 9 && byte <= 13),
  u: isUpper,
  w: (byte) => isLetter(byte) || isDigit(byte),
  x: (byte) => isDigit(byte) || ((byte | 32) >= 0x61 && (byte | 32) <= 0x66),
  // `%z` matches a zero byte. The manual no longer has this class, but the library still does.
  z: (byte) => byte === 0,
};

/**
 * Returns whether `%letter` matches the byte. A class has a lower-case letter; the same letter in upper case matches
 * the complement of that class. Any other character matches itself.
 */
function inClass(byte: number, letter: number): boolean {
  const test = isLetter(letter) ? CLASSES[String.fromCharCode(letter | 32)] : undefined;
  if (test === undefined) return letter === byte;
  return isLower(letter) ? test(byte) : !test(byte);
}

function isLower(byte: number): boolean {
  return byte >= 0x61 && byte <= 0x7a;
}
function isUpper(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}
function isLetter(byte: number): boolean {
  return isLower(byte | 32) && byte < 128;
}
function isDigit(byte: number): boolean {
  return byte >= DIGIT_0 && byte <= DIGIT_9;
}
