/**
 * Ends the jobs that no service owns: their subject names an unknown aggregate.
 */
import { COMMAND_PREFIX, commandSubject, JOB_AGGREGATES, JOB_STREAM } from "@bioxen/contracts";
import type { Timers } from "@bioxen/kernel";
import { type AttemptOptions, problemOf } from "./job-attempt.ts";
import type { JobStore } from "./job-store.ts";

/**
 * Interval of the searches for stray jobs (jobs that no service owns), ms. It may be long, because no caller waits for
 * stray jobs.
 */
const STRAY_LOOK_MS = 1_000;
/** Maximum number of stray jobs of one subject that one search turns into dead letters. */
const STRAYS_PER_LOOK = 256;

export interface StrayJobsOptions extends Pick<AttemptOptions, "onFault"> {
  readonly timers: Timers;
}

/**
 * Turns jobs that no service owns into dead letters. Without this class they would stay, because no service's consumer
 * delivers them.
 */
export class StrayJobs {
  readonly #store: JobStore;
  readonly #onFault: (subject: string, thrown: unknown) => void;
  readonly #looks: { cancel(): void };
  #working: Promise<void> | undefined;

  constructor(store: JobStore, { onFault, timers }: StrayJobsOptions) {
    this.#store = store;
    this.#onFault = onFault;
    this.#looks = timers.every(STRAY_LOOK_MS, () => {
      this.#working ??= this.#look().finally(() => {
        this.#working = undefined;
      });
    });
  }

  async end(): Promise<void> {
    this.#looks.cancel();
    await this.#working;
  }

  async #look(): Promise<void> {
    try {
      for (const subject of await this.#store.waitingSubjects()) {
        if (isOwned(subject)) continue;
        for (const job of await this.#store.waiting(STRAYS_PER_LOOK, subject)) {
          const error = problemOf(job);
          if (error === undefined) continue;
          await this.#store.bury(job, error, 0);
          await this.#store.removeJob(job.seq);
        }
      }
    } catch (thrown) {
      this.#onFault(JOB_STREAM, thrown);
    }
  }
}

function isOwned(subject: string): boolean {
  const aggregate = commandSubject(subject).slice(COMMAND_PREFIX.length).split(".")[0] ?? "";
  return JOB_AGGREGATES.includes(aggregate);
}
