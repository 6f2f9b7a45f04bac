/**
 * The catalogue of subjects and streams. All other code gets its subjects from here.
 */
import type { BlobName } from "@bioxen/kernel";
import { COURSE_STREAM_CONFIG } from "./courses.ts";
import { GATEWAY, type Identity, mappedParts, mappedSubject, type PrincipalRole } from "./identities.ts";
import { type StreamDeclaration, streamOfObjects } from "./stream-declaration.ts";

export const EVENT_STREAM = "BIOXEN_EVENTS";
export const EVENT_SUBJECTS = "bioxen.evt.>";

/** Everything that BioXen sends or stores is below this subject. */
export const ALL_SUBJECTS = "bioxen.>";
/** The subjects on which callers wait for replies. */
export const REQUEST_SUBJECTS = ["bioxen.cmd.>", "bioxen.qry.>", "bioxen.agent.>"] as const;

/** The kinds of aggregate. The kind is the token after `bioxen.evt.` in the subject of an event. */
export const AGGREGATE_KINDS = [
  "vm",
  "ledger",
  "chassis",
  "drain",
  "quota",
  "alert",
  "log",
  "experiment",
] as const;
export type AggregateKind = (typeof AGGREGATE_KINDS)[number];

export function eventSubject(kind: AggregateKind, id: string): string {
  return `bioxen.evt.${kind}.${id}`;
}

const EVENT_FILTER = /^bioxen\.evt(?:\.(?:[a-z0-9-]+|\*))*(?:\.(?:[a-z0-9-]+|\*|>))$/;

/** Returns true for the subject of an aggregate's events, and for a wildcard pattern of such subjects. */
export function isEventFilter(subject: string): boolean {
  return EVENT_FILTER.test(subject);
}

export function vmTelemetrySubject(vmId: string): string {
  return `bioxen.tel.vm.${vmId}`;
}
export function chassisTelemetrySubject(chassisId: string): string {
  return `bioxen.tel.chassis.${chassisId}`;
}
export function vmLogSubject(vmId: string): string {
  return `bioxen.log.vm.${vmId}`;
}
export function serviceTelemetrySubject(service: string): string {
  return `bioxen.tel.service.${service}`;
}
/** Returns the subject on which the raising or clearing of an alert is published. */
export function alertSubject(severity: string, ruleId: string): string {
  return `bioxen.alert.${severity}.${ruleId}`;
}
export const ALL_SERVICE_TELEMETRY = "bioxen.tel.service.*";
/** Returns the subject on which a scheduler instance sends messages to itself, to check that its subscriptions work. */
export function schedulerEchoSubject(instanceId: string): string {
  return `bioxen.tel.scheduler.${instanceId}`;
}
export const ALL_VM_TELEMETRY = "bioxen.tel.vm.*";
export const ALL_CHASSIS_TELEMETRY = "bioxen.tel.chassis.*";
export const ALL_VM_LOGS = "bioxen.log.vm.*";

/** Returns the subject on which lifecycle forwards an `exec` to the agent that runs the guest. */
export function agentExecSubject(agentId: string): string {
  return `bioxen.agent.${agentId}.exec`;
}

/** Returns the subject on which lifecycle asks an agent for the state of a guest. */
export function agentCheckpointSubject(agentId: string): string {
  return `bioxen.agent.${agentId}.checkpoint`;
}

/** Returns the subject on which lifecycle asks an agent to keep a guest at a simulated minute. */
export function agentHoldSubject(agentId: string): string {
  return `bioxen.agent.${agentId}.hold`;
}

/** Returns the subject on which the scheduler asks an agent for the orphans in its pool. */
export function agentOrphansSubject(agentId: string): string {
  return `bioxen.agent.${agentId}.orphans`;
}

/**
 * Name of the stream of guest states. Each state is one message with the subject `bioxen.blob.<vmId>.<checkpointId>`. The
 * id of a state that an agent stores is `<agentId>.<id>`, so that no agent can replace what another one has stored.
 */
export const GUEST_STATE_STREAM = "BIOXEN_GUEST_STATE";
const BLOB_PREFIX = "bioxen.blob.";
/** The states that no agent stores: those of lifecycle, and of agents of releases before the writer was in the subject. */
export const UNSIGNED_BLOBS = `${BLOB_PREFIX}*.*`;
/** Returns the subjects of the states that an agent stores. `agentId` may be `*`. */
export function blobsOfAgent(agentId: string): string {
  return `${BLOB_PREFIX}*.${agentId}.*`;
}
export const BLOB_SUBJECTS = `${BLOB_PREFIX}>`;
export function blobSubject(name: BlobName): string {
  return BLOB_PREFIX + name;
}
export function blobName(subject: string): BlobName {
  return subject.slice(BLOB_PREFIX.length) as BlobName;
}

/**
 * Name of the stream of durable commands, which are called jobs. A job has the payload of the command
 * `bioxen.cmd.<aggregate>.<verb>`, and is carried out once the service that owns the aggregate is available.
 */
export const JOB_STREAM = "BIOXEN_COMMANDS";
export const JOB_SUBJECTS = "bioxen.job.>";
/** Beginning of the subjects, without the caller, under which a service stores the jobs of tenants. */
const STORED_JOB_PREFIX = "bioxen.stored-job.";
export const JOB_OUTCOME_STREAM = "BIOXEN_OUTCOMES";
export const DEAD_LETTER_STREAM = "BIOXEN_DEAD_LETTERS";
export const ALL_DEAD_LETTERS = "bioxen.job-dead.>";
const ALL_JOB_OUTCOMES = "bioxen.job-outcome.>";
export const COMMAND_PREFIX = "bioxen.cmd.";
export const QUERY_PREFIX = "bioxen.qry.";
const JOB_PREFIX = "bioxen.job.";

/** The subjects under which the jobs of tenants arrive at the services, which store them. */
export const ARRIVING_TENANT_JOBS = bothWays("tenant", `${JOB_PREFIX}>`);
export const STORED_TENANT_JOBS = bothWays("tenant", `${STORED_JOB_PREFIX}>`);

/** Returns the mapped subjects of all principals of a role: for those that speak themselves, and by the gateway. */
function bothWays(role: PrincipalRole, subject: string): readonly [string, string] {
  return [
    mappedSubject({ role, name: "*" }, subject),
    mappedSubject({ role, name: "*", via: GATEWAY }, subject),
  ];
}

/**
 * Returns the patterns of the subjects under which jobs are stored. `tail` is `>`, or begins with the kind of aggregate.
 *
 * The server stores the jobs of admins and operators itself. The jobs of a tenant are stored by a service, under an id
 * that names the tenant: the stream drops a job with a known id, and tenants must not use up the ids of each other.
 */
function storedJobs(tail: string): readonly string[] {
  return [
    JOB_PREFIX + tail,
    ...bothWays("admin", JOB_PREFIX + tail),
    ...bothWays("operator", JOB_PREFIX + tail),
    ...bothWays("tenant", STORED_JOB_PREFIX + tail),
  ];
}
/** Returns the patterns that match all job subjects of one kind of aggregate, even those with an unknown verb. */
export function jobSubjectsOf(aggregate: string): readonly string[] {
  return storedJobs(`${aggregate}.>`);
}
export function jobSubject(commandSubject: string): string {
  return JOB_PREFIX + commandSubject.slice(COMMAND_PREFIX.length);
}
/** Returns the command subject for a job subject. A command with that subject need not exist. */
export function commandSubject(subjectOfJob: string): string {
  const { subject } = mappedParts(subjectOfJob) ?? { subject: subjectOfJob };
  const prefix = subject.startsWith(STORED_JOB_PREFIX) ? STORED_JOB_PREFIX : JOB_PREFIX;
  return COMMAND_PREFIX + subject.slice(prefix.length);
}
/** Returns the subject under which a service stores a job of a tenant. */
export function storedJobSubject(tenant: Identity, command: string): string {
  return mappedSubject(tenant, STORED_JOB_PREFIX + command.slice(COMMAND_PREFIX.length));
}
export function jobOutcomeSubject(jobId: string): string {
  return `bioxen.job-outcome.${jobId}`;
}
export function deadLetterSubject(jobId: string): string {
  return `bioxen.job-dead.${jobId}`;
}

const NANOSECONDS_PER_MS = 1_000_000;
/**
 * Time within which JetStream drops a message with a repeated id as a duplicate, ms. The contract promises this value.
 */
const DUPLICATE_WINDOW_MS = 120_000;
/** Time for which a job's outcome is kept, ms: 24 h. The contract promises this value. */
const JOB_OUTCOME_AGE_MS = 86_400_000;
/** Time for which a dead letter is kept, ms: 30 days, so that it outlasts an operator's holidays. */
const DEAD_LETTER_AGE_MS = 30 * 86_400_000;
/**
 * Maximum number of stored dead letters; beyond it, the oldest are dropped. A person does not read more, and 100 000
 * dead letters of usual size take about 100 MB.
 */
const MAX_DEAD_LETTERS = 100_000;
/**
 * Maximum size of a stored job, in bytes including headers. It is above the limit of a command's payload, so that a job
 * over that limit is stored and becomes a dead letter with the reason. A dead letter has more headers than its job and
 * still fits the server's limit of 1 MiB. When a job exceeds this maximum, JetStream rejects its publication.
 */
export const MAX_STORED_JOB_BYTES = 786_432;

/** The required configuration of the event stream. */
export const EVENT_STREAM_CONFIG = {
  name: EVENT_STREAM,
  subjects: [EVENT_SUBJECTS],
  description:
    "Every decision of every BioXen aggregate, in order; state is the fold of this and of nothing else",
  retention: "limits",
  storage: "file",
  discard: "new",
  max_age: 0,
  max_msgs: -1,
  max_bytes: -1,
  max_msgs_per_subject: -1,
  allow_direct: true,
  deny_delete: true,
  deny_purge: true,
  duplicate_window: DUPLICATE_WINDOW_MS * NANOSECONDS_PER_MS,
} as const satisfies StreamDeclaration;

/** Configuration of the job stream. A job leaves the stream when its outcome is stored, never by age or size. */
export const JOB_STREAM_CONFIG = {
  name: JOB_STREAM,
  subjects: storedJobs(">"),
  description: "Durable commands that are not carried out yet",
  retention: "workqueue",
  storage: "file",
  discard: "new",
  max_age: 0,
  max_msgs: -1,
  max_bytes: -1,
  max_msg_size: MAX_STORED_JOB_BYTES,
  allow_direct: true,
  duplicate_window: DUPLICATE_WINDOW_MS * NANOSECONDS_PER_MS,
} as const satisfies StreamDeclaration;

export const JOB_OUTCOME_STREAM_CONFIG = {
  name: JOB_OUTCOME_STREAM,
  subjects: [ALL_JOB_OUTCOMES],
  description: "What became of each durable command: its reply",
  retention: "limits",
  storage: "file",
  discard: "old",
  max_age: JOB_OUTCOME_AGE_MS * NANOSECONDS_PER_MS,
  max_msgs_per_subject: 1,
  allow_direct: true,
} as const satisfies StreamDeclaration;

export const DEAD_LETTER_STREAM_CONFIG = {
  name: DEAD_LETTER_STREAM,
  subjects: [ALL_DEAD_LETTERS],
  description: "Durable commands that could not be carried out, each with the reason",
  retention: "limits",
  storage: "file",
  discard: "old",
  max_age: DEAD_LETTER_AGE_MS * NANOSECONDS_PER_MS,
  max_msgs: MAX_DEAD_LETTERS,
  max_msgs_per_subject: 1,
  allow_direct: true,
} as const satisfies StreamDeclaration;

/** Configuration of the stream of guest states. */
export const GUEST_STATE_STREAM_CONFIG = streamOfObjects({
  name: GUEST_STATE_STREAM,
  subjects: [UNSIGNED_BLOBS, blobsOfAgent("*")],
  description: "States of guests to go on from; the log says which are in use, and with which digest",
});

/** Name of the stream of the feed of tenants (feed.ts). */
export const FEED_STREAM = "BIOXEN_FEED";
/**
 * The required configuration of the stream. It is no record: a deleted stream is filled again from the log, under new
 * sequences. The last message stays in it, because its header says how far the log has been read.
 */
export const FEED_STREAM_CONFIG = {
  name: FEED_STREAM,
  subjects: ["bioxen.feed.*.vm.*"],
  description: "The events of VMs under the names of their owners, filled from the log",
  retention: "limits",
  storage: "file",
  discard: "old",
  max_age: 0,
  max_msgs: -1,
  max_bytes: -1,
  max_msgs_per_subject: -1,
  allow_direct: false,
  deny_delete: true,
  deny_purge: true,
} as const satisfies StreamDeclaration;

export const STREAMS: readonly StreamDeclaration[] = [
  EVENT_STREAM_CONFIG,
  JOB_STREAM_CONFIG,
  JOB_OUTCOME_STREAM_CONFIG,
  DEAD_LETTER_STREAM_CONFIG,
  GUEST_STATE_STREAM_CONFIG,
  FEED_STREAM_CONFIG,
  COURSE_STREAM_CONFIG,
];
