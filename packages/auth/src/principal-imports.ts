/**
 * What the accounts of principals import, by role: endpoints under the mapped subject of the principal, durable
 * commands, and what the role may read.
 */
import {
  ALL_TELEMETRY,
  accessOf,
  DEAD_LETTER_STREAM,
  ENDPOINTS,
  type Endpoint,
  EVENT_STREAM,
  EVENT_SUBJECTS,
  FEED_INFO,
  FEED_STREAM,
  feedConsumers,
  feedOf,
  feedSubjects,
  isJobCommand,
  JOB_OUTCOME_STREAM,
  JOB_STREAM,
  jobOutcomeSubject,
  jobSubject,
  mappedSubject,
  type PrincipalRole,
  readsEverything,
  STORED_FEED,
} from "@bioxen/contracts";
import { BUCKETS, STREAM_NAMES } from "@bioxen/nats";
import type { Account } from "./account.ts";
import type { Accounts } from "./accounts.ts";
import { STORED_EVENTS } from "./provisioning.ts";
import {
  allTelemetry,
  discoverable,
  endpointAccount,
  feedAccount,
  importStorage,
} from "./service-imports.ts";
import {
  ACCOUNT_INFO,
  bucketStream,
  DISCOVERY_REQUESTS,
  follow,
  followPart,
  hasManyAnswers,
  messageDelete,
  messageGet,
  STREAM_LIST,
  streamInfo,
  USER_INFO,
} from "./stream-api.ts";

/** Roles that read the jobs of all owners, retry them and drop them. */
const HANDLES_JOBS: ReadonlySet<PrincipalRole> = new Set(["admin", "operator"]);

export function connectPrincipals(accounts: Accounts): void {
  for (const { principal, account } of accounts.principals) {
    const { name, role } = principal;
    for (const endpoint of Object.values<Endpoint>(ENDPOINTS)) {
      if (accessOf(role, endpoint) !== "none") call(accounts, account, { name, role, endpoint });
    }
    // A client learns from it whether it is a tenant, and of which name.
    account.sends.push(USER_INFO);
    if (role === "tenant") readFeed(accounts, account, name);
    if (readsEverything(role)) readEverything(accounts, account);
    if (HANDLES_JOBS.has(role)) handleJobs(accounts, account);
  }
}

interface Called {
  readonly name: string;
  readonly role: PrincipalRole;
  readonly endpoint: Endpoint;
}

/** Imports an endpoint, and the durable form of a command. */
function call(accounts: Accounts, into: Account, { name, role, endpoint }: Called): void {
  const exportedAs = mappedSubject({ name, role }, "bioxen.>");
  const owner = endpointAccount(accounts, endpoint);
  into.importService(owner, mappedSubject({ name, role }, endpoint.subject), {
    local: endpoint.subject,
    exportedAs,
    share: true,
  });
  if (!isJobCommand(endpoint.subject)) return;
  const job = jobSubject(endpoint.subject);
  // The stream drops a job with a known id, so a service stores the jobs of tenants, under ids of their own.
  into.importService(role === "tenant" ? owner : accounts.log, mappedSubject({ name, role }, job), {
    local: job,
    exportedAs,
    share: true,
  });
}

/** Imports the log, telemetry and the state of the streams of all owners. */
export function readEverything(accounts: Accounts, into: Account): void {
  const { log, feed } = accounts;
  const record = bucketStream(BUCKETS.logRecord.name);
  importStorage(into, log, [ACCOUNT_INFO, STREAM_LIST, ...STREAM_NAMES.map(streamInfo)]);
  importStorage(into, log, [messageGet(EVENT_STREAM), messageGet(record)]);
  importStorage(into, feed, follow(EVENT_STREAM));
  // The server publishes each stored event again. On the subject of the event itself, a subscriber would also hear
  // events that the log refused. The export is not in the account of the mirror, where readers create consumers: a
  // consumer can push messages to any subject of its account.
  into.importStream(log, `${STORED_EVENTS}.>`, { local: EVENT_SUBJECTS });
  into.hears.push(...ALL_TELEMETRY);
  for (const { account, subject } of allTelemetry(accounts)) into.importStream(account, subject);
  for (const account of discoverable(accounts)) {
    for (const subject of DISCOVERY_REQUESTS) into.importService(account, subject, { manyAnswers: true });
  }
}

/**
 * Lets a tenant follow its own VMs. The stored events come from the account of the log, where no reader has consumers:
 * see {@link readEverything}.
 */
function readFeed(accounts: Accounts, into: Account, tenant: string): void {
  const { log, feed } = accounts;
  const { events, telemetry, log: lines } = feedSubjects(tenant, "*");
  importStorage(into, feed, [ACCOUNT_INFO]);
  for (const { subject, pattern } of followPart(FEED_STREAM, feedOf(tenant), feedConsumers(tenant))) {
    into.importService(feed, subject, { exportedAs: pattern, manyAnswers: hasManyAnswers(subject) });
  }
  into.importService(feedAccount(accounts), mappedSubject({ role: "tenant", name: tenant }, FEED_INFO), {
    local: streamInfo(FEED_STREAM),
    exportedAs: mappedSubject({ role: "tenant", name: tenant }, "bioxen.>"),
    share: true,
  });
  into.importStream(log, `${STORED_FEED}.${tenant}.vm.*`, { local: events });
  for (const subject of [telemetry, lines]) into.importStream(feedAccount(accounts), subject);
  into.hears.push(feedOf(tenant));
}

function handleJobs({ log }: Accounts, into: Account): void {
  importStorage(into, log, [JOB_STREAM, JOB_OUTCOME_STREAM, DEAD_LETTER_STREAM].map(messageGet));
  importStorage(into, log, [JOB_OUTCOME_STREAM, DEAD_LETTER_STREAM].map(messageDelete));
  // A caller that waits for an outcome subscribes to it, and also looks at intervals.
  into.hears.push(jobOutcomeSubject(">"));
}
