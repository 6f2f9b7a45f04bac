/**
 * The newest samples of one VM, for its live charts: at most {@link MAX_POINTS}, then every second one is dropped and
 * from there on every second one is kept, so that a page that stays open keeps the whole course.
 */
import type { VmSample } from "./types.ts";

export const MAX_POINTS = 600;

export class Recent {
  readonly points: VmSample[] = [];
  #every = 1;
  #seen = 0;

  add(sample: VmSample): boolean {
    const last = this.points.at(-1);
    if (last !== undefined && sample.atMs <= last.atMs) return false;
    // A guest that continues from an earlier state begins its course again.
    if (last !== undefined && sample.simMinutes < last.simMinutes) this.clear();
    this.#seen += 1;
    if (this.#seen % this.#every !== 0) return false;
    this.points.push(sample);
    if (this.points.length > MAX_POINTS) {
      const kept = this.points.filter((_, at) => at % 2 === 1);
      this.points.splice(0, this.points.length, ...kept);
      this.#every *= 2;
    }
    return true;
  }

  clear(): void {
    this.points.length = 0;
    this.#every = 1;
    this.#seen = 0;
  }
}
