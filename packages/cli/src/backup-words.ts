/**
 * Backups in words, and their progress on a terminal.
 */
import type { Manifest, StepListener } from "@bioxen/backup";
import { Progress } from "./progress.ts";
import { wallClock } from "./quantities.ts";

const BAR_CELLS = 20;

/** A progress bar on stderr, on a terminal only. */
export class BackupProgress {
  readonly #progress: Progress;
  #step: Parameters<StepListener>[0] = { what: "", done: 0 };

  constructor(verb: string) {
    this.#progress = new Progress(() => `${verb} ${stepWords(this.#step)}`);
  }

  readonly seen: StepListener = (step) => {
    this.#step = step;
    this.#progress.seen(step.done);
  };

  end(): void {
    this.#progress.end();
  }
}

function stepWords({ what, done, of }: Parameters<StepListener>[0]): string {
  if (of === undefined || of === 0) return `${what}: ${done}`;
  const filled = Math.min(BAR_CELLS, Math.floor((done / of) * BAR_CELLS));
  return `${what} [${"#".repeat(filled)}${"-".repeat(BAR_CELLS - filled)}] ${done} of ${of}`;
}

export function backupWords({ log, createdAtMs, version }: Manifest): string {
  return `event #${log.seq} of cluster ${log.clusterId}, written ${wallClock(createdAtMs)} by BioXen ${version}`;
}

const KIB = 1024;

export function bytesInWords(bytes: number): string {
  if (bytes < KIB) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), units.length);
  return `${(bytes / KIB ** power).toFixed(1)} ${units[power - 1]}`;
}
