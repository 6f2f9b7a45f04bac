/**
 * The real clock, timers, ids and logger behind the kernel's ports.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Clock, IdSource, Logger, Timers } from "@bioxen/kernel";
import { pino } from "pino";
import { traceFields } from "./tracing.ts";

export const systemClock: Clock = { nowMs: () => Date.now() };

/** Longest delay `setTimeout` keeps, ms; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemTimers: Timers = {
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, LONGEST_TIMER_MS));
    return { cancel: () => clearTimeout(timer) };
  },
  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs);
    return { cancel: () => clearInterval(timer) };
  },
};

/** Nine digits of base 36 last until the year 5188. */
const TIME_DIGITS = 9;
/** 80 random bits: two ids of one millisecond collide once in 10^24. */
const RANDOM_BYTES = 10;

/** 9 characters of time in base 36, 20 of randomness in hexadecimal: sortable, lower case, one subject token. */
export const randomIds: IdSource = {
  next: () => Date.now().toString(36).padStart(TIME_DIGITS, "0") + randomBytes(RANDOM_BYTES).toString("hex"),
};

/** `host/pid/id`: who reads the holder of a lease knows where to look. */
export const namedIds: IdSource = { next: () => `${hostname()}/${process.pid}/${randomIds.next()}` };

/** JSON lines on stderr, with the trace that is worked for; stdout stays free. */
export function createLogger(service: string, level: string): Logger {
  return pino(
    { level, base: { service, pid: process.pid }, mixin: traceFields },
    pino.destination({ dest: 2, sync: true }),
  );
}
