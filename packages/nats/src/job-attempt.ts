/**
 * One try of one job, up to the acknowledgement that everything about it is stored.
 *
 * The job's id is its command's message id, so a try after a crash, a try of another instance, and a request under the same id
 * have one effect. What a try found is stored before the job leaves the queue; a crash between costs a look.
 */
import {
  type AfterAttempt,
  afterAttempt,
  answersJob,
  commandSubject,
  isJobCommand,
  ownJobId,
  refuse,
  type ServedEndpoint,
} from "@bioxen/contracts";
import type { Reply, ReplyError } from "@bioxen/kernel";
import { carriedOut, causationOf, faultAsError, overLimit, replyOf } from "./command.ts";
import type { Job } from "./job-message.ts";
import type { JobStore } from "./job-store.ts";
import type { Outcomes } from "./outcomes.ts";

/** Wait while the service or its stores are away, ms; such a wait is no try. */
const AWAY_WAIT_MS = 500;
/** Processes that may end while they work on one try of a job before it is given up. */
const MAX_DEATHS = 5;

export interface AttemptOptions {
  readonly endpoints: readonly ServedEndpoint[];
  readonly outcomes: Outcomes;
  readonly store: JobStore;
  readonly newId: () => string;
  /** Why nothing can be carried out now; undefined: all is well. */
  readonly unavailable: () => string | undefined;
  readonly onFault: (subject: string, thrown: unknown) => void;
}

/** A job and how often it was tried in this process. */
export interface Trying {
  readonly job: Job;
  attempts: number;
}

export type AfterTry = { readonly kind: "done" } | { readonly kind: "again"; readonly afterMs: number };

export class JobAttempts {
  readonly #options: AttemptOptions;
  readonly #served: ReadonlyMap<string, ServedEndpoint>;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.#served = new Map(options.endpoints.map((served) => [served.endpoint.subject, served]));
  }

  /** Done: the outcome is stored, and the dead letter where it is one; the job can leave the queue. Never throws. */
  async try(trying: Trying): Promise<AfterTry> {
    try {
      return await this.#try(trying);
    } catch (thrown) {
      this.#options.onFault(trying.job.subject, thrown);
      return { kind: "again", afterMs: AWAY_WAIT_MS };
    }
  }

  async #try(trying: Trying): Promise<AfterTry> {
    const { store, unavailable } = this.#options;
    if (unavailable() !== undefined) return { kind: "again", afterMs: AWAY_WAIT_MS };
    const job = await this.#named(trying.job);
    if (answersJob(await store.outcome(job.id), job)) return { kind: "done" };
    const after = await this.#after(job, trying.attempts + 1);
    trying.attempts += 1;
    if (after.kind === "again") return { kind: "again", afterMs: after.afterMs };
    if (after.kind === "settled") await store.settle(job, after.reply);
    else await store.bury(job, after.error, trying.attempts);
    return { kind: "done" };
  }

  /** The job under the name its outcome gets: its own, unless that is another job's. */
  async #named(job: Job): Promise<Job> {
    if (job.idProblem !== undefined) return job;
    const stored = await this.#options.store.outcome(job.id);
    if (stored === undefined || stored.subject === job.subject) return job;
    const idProblem = `has the Nats-Msg-Id of another job, ${job.id} on ${stored.subject}`;
    return { ...job, id: ownJobId(job.seq), idProblem };
  }

  async #after(job: Job, attempt: number): Promise<AfterAttempt> {
    const hopeless = problemOf(job);
    if (hopeless !== undefined) return { kind: "dead", error: hopeless };
    return afterAttempt(await this.#reply(job, attempt), attempt);
  }

  async #reply(job: Job, attempt: number): Promise<Reply> {
    const { outcomes, newId, onFault } = this.#options;
    const subject = commandSubject(job.subject);
    const served = this.#served.get(subject);
    if (served === undefined) {
      return {
        ok: false,
        error: { code: "UNAVAILABLE", message: `${subject} is not served here`, retryable: true },
      };
    }
    const causation = {
      ...causationOf(subject, job.headers, newId, job.id),
      statedAtMs: job.firstAtMs,
    };
    const key =
      job.round === 1 && attempt === 1
        ? causation.causeId
        : `${causation.causeId} round ${job.round} attempt ${attempt}`;
    try {
      return replyOf(await outcomes.once(key, () => carriedOut(served, job.data, causation), MAX_DEATHS));
    } catch (thrown) {
      onFault(job.subject, thrown);
      return { ok: false, error: faultAsError(thrown) };
    }
  }
}

/** Why no try of this job can come to anything; undefined: it may. */
export function problemOf(job: Job): ReplyError | undefined {
  const subject = commandSubject(job.subject);
  const refusal =
    job.idProblem !== undefined
      ? refuse("BAD_REQUEST", `the job ${job.idProblem}`)
      : isJobCommand(subject)
        ? overLimit(job.data)
        : refuse("BAD_REQUEST", `there is no command ${subject}`);
  if (refusal === undefined) return undefined;
  const reply = replyOf(refusal);
  return reply.ok ? undefined : reply.error;
}
