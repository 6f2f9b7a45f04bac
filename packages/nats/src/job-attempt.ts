/**
 * Makes one try of one job, and stores its outcome or its dead letter before the job leaves the queue.
 *
 * The id of a job is the message id of its command. A try after a crash, a try of another instance and a request under
 * the same id therefore have one effect. The result is stored before the job leaves the queue, so a crash costs only
 * one more read of that result.
 */
import {
  type AfterAttempt,
  afterAttempt,
  answersJob,
  commandSubject,
  forbiddenTo,
  type HandlerResult,
  type Identity,
  type IdentityMode,
  isJobCommand,
  ownJobId,
  principalOf,
  publishedJobId,
  refuse,
  type ServedEndpoint,
} from "@bioxen/contracts";
import type { Reply, ReplyError } from "@bioxen/kernel";
import { publisherOf } from "./callers.ts";
import {
  badRequest,
  carriedOut,
  causationOf,
  causeIdOf,
  faultAsError,
  observed,
  parseJson,
  payloadTooLarge,
  replyOf,
  withDigest,
} from "./command.ts";
import type { Job } from "./job-message.ts";
import type { JobStore } from "./job-store.ts";
import type { Outcomes } from "./outcomes.ts";
import { payloadDigest } from "./payload-digest.ts";

/** Wait before the next try when the service or its stores are unavailable, ms; the failed try does not count. */
const AWAY_WAIT_MS = 500;
/** Maximum number of tries of a job that end with the death of the process; the job then fails permanently. */
const MAX_DEATHS = 5;

export interface AttemptOptions {
  readonly endpoints: readonly ServedEndpoint[];
  /** Whether the subjects of jobs name their callers; default `open`: they do not. */
  readonly identities?: IdentityMode;
  readonly outcomes: Outcomes;
  readonly store: JobStore;
  readonly newId: () => string;
  /** Returns the size of the largest outcome that the server stores, bytes. */
  readonly maxBytes: () => number;
  /** Returns the reason why no job can be carried out now; undefined when jobs can. */
  readonly unavailable: () => string | undefined;
  readonly onFault: (subject: string, thrown: unknown, principal?: string) => void;
}

/** A job and the number of its tries in this process. */
export interface PendingJob {
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

  /**
   * Makes one try of the job. Returns `done` when the outcome or dead letter is stored and the job may leave the queue,
   * otherwise `again` with the wait before the next try. Never throws.
   */
  async try(pending: PendingJob): Promise<AfterTry> {
    try {
      return await this.#try(pending);
    } catch (thrown) {
      this.#options.onFault(pending.job.subject, thrown);
      return { kind: "again", afterMs: AWAY_WAIT_MS };
    }
  }

  async #try(pending: PendingJob): Promise<AfterTry> {
    const { store, unavailable } = this.#options;
    if (unavailable() !== undefined) return { kind: "again", afterMs: AWAY_WAIT_MS };
    const job = await this.#named(pending.job);
    if (answersJob(await store.outcome(job.id), job)) return { kind: "done" };
    const after = await this.#after(job, pending.attempts + 1);
    pending.attempts += 1;
    if (after.kind === "again") return { kind: "again", afterMs: after.afterMs };
    if (after.kind === "settled") await store.settle(job, after.reply);
    else await store.bury(job, after.error, pending.attempts);
    return { kind: "done" };
  }

  /**
   * Returns the job unchanged, unless a job on another subject has already stored an outcome under the same id. In that
   * case, returns the job with an id made from its sequence and with an `idProblem`. The `idProblem` makes the job a
   * dead letter.
   */
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
    const { outcomes, newId, onFault, identities = "open" } = this.#options;
    const subject = commandSubject(job.subject);
    const served = this.#served.get(subject);
    if (served === undefined) {
      return {
        ok: false,
        error: { code: "UNAVAILABLE", message: `this service does not serve ${subject}`, retryable: true },
      };
    }
    const publisher = publisherOf(identities, job.subject);
    const forbidden = forbiddenTo(publisher.identity, served.endpoint);
    if (forbidden !== undefined) return replyOf(forbidden);
    if (!job.read.ok) return replyOf(badRequest(job.read.problems));
    const payload = parseJson(job.data);
    const options = { digest: payloadDigest(payload, job.data), maxDeaths: MAX_DEATHS };
    const identified = causationOf(
      subject,
      { ...job.read.headers, messageId: publishedJobId(job.id) },
      newId,
      publisher,
    );
    const causation = {
      ...withDigest(identified, served.endpoint, options.digest),
      statedAtMs: job.firstAtMs,
    };
    const key = attemptKey(job, attempt, publisher.identity);
    try {
      const result = await observed(served, payload, causation, async (own) => {
        const carryOut = () => carriedOut(served, payload, own, this.#options.maxBytes());
        try {
          return await outcomes.once(key, carryOut, options);
        } catch (thrown) {
          // Inside the observer, so that the log line belongs to the trace of the job.
          onFault(job.subject, thrown, principalOf(publisher.identity));
          throw thrown;
        }
      });
      return replyOf(result);
    } catch (thrown) {
      return { ok: false, error: faultAsError(thrown) };
    }
  }
}

/**
 * Returns the name under which the outcome of one try is stored. The first try of the first round has the name of a
 * request under the same message id, so that the two have one effect.
 */
export function attemptKey(
  job: Pick<Job, "id" | "subject" | "round">,
  attempt: number,
  publisher: Identity,
): string {
  const causeId = causeIdOf(commandSubject(job.subject), publishedJobId(job.id), publisher);
  return job.round === 1 && attempt === 1 ? causeId : `${causeId} round ${job.round} attempt ${attempt}`;
}

/** Returns the error because of which no try of this job can succeed; undefined for a valid job. */
export function problemOf(job: Job): ReplyError | undefined {
  const subject = commandSubject(job.subject);
  const refusal = refusalOf(job, subject);
  if (refusal === undefined) return undefined;
  const reply = replyOf(refusal);
  return reply.ok ? undefined : reply.error;
}

function refusalOf(job: Job, subject: string): HandlerResult | undefined {
  if (!job.read.ok) return badRequest(job.read.problems);
  if (job.idProblem !== undefined) return refuse("BAD_REQUEST", `the job ${job.idProblem}`);
  return isJobCommand(subject)
    ? payloadTooLarge(job.data)
    : refuse("BAD_REQUEST", `unknown command ${subject}`);
}
