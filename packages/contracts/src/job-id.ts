/**
 * The ids of jobs. An id is the header `Nats-Msg-Id` of its publication and a part of the subject of its outcome.
 */
import * as z from "zod";
import { MAX_HEADER_BYTES } from "./request-limits.ts";

/**
 * Maximum length of a job id, in characters. The maximum length of a header applies. The id is also part of a subject,
 * and the NATS server allows 4 096 bytes for a whole protocol line.
 */
export const MAX_JOB_ID_LENGTH = MAX_HEADER_BYTES;
/** Prefix of the ids that BioXen assigns. An id that a publisher chooses must not begin with it. */
const OWN_ID_PREFIX = "_";

/**
 * Matches the last part of a job's subject: non-empty tokens of printable ASCII without spaces and wildcards, separated
 * by dots.
 */
const SUBJECT_TAIL = /^[!-)+-\-/-=?-~]+(?:\.[!-)+-\-/-=?-~]+)*$/;

const TENANT_JOB_ID = /^_of\.[a-z0-9-]+\.(.+)$/;

export const jobId = z
  .string()
  .max(MAX_JOB_ID_LENGTH)
  .refine(isSubjectTail, "must be the id of a job: no spaces, no * or >, no empty parts between dots");

/** Returns why `messageId` cannot be the id of a job; undefined when it can. */
export function jobIdProblem(messageId: string | undefined): string | undefined {
  if (messageId === undefined || messageId === "") return "has no Nats-Msg-Id, so its outcome has no name";
  if (messageId.length > MAX_JOB_ID_LENGTH)
    return `has a Nats-Msg-Id of more than ${MAX_JOB_ID_LENGTH} characters`;
  if (messageId.startsWith(OWN_ID_PREFIX))
    return `has a Nats-Msg-Id that begins with "${OWN_ID_PREFIX}", as only BioXen's own do`;
  if (!isSubjectTail(messageId))
    return "has a Nats-Msg-Id that cannot be part of a subject: no spaces, no * or >, no empty parts between dots";
  return undefined;
}

export function isSubjectTail(id: string): boolean {
  return id.length <= MAX_JOB_ID_LENGTH && SUBJECT_TAIL.test(id);
}

/**
 * Returns the id under which the job of a tenant is stored. The ids of two tenants never meet, and no publisher can
 * choose such an id.
 */
export function tenantJobId(tenant: string, id: string): string {
  return `${OWN_ID_PREFIX}of.${tenant}.${id}`;
}

/** Returns the id that the publisher gave to a job which is stored under `id`. */
export function publishedJobId(id: string): string {
  return TENANT_JOB_ID.exec(id)?.[1] ?? id;
}

/** Returns the id for a job that was published without a usable id, derived from its sequence in the job stream. */
export function ownJobId(streamSeq: number): string {
  return `${OWN_ID_PREFIX}seq-${streamSeq}`;
}
