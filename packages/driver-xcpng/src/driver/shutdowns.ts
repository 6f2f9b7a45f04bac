/**
 * The stops of machines that are under way. A later stop can shorten the time that a machine has for a clean shutdown.
 */
interface Stop {
  readonly vmId: string;
  readonly fence: number;
  readonly abort: AbortController;
  /** Instant at which the machine's time ends, by the monotonic clock, ms. */
  endsAtMs: number;
  timer: NodeJS.Timeout | undefined;
}

export class Shutdowns {
  readonly #underWay = new Set<Stop>();

  /**
   * Runs `work`, which stops the machine. Its signal aborts when the machine's time is over: `graceMs` of this stop, or
   * that of a later stop if it ends sooner. Undefined: this stop sets no limit.
   */
  async run(
    vmId: string,
    fence: number,
    graceMs: number | undefined,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const abort = new AbortController();
    const stop: Stop = { vmId, fence, abort, endsAtMs: Number.POSITIVE_INFINITY, timer: undefined };
    this.#underWay.add(stop);
    if (graceMs !== undefined) this.#limit(vmId, fence, graceMs);
    try {
      await work(abort.signal);
    } finally {
      clearTimeout(stop.timer);
      this.#underWay.delete(stop);
    }
  }

  /** Limits every stop of the VM, except one of a newer reservation. A limit never extends an earlier one. */
  #limit(vmId: string, fence: number, graceMs: number): void {
    const endsAtMs = performance.now() + graceMs;
    for (const stop of this.#underWay) {
      if (stop.vmId !== vmId || stop.fence > fence || endsAtMs >= stop.endsAtMs) continue;
      stop.endsAtMs = endsAtMs;
      clearTimeout(stop.timer);
      if (graceMs === 0) stop.abort.abort();
      else stop.timer = setTimeout(() => stop.abort.abort(), graceMs);
    }
  }
}
