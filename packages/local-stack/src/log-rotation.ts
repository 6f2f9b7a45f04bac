/**
 * Keeps the logs of a stack's processes within a size. A process has its log open for as long as it runs, so a full log
 * is copied and then emptied: the processes append, and go on at the beginning of the empty file. A line that is written
 * between the last copy and the emptying, some microseconds, is lost.
 */
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";

/** Size at which a log is rotated, bytes: about 100 000 lines. */
export const MAX_LOG_BYTES = 16 * 1024 * 1024;
/** Number of older logs that are kept for each process: `<log>.1` is the youngest. */
export const KEPT_LOGS = 3;
/** Time between two looks at the sizes, ms. A process that logs 50 MB/s is over the limit by 250 MB. */
const LOOK_INTERVAL_MS = 5_000;
/** Older logs hold ids too. */
const OWNER_ONLY = 0o600;

export interface LogLimits {
  readonly maxBytes: number;
  readonly kept: number;
}

const LIMITS: LogLimits = { maxBytes: MAX_LOG_BYTES, kept: KEPT_LOGS };

/** Rotates the logs that `files` returns, until the returned function is called. A failed rotation is reported once per log. */
export function rotateLogs(
  files: () => readonly string[],
  report: (line: string) => void,
  limits: LogLimits = LIMITS,
  intervalMs = LOOK_INTERVAL_MS,
): () => void {
  const failed = new Set<string>();
  const timer = setInterval(() => {
    for (const file of files()) {
      try {
        rotateWhenFull(file, limits);
      } catch (thrown) {
        if (!failed.has(file)) report(`cannot rotate ${file}: ${(thrown as Error).message}`);
        failed.add(file);
      }
    }
  }, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Rotates the log if it is full. Returns whether it was. */
export function rotateWhenFull(file: string, { maxBytes, kept }: LogLimits = LIMITS): boolean {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size < maxBytes) return false;
  for (let n = kept - 1; n >= 1; n -= 1) {
    if (statSync(`${file}.${n}`, { throwIfNoEntry: false }) !== undefined)
      renameSync(`${file}.${n}`, `${file}.${n + 1}`);
  }
  empty(file, `${file}.1`);
  return true;
}

/** Copies the log to `copy`, with what is appended meanwhile, and empties it. */
function empty(file: string, copy: string): void {
  copyFileSync(file, copy);
  const [from, to] = [openSync(file, "r+"), openSync(copy, "a", OWNER_ONLY)];
  try {
    const chunk = Buffer.alloc(64 * 1024);
    let at = statSync(copy).size;
    for (;;) {
      const read = readSync(from, chunk, 0, chunk.length, at);
      if (read === 0) break;
      writeSync(to, chunk, 0, read);
      at += read;
    }
    ftruncateSync(from, 0);
  } finally {
    closeSync(from);
    closeSync(to);
  }
}
