/**
 * The caller's side of durable commands: submit a job, read its outcome, retry or drop dead letters.
 */
import {
  commandSubject,
  ENDPOINTS,
  isJobCommand,
  isSubjectTail,
  jobIdProblem,
  jobOutcomeSubject,
  jobSubject,
  mappedParts,
  publishedJobId,
} from "@bioxen/contracts";
import { Fault, type Reply } from "@bioxen/kernel";
import type { Bus } from "./bus.ts";
import { tenantOf } from "./feed-log.ts";
import { type DeadLetter, type Job, nextRoundHeaders } from "./job-message.ts";
import { JobStore } from "./job-store.ts";

/**
 * Interval at which a waiting caller reads the outcome, ms. The announcement of an outcome is not enough: it can be
 * lost, or can come before the outcome is stored.
 */
const LOOK_INTERVAL_MS = 100;
/** Longest wait for the answer of the service that knows the outcomes, ms. */
const OUTCOME_TIMEOUT_MS = 5_000;
/** Maximum number of tries to publish one job. All tries carry the same message id, so the job is stored once. */
const MAX_PUBLISH_TRIES = 4;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface Submitted {
  readonly id: string;
  /**
   * True when the stream did not store this job, because it had stored a job with the same id in the last two minutes.
   */
  readonly duplicate: boolean;
}

export class Jobs {
  readonly #bus: Bus;
  #store: Promise<JobStore> | undefined;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /**
   * Stores a command as a job. The service that owns the command carries it out as soon as that service runs. Resolves
   * when the job is on disk. `command` is a command subject of the catalogue. Throws `Fault`: BAD_REQUEST for an
   * invalid id or an unknown command, TOO_LARGE for a payload above the size limit, UNAVAILABLE for every other
   * failure. `publishedAs` returns the subject on which to publish the job, for a service that speaks for a principal.
   */
  async submit(
    command: string,
    payload: unknown,
    messageId: string,
    publishedAs: (subject: string) => string = (subject) => subject,
  ): Promise<Submitted> {
    const idProblem = jobIdProblem(messageId);
    if (idProblem !== undefined) throw badRequest(`the job ${idProblem}`);
    if (!isJobCommand(command)) throw badRequest(`unknown command ${command}`);
    const store = await this.#reach();
    const data = encoder.encode(JSON.stringify(payload));
    const { duplicate } = await insist(() =>
      store.publish(publishedAs(jobSubject(command)), data, { messageId }),
    );
    return { id: messageId, duplicate };
  }

  /**
   * Returns the reply to the job's command. The reply exists from the end of the job for 24 h; before and after that
   * time the result is undefined.
   */
  async outcome(id: string): Promise<Reply | undefined> {
    if (!isSubjectTail(id)) return undefined;
    if ((await tenantOf(this.#bus)) !== undefined) return this.#outcomeOfTenant(id);
    const stored = await (await this.#reach()).outcome(id);
    return stored === undefined ? undefined : (JSON.parse(decoder.decode(stored.data)) as Reply);
  }

  /**
   * Waits for the outcome of a job and returns it. Returns undefined when the job has no outcome after `timeoutMs`.
   * Continues to wait while the outcomes cannot be read. Throws the fault when they are still unreadable after
   * `timeoutMs`.
   */
  async waitForOutcome(id: string, timeoutMs: number): Promise<Reply | undefined> {
    if (!isSubjectTail(id)) return undefined;
    const deadline = Date.now() + timeoutMs;
    let wake: () => void = () => undefined;
    const isTenant = (await tenantOf(this.#bus)) !== undefined;
    const announced = isTenant ? undefined : this.#bus.subscribe(jobOutcomeSubject(id), () => wake());
    try {
      for (;;) {
        const outcome = await this.outcome(id).catch((thrown: unknown) => {
          if (!(thrown instanceof Fault) || !thrown.retryable || Date.now() >= deadline) throw thrown;
          return undefined;
        });
        const leftMs = deadline - Date.now();
        if (outcome !== undefined || leftMs <= 0) return outcome;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, Math.min(LOOK_INTERVAL_MS, leftMs));
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    } finally {
      announced?.stop();
    }
  }

  /** Asks a service, because a tenant must not read the stream of all outcomes. */
  async #outcomeOfTenant(id: string): Promise<Reply | undefined> {
    const options = { timeoutMs: OUTCOME_TIMEOUT_MS };
    const reply = await this.#bus.call(ENDPOINTS.jobOutcomeGet.subject, { id }, options);
    if (reply.ok) return (reply["outcome"] as Reply | null) ?? undefined;
    // The intake may still be storing the job.
    if (reply.error.code === "JOB_NOT_FOUND") return undefined;
    const { code, message, retryable } = reply.error;
    throw new Fault(code === "UNAVAILABLE" || code === "FORBIDDEN" ? code : "INTERNAL", message, {
      retryable,
    });
  }

  async waiting(limit: number): Promise<Job[]> {
    return (await this.#reach()).waiting(limit);
  }

  async deadLetters(limit: number): Promise<DeadLetter[]> {
    return (await this.#reach()).deadLetters(limit);
  }

  async deadLetter(id: string): Promise<DeadLetter | undefined> {
    return isSubjectTail(id) ? (await this.#reach()).deadLetter(id) : undefined;
  }

  /**
   * Publishes a dead letter again, as the next round under the same id, and removes the outcome of the failed round.
   * The dead letter is removed last, so that it can be retried again after a crash. Returns undefined when no such dead
   * letter exists. Throws `Fault` FORBIDDEN for the job of a tenant: under the name of another caller it would do
   * something else.
   */
  async retry(id: string): Promise<DeadLetter | undefined> {
    const letter = await this.deadLetter(id);
    if (letter === undefined) return undefined;
    const store = await this.#reach();
    const failed = await store.outcome(id);
    const round = letter.round + 1;
    // The stream drops a message whose id it has seen in the last two minutes. The id contains the round: of two
    // concurrent retries of one round, only the first is stored.
    const options = { headers: nextRoundHeaders(letter), messageId: `${id} round ${round}` };
    // On a server with keys, the stored subject names the principal that sent the job. The retry acts for its own caller.
    const { identity, subject = letter.subject } = mappedParts(letter.subject) ?? {};
    if (identity?.role === "tenant") throw ofTenant(id, identity.name);
    await insist(() => store.publish(subject, letter.data, options));
    if (failed !== undefined && failed.round < round) await store.removeOutcome(failed.seq);
    await store.removeDeadLetter(letter.seq);
    return letter;
  }

  /**
   * Removes a dead letter and returns it. The failed outcome of its job stays readable for its 24 h. Returns undefined
   * when no such dead letter exists.
   */
  async drop(id: string): Promise<DeadLetter | undefined> {
    const letter = await this.deadLetter(id);
    if (letter !== undefined) await (await this.#reach()).removeDeadLetter(letter.seq);
    return letter;
  }

  #reach(): Promise<JobStore> {
    this.#store ??= JobStore.open(this.#bus).catch((thrown: unknown) => {
      this.#store = undefined;
      throw thrown;
    });
    return this.#store;
  }
}

/** Returns the command subject of a job or a dead letter. */
export function commandOf({ subject }: { readonly subject: string }): string {
  return commandSubject(subject);
}

function ofTenant(id: string, tenant: string): Fault {
  const message = `job ${publishedJobId(id)} is one of the tenant ${tenant}, who can submit it again under another id`;
  return new Fault("FORBIDDEN", message, { retryable: false });
}

function badRequest(message: string): Fault {
  return new Fault("BAD_REQUEST", message, { retryable: false });
}

async function insist<T>(publish: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await publish();
    } catch (thrown) {
      if (!(thrown instanceof Fault) || !thrown.retryable || attempt === MAX_PUBLISH_TRIES) throw thrown;
    }
  }
}
