/**
 * The rules of durable commands: the id of a job, the queue it waits in, and what follows an attempt. The rules are
 * pure functions; packages/nats stores the jobs and carries them out.
 *
 * An attempt to carry out a job has one of three results:
 *
 * - The reply is the job's outcome: the command was carried out, or was rejected for good.
 * - The reply is a retryable error. The job is retried a bounded number of times, after growing waits.
 * - The command cannot be carried out, or its attempts are used up. The job becomes a dead letter, and the error is
 *   also stored as its outcome, so that a caller never waits forever.
 */
import { type Backoff, backoffDelayMs, type Reply, type ReplyError } from "@bioxen/kernel";
import { ENDPOINTS } from "./endpoints/catalogue.ts";
import type { Endpoint, ServiceName } from "./endpoints/endpoint.ts";
import { refuse } from "./errors.ts";
import { COMMAND_PREFIX } from "./subjects.ts";

/**
 * Maximum number of attempts to carry out one job. With {@link RETRY_BACKOFF}, the last attempt starts half a minute
 * after the first. Most outages are shorter.
 */
export const MAX_JOB_ATTEMPTS = 8;
/** The waits between the attempts of a job: they grow from `firstMs` to at most `ceilingMs`. */
const RETRY_BACKOFF: Backoff = { firstMs: 250, ceilingMs: 15_000 };
/**
 * The service that turns jobs which no service owns into dead letters. Lifecycle has this task, because the jobs of VMs
 * need lifecycle anyway.
 */
export const STRAY_JOB_OWNER: ServiceName = "lifecycle";

/** The service that stores the jobs of tenants. They are about VMs only, so lifecycle carries them out too. */
export const JOB_INTAKE: ServiceName = "lifecycle";

/** Commands on jobs themselves. A job that cancels another one would have to wait for its turn. */
const ON_JOBS: readonly Endpoint[] = [ENDPOINTS.jobCancel];

const JOB_COMMANDS: ReadonlyMap<string, Endpoint> = new Map(
  Object.values(ENDPOINTS)
    .filter((endpoint) => !endpoint.internal && endpoint.subject.startsWith(COMMAND_PREFIX))
    .filter((endpoint) => !ON_JOBS.includes(endpoint))
    .map((endpoint) => [endpoint.subject, endpoint]),
);

function aggregateKindOf(endpoint: Endpoint): string {
  return endpoint.subject.slice(COMMAND_PREFIX.length).split(".")[0] ?? "";
}

/** Returns the kinds of aggregate whose jobs `service` carries out. */
export function jobAggregatesOf(service: ServiceName): readonly string[] {
  const own = [...JOB_COMMANDS.values()].filter((endpoint) => endpoint.owner === service);
  return [...new Set(own.map(aggregateKindOf))];
}

/** All kinds of aggregate for which jobs exist. */
export const JOB_AGGREGATES: readonly string[] = [
  ...new Set([...JOB_COMMANDS.values()].map(aggregateKindOf)),
];

/**
 * Returns true when `subject` is a command that can be published as a job. Internal commands between services cannot.
 */
export function isJobCommand(subject: string): boolean {
  return JOB_COMMANDS.has(subject);
}

/** Payload fields that can name the queue of a job. The first of these fields that the payload has names the queue. */
const QUEUE_FIELDS = ["vmId", "chassisId", "experimentId", "label", "owner", "ruleId"] as const;

/**
 * Returns the name of a job's queue. Jobs in the same queue are carried out one after the other. Undefined when the
 * payload has no field of {@link QUEUE_FIELDS}: such a job waits for no other job.
 */
export function jobQueueOf(payload: unknown): string | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  for (const field of QUEUE_FIELDS) {
    const value = (payload as Readonly<Record<string, unknown>>)[field];
    if (typeof value === "string") return `${field} ${value}`;
  }
  return undefined;
}

/** The outcome of a job that was cancelled before it was carried out. */
export const JOB_CANCELLED = refuse("CANCELLED", "the job was cancelled before it was carried out");

export type AfterAttempt =
  | { readonly kind: "settled"; readonly reply: Reply }
  | { readonly kind: "again"; readonly afterMs: number; readonly error: ReplyError }
  | { readonly kind: "dead"; readonly error: ReplyError };

/**
 * Error codes with which a job becomes a dead letter at once. Any other non-retryable error is a valid outcome of the
 * job.
 */
const CANNOT_BE_CARRIED_OUT: ReadonlySet<string> = new Set(["BAD_REQUEST", "TOO_LARGE", "INTERNAL"]);

/**
 * Decides what follows an attempt of a job: its outcome, a retry or a dead letter. `reply` is the reply to that
 * attempt, and `attempt` its number, from 1.
 */
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
 * Returns true when the stored outcome belongs to this job, and to the same round or a later round. The job must then
 * not be carried out again. A round is one publication of the job with all its attempts; the retry of a dead letter
 * starts the next round.
 */
export function answersJob(
  stored: { readonly subject: string; readonly round: number } | undefined,
  job: { readonly subject: string; readonly round: number },
): boolean {
  return stored !== undefined && stored.subject === job.subject && stored.round >= job.round;
}
