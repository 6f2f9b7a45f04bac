/**
 * Durable commands: what a job is called, whose turn it waits for, and what follows an attempt. Pure; who stores and who
 * carries out is packages/nats.
 *
 * An attempt ends in one of three ways. The command was carried out or refused for good: that is its outcome. It was refused
 * for now: it is tried again, later and later, a bounded number of times. It cannot be carried out, or its tries are
 * used up: it is a dead letter, and the error is its outcome too, so that nobody waits for ever.
 */
import { type Backoff, backoffDelayMs, type Reply, type ReplyError } from "@bioxen/kernel";
import { ENDPOINTS } from "./endpoints/catalogue.ts";
import type { Endpoint, ServiceName } from "./endpoints/endpoint.ts";
import { COMMAND_PREFIX } from "./subjects.ts";

/** Longest id, characters: an id is part of a subject, and the server's line has 4 096 bytes for all of it. */
export const MAX_JOB_ID_LENGTH = 256;
/** Tries of one job. With the waits below the last one begins half a minute after the first: most outages are shorter. */
export const MAX_JOB_ATTEMPTS = 8;
/** Waits between two tries. */
const RETRY_BACKOFF: Backoff = { firstMs: 250, ceilingMs: 15_000 };
/** Ids that we give begin so; a publisher's may not. */
const OWN_ID_PREFIX = "_";
/**
 * The service that ends jobs nobody owns: the one without which no job of a VM runs either.
 */
export const STRAY_JOB_OWNER: ServiceName = "lifecycle";

/** Printable ASCII without spaces and wildcards, in tokens that are not empty: what may end a subject. */
const SUBJECT_TAIL = /^[!-)+-\-/-=?-~]+(?:\.[!-)+-\-/-=?-~]+)*$/;

/** Why `messageId` cannot name a job; undefined: it can. */
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

/** The name of a job whose publisher gave it no usable one: where it stands in the stream. */
export function ownJobId(streamSeq: number): string {
  return `${OWN_ID_PREFIX}seq-${streamSeq}`;
}

const JOB_COMMANDS: ReadonlyMap<string, Endpoint> = new Map(
  Object.values(ENDPOINTS)
    .filter((endpoint) => !endpoint.internal && endpoint.subject.startsWith(COMMAND_PREFIX))
    .map((endpoint) => [endpoint.subject, endpoint]),
);

function aggregateOf(endpoint: Endpoint): string {
  return endpoint.subject.slice(COMMAND_PREFIX.length).split(".")[0] ?? "";
}

/** The kinds of aggregate whose jobs `service` carries out. */
export function jobAggregatesOf(service: ServiceName): readonly string[] {
  const own = [...JOB_COMMANDS.values()].filter((endpoint) => endpoint.owner === service);
  return [...new Set(own.map(aggregateOf))];
}

/** Kinds of aggregate whose jobs somebody carries out. */
export const JOB_AGGREGATES: readonly string[] = [...new Set([...JOB_COMMANDS.values()].map(aggregateOf))];

/** True when a job under `subject` can mean something; what the services say to each other is no job. */
export function isJobCommand(subject: string): boolean {
  return JOB_COMMANDS.has(subject);
}

/** The field that names whose turn a job waits for, the first that a payload has. */
const TURN_FIELDS = ["vmId", "chassisId", "label", "ruleId"] as const;

/** Jobs with the same turn are carried out one after the other; undefined: it waits for nobody. */
export function turnOf(payload: unknown): string | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  for (const field of TURN_FIELDS) {
    const value = (payload as Readonly<Record<string, unknown>>)[field];
    if (typeof value === "string") return `${field} ${value}`;
  }
  return undefined;
}

export type AfterAttempt =
  | { readonly kind: "settled"; readonly reply: Reply }
  | { readonly kind: "again"; readonly afterMs: number; readonly error: ReplyError }
  | { readonly kind: "dead"; readonly error: ReplyError };

/** Codes that say: this command cannot be carried out, as it is or at all. Other refusals are answers. */
const CANNOT_BE_CARRIED_OUT: ReadonlySet<string> = new Set(["BAD_REQUEST", "TOO_LARGE", "INTERNAL"]);

/** What follows the `attempt`-th try (from 1) of a job that was answered `reply`. */
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
 * True when a stored outcome answers this job too, so that it is not carried out again. A round is one publication and
 * its tries; who retries a dead letter begins the next.
 */
export function answersJob(
  stored: { readonly subject: string; readonly round: number } | undefined,
  job: { readonly subject: string; readonly round: number },
): boolean {
  return stored !== undefined && stored.subject === job.subject && stored.round >= job.round;
}
