/**
 * The real clock, timers, ids and logger behind the kernel's ports.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Clock, IdSource, Logger, Timers } from "@bioxen/kernel";
import { type DestinationStream, type LogFn, type Logger as PinoLogger, pino } from "pino";
import { exportLine } from "./log-export.ts";
import { traceFields } from "./tracing.ts";

export const systemClock: Clock = { nowMs: () => Date.now() };

/** Longest delay of `setTimeout`, ms; with a longer one it would fire at once. */
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

/** Number of digits for the time in an id: epoch ms in base 36. Nine digits last until the year 5188. */
const TIME_DIGITS = 9;
/** Number of random bytes in an id. With 80 bits, two ids of the same millisecond collide once in 10^24. */
const RANDOM_BYTES = 10;

/** Ids of 9 digits of time in base 36 and 20 random hexadecimal digits: sortable, lower case, one subject token. */
export const randomIds: IdSource = {
  next: () => Date.now().toString(36).padStart(TIME_DIGITS, "0") + randomBytes(RANDOM_BYTES).toString("hex"),
};

/** Ids of the form `host/pid/id`: an operator who reads the holder of a lease finds its process. */
export const namedIds: IdSource = { next: () => `${hostname()}/${process.pid}/${randomIds.next()}` };

/** Logs JSON lines with the ids of the current trace to `destination`, by default to stderr; stdout stays free. */
export function createLogger(
  service: string,
  level: string,
  destination: DestinationStream = pino.destination({ dest: 2, sync: true }),
): Logger {
  return pino(
    { level, base: { service, pid: process.pid }, mixin: traceFields, hooks: { logMethod } },
    destination,
  );
}

function logMethod(this: PinoLogger, args: Parameters<LogFn>, method: LogFn, level: number): void {
  exportLine(level, args);
  method.apply(this, args);
}
