/**
 * The rules of durable commands: the id of a job, the queue it waits in, and what follows an attempt. The rules are
 * pure; packages/nats stores the jobs and carries them out.
 *
 * An attempt has one of three results. The command was carried out or rejected: that reply is the outcome. It was
 * rejected for now: it is retried with growing waits, a bounded number of times. It cannot be carried out, or its
 * attempts are used up: it becomes a dead letter. The error is then its outcome as well, so that a caller never waits
 * forever.
 */
import { type Backoff, backoffDelayMs, type Reply, type ReplyError } from "@bioxen/kernel";
import { ENDPOINTS } from "./endpoints/catalogue.ts";
import type { Endpoint, ServiceName } from "./endpoints/endpoint.ts";
import { COMMAND_PREFIX } from "./subjects.ts";

/**
 * Longest id, in characters. The id is part of a subject, and the server allows 4 096 bytes for the whole protocol
 * line.
 */
export const MAX_JOB_ID_LENGTH = 256;
/**
 * Maximum number of attempts of one job. With the waits below, the last attempt starts half a minute after the first.
 * Most outages are shorter.
 */
export const MAX_JOB_ATTEMPTS = 8;
/** Waits between two attempts. */
const RETRY_BACKOFF: Backoff = { firstMs: 250, ceilingMs: 15_000 };
/** Prefix of the ids that BioXen assigns. An id that a publisher chooses must not begin with it. */
const OWN_ID_PREFIX = "_";
/** The service that ends jobs without an owner. It is lifecycle, because the jobs of VMs need that service anyway. */
export const STRAY_JOB_OWNER: ServiceName = "lifecycle";

/** The last part of a subject: non-empty tokens of printable ASCII without spaces and wildcards, separated by dots. */
const SUBJECT_TAIL = /^[!-)+-\-/-=?-~]+(?:\.[!-)+-\-/-=?-~]+)*$/;

/** Why `messageId` cannot be the id of a job; undefined when it can. */
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

/** The id of a job that was published without a usable one, made from its sequence in the stream. */
export function ownJobId(streamSeq: number): string {
  return `${OWN_ID_PREFIX}seq-${streamSeq}`;
}

const JOB_COMMANDS: ReadonlyMap<string, Endpoint> = new Map(
  Object.values(ENDPOINTS)
    .filter((endpoint) => !endpoint.internal && endpoint.subject.startsWith(COMMAND_PREFIX))
    .map((endpoint) => [endpoint.subject, endpoint]),
);

function aggregateKindOf(endpoint: Endpoint): string {
  return endpoint.subject.slice(COMMAND_PREFIX.length).split(".")[0] ?? "";
}

/** The kinds of aggregate whose jobs `service` carries out. */
export function jobAggregatesOf(service: ServiceName): readonly string[] {
  const own = [...JOB_COMMANDS.values()].filter((endpoint) => endpoint.owner === service);
  return [...new Set(own.map(aggregateKindOf))];
}

/** The kinds of aggregate that have jobs. */
export const JOB_AGGREGATES: readonly string[] = [
  ...new Set([...JOB_COMMANDS.values()].map(aggregateKindOf)),
];

/** True when `subject` is a command that can be a job. Internal commands between services cannot. */
export function isJobCommand(subject: string): boolean {
  return JOB_COMMANDS.has(subject);
}

/** Payload fields that name a job's queue; the first one present decides. */
const QUEUE_FIELDS = ["vmId", "chassisId", "label", "ruleId"] as const;

/**
 * The queue of a job: jobs of the same queue are carried out one after the other. Undefined when the job waits for no
 * other.
 */
export function jobQueueOf(payload: unknown): string | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  for (const field of QUEUE_FIELDS) {
    const value = (payload as Readonly<Record<string, unknown>>)[field];
    if (typeof value === "string") return `${field} ${value}`;
  }
  return undefined;
}

export type AfterAttempt =
  | { readonly kind: "settled"; readonly reply: Reply }
  | { readonly kind: "again"; readonly afterMs: number; readonly error: ReplyError }
  | { readonly kind: "dead"; readonly error: ReplyError };

/** Codes of commands that cannot be carried out. Any other refusal is a valid outcome. */
const CANNOT_BE_CARRIED_OUT: ReadonlySet<string> = new Set(["BAD_REQUEST", "TOO_LARGE", "INTERNAL"]);

/** Decides what follows attempt number `attempt` (from 1) of a job with the reply `reply`. */
export function afterAttempt(reply: Reply, attempt: number): AfterAttempt {
  if (reply.ok) return { kind: "settled", reply };
  const { error } = reply;
  if (!error.retryable) {
    return CANNOT_BE_CARRIED_OUT.has(error.code) ? { kind: "dead", error } : { kind: "settled", reply };
  }
  if (attempt >= MAX_JOB_ATTEMPTS) return { kind: "dead", error };
  return { kind: "again", afterMs: backoffDelayMs(RETRY_BACKOFF, attempt), error };
}

/**
 * True when a stored outcome already answers this job, so that the job is not carried out again. A round is one
 * publication with all its attempts; the retry of a dead letter starts the next round.
 */
export function answersJob(
  stored: { readonly subject: string; readonly round: number } | undefined,
  job: { readonly subject: string; readonly round: number },
): boolean {
  return stored !== undefined && stored.subject === job.subject && stored.round >= job.round;
}
