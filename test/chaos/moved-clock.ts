/**
 * Preloaded into every service: a wall clock that the harness sets, as an operator sets the clock of a host. Timers
 * stay monotonic, as in an operating system. The offset, ms, is in a file that all services read.
 */
import { readFileSync } from "node:fs";

/** Interval at which a process reads the file, ms: the clocks of two processes differ for no longer than this. */
const LOOK_INTERVAL_MS = 50;

const file = process.env["BIOXEN_CHAOS_CLOCK_FILE"] ?? "";
const TrueDate = globalThis.Date;
let offsetMs = 0;

function look(): void {
  try {
    offsetMs = Number(readFileSync(file, "utf8")) || 0;
  } catch {
    offsetMs = 0;
  }
}

class MovedDate extends TrueDate {
  constructor(...given: [] | [number | string | Date]) {
    if (given.length === 0) super(TrueDate.now() + offsetMs);
    else super(...given);
  }

  static override now(): number {
    return TrueDate.now() + offsetMs;
  }
}

look();
setInterval(look, LOOK_INTERVAL_MS).unref();
globalThis.Date = MovedDate as DateConstructor;
