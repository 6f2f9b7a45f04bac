/**
 * The message form of a job: its payload is the command's, everything else is in headers.
 *
 * A dead letter has the payload of its job, and a few more headers that say why the job failed. The payload therefore
 * stays within the size limit, and can be published again unchanged.
 */
import { isSubjectTail, jobIdProblem, ownJobId } from "@bioxen/contracts";
import type { ReplyError } from "@bioxen/kernel";
import { headers, type MsgHdrs } from "@nats-io/nats-core";
import { MESSAGE_ID_HEADER } from "./bus.ts";
import { checkedHeaders, decodedFields, type ReadHeaders, withinLimits } from "./request-headers.ts";

/**
 * Header with the job's id, in a message whose message id is not the job's id. The publication of a later round has
 * another message id, so that JetStream does not discard the publication as a duplicate.
 */
const JOB_ID_HEADER = "Bioxen-Job-Id";
/** Header with the number of the round: 1 at the first publication, and 1 more at each later one. */
const ROUND_HEADER = "Bioxen-Job-Round";
/** Header with the instant at which the stream first stored the job, epoch ms. */
const FIRST_AT_HEADER = "Bioxen-Job-First-At-Ms";
const SUBJECT_HEADER = "Bioxen-Job-Subject";
const ATTEMPTS_HEADER = "Bioxen-Job-Attempts";
const ERROR_HEADER = "Bioxen-Job-Error";
const OWN_HEADERS = [
  JOB_ID_HEADER,
  ROUND_HEADER,
  FIRST_AT_HEADER,
  SUBJECT_HEADER,
  ATTEMPTS_HEADER,
  ERROR_HEADER,
];
/** Largest error in a header, bytes. The header of a larger error omits the details, which the job's outcome has. */
const MAX_ERROR_HEADER_BYTES = 16_384;
/** Longest message of an error without details, characters. */
const MAX_ERROR_MESSAGE_LENGTH = 2_048;

/** A message as a stream stores it or a consumer delivers it. */
export interface JobCarrier {
  readonly subject: string;
  readonly seq: number;
  readonly data: Uint8Array;
  /** The headers; undefined when the message has none, or when they cannot be decoded. */
  readonly headers?: MsgHdrs | undefined;
  /** The checked headers that BioXen reads, or the problems for which the headers are refused. */
  readonly read: ReadHeaders;
  /** Instant at which the stream stored the message, epoch ms. */
  readonly storedAtMs: number;
}

export interface Job extends JobCarrier {
  readonly id: string;
  /** The reason why the id under which the job was published is invalid; undefined for a valid id. */
  readonly idProblem: string | undefined;
  readonly round: number;
  readonly firstAtMs: number;
}

export function jobOf(carrier: JobCarrier): Job {
  const { seq, storedAtMs, headers: h } = carrier;
  const given = h?.get(JOB_ID_HEADER) || undefined;
  const hasJobId = given !== undefined && isSubjectTail(given);
  const messageId = h?.get(MESSAGE_ID_HEADER) || undefined;
  const idProblem = hasJobId ? undefined : jobIdProblem(messageId);
  return {
    ...carrier,
    id: hasJobId ? given : idProblem === undefined ? (messageId as string) : ownJobId(seq),
    idProblem,
    round: positive(h?.get(ROUND_HEADER)) ?? 1,
    firstAtMs: positive(h?.get(FIRST_AT_HEADER)) ?? storedAtMs,
  };
}

/** A job that failed permanently, with the error and the number of tries. */
export interface DeadLetter {
  readonly id: string;
  /** The subject of the job. */
  readonly subject: string;
  readonly round: number;
  /** Number of tries in the last round. */
  readonly attempts: number;
  readonly error: ReplyError;
  readonly firstAtMs: number;
  readonly diedAtMs: number;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs;
  /** Sequence in the stream of dead letters. */
  readonly seq: number;
}

export function deadLetterHeaders(job: Job, error: ReplyError, attempts: number): MsgHdrs {
  const h = publisherHeaders(job.headers);
  h.set(JOB_ID_HEADER, job.id);
  h.set(SUBJECT_HEADER, job.subject);
  h.set(ROUND_HEADER, String(job.round));
  h.set(ATTEMPTS_HEADER, String(attempts));
  h.set(FIRST_AT_HEADER, String(job.firstAtMs));
  h.set(ERROR_HEADER, headerError(error));
  return h;
}

export function deadLetterOf({ seq, data, headers: h, storedAtMs }: JobCarrier): DeadLetter {
  const fields = h ?? headers();
  return {
    id: fields.get(JOB_ID_HEADER),
    subject: fields.get(SUBJECT_HEADER),
    round: positive(fields.get(ROUND_HEADER)) ?? 1,
    attempts: positive(fields.get(ATTEMPTS_HEADER)) ?? 0,
    error: JSON.parse(fields.get(ERROR_HEADER)) as ReplyError,
    firstAtMs: positive(fields.get(FIRST_AT_HEADER)) ?? storedAtMs,
    diedAtMs: storedAtMs,
    data,
    headers: fields,
    seq,
  };
}

/** Returns the headers with which a dead letter is published again as a job, in the next round. */
export function nextRoundHeaders(letter: DeadLetter): MsgHdrs {
  const h = publisherHeaders(letter.headers);
  h.set(JOB_ID_HEADER, letter.id);
  h.set(ROUND_HEADER, String(letter.round + 1));
  h.set(FIRST_AT_HEADER, String(letter.firstAtMs));
  return h;
}

export interface StoredOutcome {
  readonly subject: string;
  readonly round: number;
  /** Sequence in the stream of outcomes. */
  readonly seq: number;
  readonly data: Uint8Array;
}

export function outcomeHeaders(job: Job): MsgHdrs {
  const h = headers();
  h.set(SUBJECT_HEADER, job.subject);
  h.set(ROUND_HEADER, String(job.round));
  return h;
}

export function outcomeOf({ seq, data, headers: h }: JobCarrier): StoredOutcome {
  return { seq, data, subject: h?.get(SUBJECT_HEADER) ?? "", round: positive(h?.get(ROUND_HEADER)) ?? 1 };
}

/**
 * Reads the headers of a stored message; never throws. The message id has its own rules (`jobIdProblem`): in a later
 * round the message id is longer than the id of the job.
 */
export function jobHeaders(decode: () => MsgHdrs | undefined): Pick<JobCarrier, "headers" | "read"> {
  const { fields, decoded, problem } = decodedFields(decode);
  if (problem !== undefined) return { headers: undefined, read: { ok: false, problems: [problem] } };
  return { headers: decoded, read: checkedHeaders(fields.filter(([name]) => name !== MESSAGE_ID_HEADER)) };
}

/** Reads the headers of a job that a service stores for its publisher. `stored` returns the headers to store it with. */
export function takenInHeaders(decode: () => MsgHdrs | undefined) {
  const { decoded } = decodedFields(decode);
  return {
    messageId: decoded?.get(MESSAGE_ID_HEADER) || undefined,
    stored(id: string): MsgHdrs {
      const h = publisherHeaders(decoded);
      h.set(JOB_ID_HEADER, id);
      return h;
    },
  };
}

/**
 * Returns the publisher's own headers: all except the headers that JetStream reads and the headers that this file
 * defines. Leaves out headers beyond the limits of a request. A job that was refused for such a header is therefore
 * stored, and retried, without that header.
 */
function publisherHeaders(from: MsgHdrs | undefined): MsgHdrs {
  const own = decodedFields(() => from).fields.filter(
    ([name]) => !/^nats-/i.test(name) && !OWN_HEADERS.includes(name),
  );
  const h = headers();
  for (const [name, value] of withinLimits(own)) h.append(name, value);
  return h;
}

function headerError(error: ReplyError): string {
  const whole = JSON.stringify(error);
  if (new TextEncoder().encode(whole).byteLength <= MAX_ERROR_HEADER_BYTES) return whole;
  const { code, message, retryable } = error;
  return JSON.stringify({ code, message: message.slice(0, MAX_ERROR_MESSAGE_LENGTH), retryable });
}

function positive(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : undefined;
}
