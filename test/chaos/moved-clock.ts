/**
 * Preloaded into every service: the wall clock as the host's would be after somebody set it. Timers stay monotonic, as they do
 * in an operating system. The offset, ms, is in a file that all processes of the "host" read.
 */
import { readFileSync } from "node:fs";

/** Between two looks at the file, ms: processes disagree for no longer than this. */
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
