/**
 * A job as it travels: its payload is the command's, everything else is in headers.
 *
 * A dead letter is the same payload with what became of it in more headers, so that it is as large as the job was and can
 * be published again as it stands.
 */
import { isSubjectTail, jobIdProblem, ownJobId } from "@bioxen/contracts";
import type { ReplyError } from "@bioxen/kernel";
import { headers, type MsgHdrs } from "@nats-io/nats-core";
import { MESSAGE_ID_HEADER } from "./bus.ts";

/** The job's own id where the message id is another: who publishes it again must not be taken for a duplicate. */
const JOB_ID_HEADER = "Bioxen-Job-Id";
/** 1 when it is published, one more each time it is published again. */
const ROUND_HEADER = "Bioxen-Job-Round";
/** When it was first stored, epoch ms. */
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
/** Bytes of an error in a header; a longer one goes without its details, which are in the outcome. */
const MAX_ERROR_HEADER_BYTES = 16_384;
/** Characters of its message then. */
const MAX_ERROR_MESSAGE_LENGTH = 2_048;

/** A message as a stream holds it or a consumer gives it. */
export interface JobCarrier {
  readonly subject: string;
  readonly seq: number;
  readonly data: Uint8Array;
  readonly headers?: MsgHdrs | undefined;
  /** When the stream stored it. */
  readonly storedAtMs: number;
}

export interface Job extends JobCarrier {
  readonly id: string;
  /** What is wrong with the id it was published under; undefined: nothing. */
  readonly idProblem: string | undefined;
  readonly round: number;
  readonly firstAtMs: number;
}

export function jobOf(carrier: JobCarrier): Job {
  const { seq, storedAtMs, headers: h } = carrier;
  const given = h?.get(JOB_ID_HEADER) || undefined;
  const again = given !== undefined && isSubjectTail(given);
  const messageId = h?.get(MESSAGE_ID_HEADER) || undefined;
  const idProblem = again ? undefined : jobIdProblem(messageId);
  return {
    ...carrier,
    id: again ? given : idProblem === undefined ? (messageId as string) : ownJobId(seq),
    idProblem,
    round: positive(h?.get(ROUND_HEADER)) ?? 1,
    firstAtMs: positive(h?.get(FIRST_AT_HEADER)) ?? storedAtMs,
  };
}

/** What could not be carried out, why, and how often it was tried. */
export interface DeadLetter {
  readonly id: string;
  /** The subject it was published to. */
  readonly subject: string;
  readonly round: number;
  /** Tries of its last round. */
  readonly attempts: number;
  readonly error: ReplyError;
  readonly firstAtMs: number;
  readonly diedAtMs: number;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs;
  /** Where it is in its stream. */
  readonly seq: number;
}

export function deadLetterHeaders(job: Job, error: ReplyError, attempts: number): MsgHdrs {
  const h = passedOn(job.headers);
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

/** The headers under which a dead letter is published again, as the next round. */
export function nextRoundHeaders(letter: DeadLetter): MsgHdrs {
  const h = passedOn(letter.headers);
  h.set(JOB_ID_HEADER, letter.id);
  h.set(ROUND_HEADER, String(letter.round + 1));
  h.set(FIRST_AT_HEADER, String(letter.firstAtMs));
  return h;
}

export interface StoredOutcome {
  readonly subject: string;
  readonly round: number;
  /** Where it is in its stream. */
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

/** What the publisher gave along: not what JetStream reads, which was meant for another message, and not what is ours. */
function passedOn(from: MsgHdrs | undefined): MsgHdrs {
  const h = headers();
  for (const name of from?.keys() ?? []) {
    if (/^nats-/i.test(name) || OWN_HEADERS.includes(name)) continue;
    for (const value of from?.values(name) ?? []) h.append(name, value);
  }
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
