/**
 * Reads and writes the three streams of durable commands: waiting jobs, outcomes and dead letters. The callers of the
 * store are the worker that carries jobs out, and the tools of operators. The store decides nothing. Its callers repeat
 * each write until the server acknowledges the write.
 */
import {
  ALL_DEAD_LETTERS,
  answersJob,
  DEAD_LETTER_STREAM,
  DEAD_LETTER_STREAM_CONFIG,
  dataWithoutSecrets,
  deadLetterSubject,
  JOB_OUTCOME_STREAM,
  JOB_OUTCOME_STREAM_CONFIG,
  JOB_STREAM,
  jobOutcomeSubject,
  MAX_STORED_JOB_BYTES,
} from "@bioxen/contracts";
import { Fault, messageOf, type Reply, type ReplyError } from "@bioxen/kernel";
import {
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type StoredMsg,
} from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/nats-core";
import type { Bus } from "./bus.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";
import {
  type DeadLetter,
  deadLetterHeaders,
  deadLetterOf,
  type Job,
  type JobCarrier,
  jobHeaders,
  jobOf,
  outcomeHeaders,
  outcomeOf,
  type StoredOutcome,
} from "./job-message.ts";
import { isGone, isMessageTooLarge, isWrongLastSequence } from "./server-codes.ts";

/** Longest wait for the server's acknowledgement of one published message, ms. */
const ACK_TIMEOUT_MS = 2_000;

/** Number of parts of the queue that a search for one job reads at the same time. */
const SEARCHES_AT_ONCE = 16;

/** Every subject of a stream. */
const ANY_SUBJECT = ">";

const encoder = new TextEncoder();

export interface PublishOptions {
  readonly headers?: MsgHdrs;
  readonly messageId?: string;
  /**
   * Sequence that the last message of the subject must have, else the publication fails; 0: the subject must be empty.
   */
  readonly expectedSeq?: number;
}

/** Creates a stream of the catalogue again when it is gone. Throws when the server refuses. */
export type RestoreStream = (stream: string) => Promise<void>;

export class JobStore {
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #restore: RestoreStream | undefined;

  constructor(js: JetStreamClient, jsm: JetStreamManager, restore?: RestoreStream) {
    this.#js = js;
    this.#jsm = jsm;
    this.#restore = restore;
  }

  /**
   * Opens the store of jobs, outcomes and dead letters. Throws `Fault` UNAVAILABLE when the server has no JetStream or
   * does not answer. With `restore`, a stream that was deleted is created again by the next call that needs it.
   */
  static async open(bus: Bus, restore?: RestoreStream): Promise<JobStore> {
    return withFaults("JetStream", async () => {
      const manager = await streamManagerOf(bus);
      return new JobStore(jetStreamOf(bus), manager, restore);
    });
  }

  /**
   * Publishes a message. Throws `Fault`: TOO_LARGE for a payload above the size limit of the stream, CONFLICT when the
   * last sequence of the subject is not `expectedSeq`, UNAVAILABLE for every other failure.
   */
  async publish(subject: string, data: Uint8Array, options: PublishOptions = {}) {
    const { headers, messageId, expectedSeq } = options;
    return this.#reach(streamOf(subject), `the stream of ${subject}`, () =>
      this.#js.publish(subject, data, {
        timeout: ACK_TIMEOUT_MS,
        ...(headers === undefined ? {} : { headers }),
        ...(messageId === undefined ? {} : { msgID: messageId }),
        ...(expectedSeq === undefined ? {} : { expect: { lastSubjectSequence: expectedSeq } }),
      }),
    );
  }

  async outcome(jobId: string): Promise<StoredOutcome | undefined> {
    const stored = await this.#get(JOB_OUTCOME_STREAM, { last_by_subj: jobOutcomeSubject(jobId) });
    return stored === undefined ? undefined : outcomeOf(stored);
  }

  /**
   * Stores the outcome of a job. Does nothing when the job's present round already has an outcome: the first one stays.
   */
  async settle(job: Job, reply: Reply): Promise<void> {
    const data = encoder.encode(JSON.stringify(reply));
    const before = await this.outcome(job.id);
    if (answersJob(before, job)) return;
    await this.publish(
      jobOutcomeSubject(job.id),
      data.byteLength > MAX_STORED_JOB_BYTES ? shortened(reply) : data,
      {
        headers: outcomeHeaders(job),
        expectedSeq: before?.seq ?? 0,
      },
    );
  }

  /**
   * Stores the dead letter of a job, and only then its outcome, so that a client that sees the outcome can already
   * retry the job.
   */
  async bury(job: Job, error: ReplyError, attempts: number): Promise<void> {
    // A malformed request can have been refused for a secret, or before its secret was found. It never succeeds as it is.
    const data = error.code === "BAD_REQUEST" ? dataWithoutSecrets(job.data) : job.data;
    await this.publish(deadLetterSubject(job.id), data, {
      headers: deadLetterHeaders(job, error, attempts),
    });
    await this.settle(job, { ok: false, error });
  }

  async deadLetter(jobId: string): Promise<DeadLetter | undefined> {
    const stored = await this.#get(DEAD_LETTER_STREAM, { last_by_subj: deadLetterSubject(jobId) });
    return stored === undefined ? undefined : deadLetterOf(stored);
  }

  /** Returns at most `limit` dead letters, the oldest first. */
  async deadLetters(limit: number): Promise<DeadLetter[]> {
    return (await this.#walk(DEAD_LETTER_STREAM, ALL_DEAD_LETTERS, limit)).map(deadLetterOf);
  }

  /** Returns at most `limit` jobs without an outcome, in progress or not, the oldest first. */
  async waiting(limit: number, subject: string = ANY_SUBJECT): Promise<Job[]> {
    return (await this.#walk(JOB_STREAM, subject, limit)).map(jobOf);
  }

  /** Returns the waiting job with this sequence; undefined when it has left the queue. */
  async waitingAt(seq: number): Promise<Job | undefined> {
    const stored = await this.#get(JOB_STREAM, { seq });
    return stored === undefined ? undefined : jobOf(stored);
  }

  /**
   * Returns the waiting job with this id; undefined when there is none. The stream has no index by id, so the queue is
   * read in parts, all at the same time.
   */
  async find(jobId: string): Promise<Job | undefined> {
    const { state } = await this.#reach(JOB_STREAM, JOB_STREAM, () => this.#jsm.streams.info(JOB_STREAM));
    const { first_seq: first, last_seq: last } = state;
    const step = Math.max(1, Math.ceil((last - first + 1) / SEARCHES_AT_ONCE));
    let found: Job | undefined;
    const search = async (from: number): Promise<void> => {
      for (let seq = from; found === undefined; ) {
        const next = await this.#get(JOB_STREAM, { seq, next_by_subj: ANY_SUBJECT });
        if (next === undefined || next.seq >= from + step) return;
        const job = jobOf(next);
        if (job.id === jobId) found = job;
        seq = next.seq + 1;
      }
    };
    const starts = Array.from({ length: SEARCHES_AT_ONCE }, (_, i) => first + i * step);
    await Promise.all(starts.filter((from) => from <= last).map(search));
    return found;
  }

  /** Returns the subjects that have waiting jobs. */
  async waitingSubjects(): Promise<readonly string[]> {
    const { state } = await this.#reach(JOB_STREAM, JOB_STREAM, () =>
      this.#jsm.streams.info(JOB_STREAM, { subjects_filter: ANY_SUBJECT }),
    );
    return Object.keys(state.subjects ?? {});
  }

  removeJob(seq: number): Promise<void> {
    return this.#remove(JOB_STREAM, seq);
  }
  removeOutcome(seq: number): Promise<void> {
    return this.#remove(JOB_OUTCOME_STREAM, seq);
  }
  removeDeadLetter(seq: number): Promise<void> {
    return this.#remove(DEAD_LETTER_STREAM, seq);
  }

  /** Removes a message. Idempotent: an absent message counts as removed. */
  async #remove(stream: string, seq: number): Promise<void> {
    await withFaults(stream, async () => {
      await this.#jsm.streams.deleteMessage(stream, seq, false).catch((cause: unknown) => {
        if (!(cause instanceof JetStreamApiError)) throw cause;
      });
    });
  }

  async #walk(stream: string, subject: string, limit: number): Promise<JobCarrier[]> {
    const found: JobCarrier[] = [];
    for (let seq = 1; found.length < limit; ) {
      const next = await this.#get(stream, { seq, next_by_subj: subject });
      if (next === undefined) break;
      found.push(next);
      seq = next.seq + 1;
    }
    return found;
  }

  /**
   * Returns the message that `query` selects; undefined when there is none. Reads it from the leader of the stream,
   * which has every acknowledged message.
   */
  async #get(
    stream: string,
    query: { last_by_subj: string } | { seq: number; next_by_subj?: string },
  ): Promise<JobCarrier | undefined> {
    const stored = await this.#reach(stream, stream, () => this.#jsm.streams.getMessage(stream, query));
    return stored === null ? undefined : carrierOf(stored);
  }

  /** Calls `work`. If the stream is gone, restores the stream and calls `work` once more. */
  #reach<T>(stream: string, what: string, work: () => Promise<T>): Promise<T> {
    return withFaults(what, async () => {
      try {
        return await work();
      } catch (cause) {
        if (this.#restore === undefined || !isGone(cause)) throw cause;
        await this.#restore(stream);
        return await work();
      }
    });
  }
}

/** Returns the stream that stores a subject of jobs, outcomes or dead letters. */
function streamOf(subject: string): string {
  const stream = [JOB_OUTCOME_STREAM_CONFIG, DEAD_LETTER_STREAM_CONFIG].find(({ subjects }) =>
    subject.startsWith(subjects[0].slice(0, -1)),
  );
  return stream?.name ?? JOB_STREAM;
}

function carrierOf(stored: StoredMsg): JobCarrier {
  const { subject, seq, data, time } = stored;
  return { subject, seq, data, ...jobHeaders(() => stored.header), storedAtMs: time.getTime() };
}

/** Returns the outcome to store instead of a reply that exceeds the size limit of the stream. */
function shortened(reply: Reply): Uint8Array {
  const limit = MAX_STORED_JOB_BYTES;
  const message = reply.ok
    ? "it was carried out; its result is larger than an outcome may be"
    : `${reply.error.code}: ${reply.error.message.slice(0, 1_024)}`;
  const code = reply.ok ? "TOO_LARGE" : reply.error.code;
  return encoder.encode(
    JSON.stringify({ ok: false, error: { code, message, retryable: false, details: { limit } } }),
  );
}

async function withFaults<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (isWrongLastSequence(cause)) {
      throw new Fault("CONFLICT", `${what} was changed by another writer: retry`, { retryable: true, cause });
    }
    if (isMessageTooLarge(cause)) {
      const details = { limit: MAX_STORED_JOB_BYTES };
      throw new Fault("TOO_LARGE", `the limit of ${what} is ${MAX_STORED_JOB_BYTES} bytes: send less`, {
        retryable: false,
        cause,
        details,
      });
    }
    throw new Fault("UNAVAILABLE", `${what} is unreachable: ${messageOf(cause)}`, {
      retryable: true,
      cause,
    });
  }
}
