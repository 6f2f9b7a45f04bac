/**
 * An optional limit for each caller: a number of commands per second. One burst may contain all commands of a second.
 */

/**
 * Maximum number of callers whose recent commands are counted. Beyond this number, the caller that has sent no command
 * for the longest time is forgotten. That caller then has the allowance of a full second again.
 */
const MAX_CALLERS = 10_000;
const MS_PER_SECOND = 1_000;

interface Allowance {
  left: number;
  atMs: number;
}

export class CallerCeiling {
  readonly #perSecond: number;
  readonly #nowMs: () => number;
  readonly #callers = new Map<string, Allowance>();

  constructor(perSecond: number, nowMs: () => number) {
    this.#perSecond = perSecond;
    this.#nowMs = nowMs;
  }

  /** Counts one command. Returns 0 when the limit allows the command, else the wait until a retry is allowed, ms. */
  take(caller: string): number {
    const nowMs = this.#nowMs();
    const known = this.#callers.get(caller);
    const allowance = known ?? { left: this.#perSecond, atMs: nowMs };
    const earned = ((nowMs - allowance.atMs) * this.#perSecond) / MS_PER_SECOND;
    allowance.left = Math.min(this.#perSecond, allowance.left + earned);
    allowance.atMs = nowMs;
    // The map is kept in the order of the callers' last commands: the caller is removed, and added at the end.
    if (known !== undefined) this.#callers.delete(caller);
    else this.#makeRoom();
    this.#callers.set(caller, allowance);
    if (allowance.left < 1) return Math.ceil(((1 - allowance.left) * MS_PER_SECOND) / this.#perSecond);
    allowance.left -= 1;
    return 0;
  }

  #makeRoom(): void {
    const [leastRecent] = this.#callers.keys();
    if (leastRecent !== undefined && this.#callers.size >= MAX_CALLERS) this.#callers.delete(leastRecent);
  }
}
