/**
 * Which of the waiting jobs is tried next. The principals take turns, as the callers of a lane do (admission.ts): a
 * principal with a thousand jobs delays the job of another one by one try, and not by a thousand.
 *
 * The order of the jobs of one VM is kept elsewhere: only the first of them waits here.
 */
import { Admission, type LaneLimits } from "./admission.ts";

/**
 * 16 tries at one time, each of another VM or chassis, are enough to hide the waits for the disk, and leave room for
 * requests. 8 more are for principals without a try in progress, because a try may take a minute. The worker itself
 * bounds the number of jobs that wait (job-worker.ts), and a job may wait for ever.
 */
const LIMITS: LaneLimits = {
  underWay: 16,
  reserved: 8,
  waiting: Number.POSITIVE_INFINITY,
  waitMs: Number.POSITIVE_INFINITY,
};

export class JobPlaces {
  readonly #admission = new Admission<() => void>(
    LIMITS,
    {
      start: (begin) => begin(),
      refuse: () => {
        throw new Error("a waiting job is never refused");
      },
    },
    () => performance.now(),
  );

  /** Runs `work` when the principal has a place, and returns its result or its rejection. */
  async run<T>(principal: string, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((resolve) => this.#admission.enter(principal, resolve, 1));
    try {
      return await work();
    } finally {
      this.#admission.ended(principal);
    }
  }
}
