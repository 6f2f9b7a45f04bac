/**
 * What each service asks of JetStream: the requests about streams and buckets, and the subjects that it stores.
 *
 * The streams exist already: the provisioner creates them. No service can create, change, purge or delete a stream,
 * except that lifecycle removes unused guest states, old time courses and the jobs that it cancels.
 */
import {
  blobsOfAgent,
  COMMAND_PREFIX,
  COURSE_STREAM,
  coursesOfAgent,
  DEAD_LETTER_STREAM,
  deadLetterSubject,
  ENDPOINTS,
  EVENT_STREAM,
  eventSubject,
  FEED_STREAM,
  FEED_WRITER,
  feedSubjects,
  GUEST_STATE_STREAM,
  JOB_AGGREGATES,
  JOB_INTAKE,
  JOB_OUTCOME_STREAM,
  JOB_STREAM,
  jobAggregatesOf,
  jobConsumer,
  jobOutcomeSubject,
  type ServiceName,
  STORED_TENANT_JOBS,
  serviceAccess,
  UNSIGNED_BLOBS,
} from "@bioxen/contracts";
import { BUCKETS, LOG_RECORD_KEY, STREAM_NAMES } from "@bioxen/nats";
import {
  ACCOUNT_INFO,
  bucketKey,
  bucketStream,
  directGet,
  follow,
  messageDelete,
  messageGet,
  STREAM_LIST,
  streamInfo,
  streamPurge,
  work,
} from "./stream-api.ts";

/** The service that cancels jobs, and therefore removes them from their stream. */
const JOB_CANCELLER: ServiceName = ENDPOINTS.jobCancel.owner;
/** The service that writes snapshots of all states, and keeps the record of the log. */
const SNAPSHOT_WRITER: ServiceName = "lifecycle";

const LOG_RECORD_STREAM = bucketStream(BUCKETS.logRecord.name);
/** The streams that every service compares with their declarations at its boot. */
const COMPARED_STREAMS = STREAM_NAMES.filter((name) => name !== LOG_RECORD_STREAM);

/** Requests of every service: it reads the log, the record of the log, leases and snapshots. */
function readsOfEveryService(): string[] {
  const { leases, snapshots } = BUCKETS;
  return [
    ACCOUNT_INFO,
    ...COMPARED_STREAMS.map(streamInfo),
    messageGet(EVENT_STREAM),
    messageGet(LOG_RECORD_STREAM),
    ...[leases, snapshots].map(({ name }) => directGet(bucketStream(name))),
  ];
}

/**
 * Requests about the first outcomes of commands. The service that cancels jobs settles the tries of all kinds of jobs.
 * Agents are called without message ids, so they store no outcomes.
 */
function outcomeRequests(service: ServiceName): string[] {
  if (service === "chassis-agent") return [];
  const { name } = BUCKETS.outcomes;
  const own = serviceAccess(service).serves.filter((subject) => subject.startsWith(COMMAND_PREFIX));
  const kinds = own.map((subject) => subject.slice(COMMAND_PREFIX.length).split(".")[0] ?? "");
  const settled = service === JOB_CANCELLER ? JOB_AGGREGATES : [];
  return [
    directGet(bucketStream(name)),
    ...[...new Set([...kinds, ...settled])].map((kind) => bucketKey(name, `${kind}.*`)),
  ];
}

/** The jobs of tenants, which one service stores. */
function tenantJobs(service: ServiceName): string[] {
  return service === JOB_INTAKE ? [...STORED_TENANT_JOBS] : [];
}

/** Requests about the jobs of the aggregates that a service owns. */
function jobRequests(service: ServiceName): string[] {
  const aggregates = jobAggregatesOf(service);
  if (aggregates.length === 0) return [];
  return [
    ...aggregates.flatMap((kind) => work(JOB_STREAM, jobConsumer(kind))),
    messageGet(JOB_STREAM),
    messageGet(JOB_OUTCOME_STREAM),
    jobOutcomeSubject(">"),
    deadLetterSubject(">"),
  ];
}

/** Requests that only one service, or only agents, make. */
function ownRequests(service: ServiceName, agentId: string): string[] {
  const requests: string[] = [];
  if (service === JOB_CANCELLER) requests.push(messageDelete(JOB_STREAM), messageGet(DEAD_LETTER_STREAM));
  if (service === SNAPSHOT_WRITER) {
    requests.push(bucketKey(BUCKETS.snapshots.name, ">"), streamInfo(LOG_RECORD_STREAM));
    requests.push(bucketKey(BUCKETS.logRecord.name, LOG_RECORD_KEY));
  }
  if (service === "lifecycle" || service === "chassis-agent") {
    const stored = service === "lifecycle" ? UNSIGNED_BLOBS : blobsOfAgent(agentId);
    requests.push(stored, directGet(GUEST_STATE_STREAM), messageGet(GUEST_STATE_STREAM));
  }
  if (service === "lifecycle") {
    requests.push(streamPurge(GUEST_STATE_STREAM), streamPurge(COURSE_STREAM));
    requests.push(directGet(COURSE_STREAM), messageGet(COURSE_STREAM));
  }
  if (service === "chassis-agent") requests.push(coursesOfAgent(agentId));
  if (service === "monitor") requests.push(STREAM_LIST, streamInfo(LOG_RECORD_STREAM));
  if (service === FEED_WRITER) requests.push(feedSubjects("*", "*").events, messageGet(FEED_STREAM));
  return requests;
}

export interface StorageAccess {
  /** Requests for consumers of the log. */
  readonly follows: readonly string[];
  /** All other requests, and the subjects that the service stores messages on. */
  readonly requests: readonly string[];
}

/** Returns what a service asks of JetStream. For the agent, `agentId` names it; the default stands for every agent. */
export function storageOf(service: ServiceName, agentId = "*"): StorageAccess {
  const { appends, leases } = serviceAccess(service, agentId);
  return {
    follows: follow(EVENT_STREAM),
    requests: [
      ...readsOfEveryService(),
      ...appends.map((kind) => eventSubject(kind, "*")),
      ...leases.map((lease) => bucketKey(BUCKETS.leases.name, lease)),
      ...outcomeRequests(service),
      ...jobRequests(service),
      ...tenantJobs(service),
      ...ownRequests(service, agentId),
    ],
  };
}
