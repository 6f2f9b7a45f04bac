/**
 * What the provisioners may do: create and repair the streams, and read them for a backup. They write no message, except
 * that the first start writes the record of the log and forgets first outcomes of another log.
 */
import {
  COURSE_STREAM,
  DEAD_LETTER_STREAM,
  EVENT_STREAM,
  FEED_STREAM,
  GUEST_STATE_STREAM,
  JOB_OUTCOME_STREAM,
  JOB_STREAM,
} from "@bioxen/contracts";
import { BUCKETS, LOG_RECORD_KEY, STREAM_NAMES } from "@bioxen/nats";
import type { Accounts } from "./accounts.ts";
import {
  ACCOUNT_INFO,
  bucketKey,
  bucketStream,
  follow,
  messageGet,
  streamChanges,
  streamInfo,
  streamPurge,
} from "./stream-api.ts";

/** Prefix of the API of the account that holds the log, as the account of the mirror names it. */
export const LOG_API = "JS.LOG.API";
/** Prefix of the subjects on which the log delivers to its mirror. */
export const FEED_DELIVERY = "feed.deliver";
/** Prefix under which the server publishes each stored event again. */
export const STORED_EVENTS = "bioxen.stored.evt";
/** The streams with a mirror, on which agents and principals have their consumers. */
const MIRRORED = [EVENT_STREAM, FEED_STREAM];
/** What a backup reads, beside the log and the queue of jobs. */
const READ_BY_BACKUPS = [JOB_OUTCOME_STREAM, DEAD_LETTER_STREAM, GUEST_STATE_STREAM, COURSE_STREAM];
const FLOW_CONTROL = "$JS.FC.>";

export function connectProvisioners({ log, feed }: Accounts): void {
  const record = BUCKETS.logRecord.name;
  log.sends.push(
    ACCOUNT_INFO,
    ...STREAM_NAMES.flatMap((name) => [streamInfo(name), ...streamChanges(name)]),
    ...[EVENT_STREAM, ...READ_BY_BACKUPS].flatMap(follow),
    messageGet(EVENT_STREAM),
    messageGet(JOB_STREAM),
    messageGet(bucketStream(record)),
    bucketKey(record, LOG_RECORD_KEY),
    streamPurge(bucketStream(BUCKETS.outcomes.name)),
  );
  feed.sends.push(ACCOUNT_INFO, ...MIRRORED.flatMap((name) => [streamInfo(name), ...streamChanges(name)]));
  // A mirror is a consumer of its stream in another account. The server itself makes these requests.
  const requests = MIRRORED.flatMap((name) => [
    `$JS.API.CONSUMER.CREATE.${name}`,
    `$JS.API.CONSUMER.CREATE.${name}.>`,
    streamInfo(name),
    `$JS.API.CONSUMER.DELETE.${name}.*`,
    `$JS.API.CONSUMER.INFO.${name}.*`,
  ]);
  for (const subject of requests) {
    feed.importService(log, subject, { local: subject.replace("$JS.API", LOG_API), forServer: true });
  }
  feed.importService(log, FLOW_CONTROL, { forServer: true });
  feed.importStream(log, `${FEED_DELIVERY}.>`, { forServer: true });
}
