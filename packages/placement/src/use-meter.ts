/**
 * Measures how full one chassis is over time: time-weighted means and peaks, in thousandths of its offer at each
 * moment.
 *
 * All arithmetic is on integers (thousandths rounded down, times whole milliseconds), so that equal replays give equal
 * bytes.
 */
import { type Amounts, amountOf } from "@bioxen/kernel";

export interface ChassisUse {
  readonly chassisId: string;
  readonly chassisType: string;
  /** Time for which the chassis existed and was measured, ms. */
  readonly presentMs: number;
  readonly meanPermille: Readonly<Record<string, number>>;
  readonly peakPermille: Readonly<Record<string, number>>;
  /** Largest number of VMs on the chassis at one time. */
  readonly peakVms: number;
}

export class UseMeter {
  readonly #chassisId: string;
  readonly #chassisType: string;
  #sinceMs: number;
  #atMs: number;
  #permille: Record<string, number> = {};
  #sums: Record<string, number> = {};
  #peaks: Record<string, number> = {};
  #vms = 0;
  #peakVms = 0;

  constructor(chassisId: string, chassisType: string, atMs: number) {
    this.#chassisId = chassisId;
    this.#chassisType = chassisType;
    this.#sinceMs = atMs;
    this.#atMs = atMs;
  }

  /** Sets the use, the offer and the number of VMs from `atMs` on. */
  set(used: Amounts, offered: Amounts, vms: number, atMs: number): void {
    this.#elapse(atMs);
    this.#permille = {};
    for (const name of Object.keys(offered).sort()) {
      const whole = amountOf(offered, name);
      this.#permille[name] = whole === 0 ? 0 : Math.floor((amountOf(used, name) * 1_000) / whole);
    }
    this.#vms = vms;
    this.#notePeaks();
  }

  /** Discards the measurement so far, and starts a new one with the present use. */
  restart(atMs: number): void {
    this.#sinceMs = atMs;
    this.#atMs = atMs;
    this.#sums = {};
    this.#peaks = {};
    this.#peakVms = 0;
    this.#notePeaks();
  }

  read(atMs: number): ChassisUse {
    this.#elapse(atMs);
    const presentMs = this.#atMs - this.#sinceMs;
    const means = Object.entries(this.#sums).map(([name, sum]) => [
      name,
      presentMs === 0 ? 0 : Math.floor(sum / presentMs),
    ]);
    return {
      chassisId: this.#chassisId,
      chassisType: this.#chassisType,
      presentMs,
      meanPermille: Object.fromEntries(means),
      peakPermille: { ...this.#peaks },
      peakVms: this.#peakVms,
    };
  }

  #elapse(atMs: number): void {
    const elapsedMs = Math.max(0, atMs - this.#atMs);
    for (const [name, permille] of Object.entries(this.#permille)) {
      this.#sums[name] = (this.#sums[name] ?? 0) + permille * elapsedMs;
    }
    this.#atMs += elapsedMs;
  }

  #notePeaks(): void {
    for (const [name, permille] of Object.entries(this.#permille)) {
      this.#peaks[name] = Math.max(this.#peaks[name] ?? 0, permille);
    }
    this.#peakVms = Math.max(this.#peakVms, this.#vms);
  }
}
