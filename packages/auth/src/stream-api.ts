/**
 * The subjects on which a client asks JetStream to do something with one stream, and the subjects of buckets.
 *
 * The server matches permissions against these subjects only. MSG.GET, MSG.DELETE, PURGE and INFO do not name the
 * subject of the message that they concern, so a permission for one of them covers the whole stream.
 */

const API = "$JS.API";

/** Every client asks for the account's information first. Without this permission no other request is answered. */
export const ACCOUNT_INFO = `${API}.INFO`;
/** Tells a user its account and permissions. */
export const USER_INFO = "$SYS.REQ.USER.INFO";
/** Lists all streams of the account with their configuration. */
export const STREAM_LIST = `${API}.STREAM.LIST`;

export function streamInfo(stream: string): string {
  return `${API}.STREAM.INFO.${stream}`;
}

/** Returns the requests that create a stream or change its configuration. */
export function streamChanges(stream: string): string[] {
  return ["CREATE", "UPDATE"].map((verb) => `${API}.STREAM.${verb}.${stream}`);
}

/** Reads messages from the leader of the stream, by sequence or subject. */
export function messageGet(stream: string): string {
  return `${API}.STREAM.MSG.GET.${stream}`;
}

/** Reads the last message of a subject from any server that has a copy. `>` stands for every subject. */
export function directGet(stream: string, subject = ">"): string {
  return `${API}.DIRECT.GET.${stream}.${subject}`;
}

export function messageDelete(stream: string): string {
  return `${API}.STREAM.MSG.DELETE.${stream}`;
}

export function streamPurge(stream: string): string {
  return `${API}.STREAM.PURGE.${stream}`;
}

/** Returns the requests of a reader that creates consumers with names of its own, pulls messages, and deletes them. */
export function follow(stream: string): string[] {
  return [
    `${API}.CONSUMER.CREATE.${stream}.>`,
    ...["INFO", "DELETE", "MSG.NEXT"].map((verb) => `${API}.CONSUMER.${verb}.${stream}.*`),
  ];
}

/** A request that a reader of one part of a stream may send, and the pattern that covers it for all readers. */
export interface PartRequest {
  readonly subject: string;
  readonly pattern: string;
}

/**
 * Returns the requests of a reader of one part of a stream, by consumers of these names only. The filter must be the same
 * in the subject and the body of the request that creates a consumer, so the reader gets no other part. The other
 * requests name only the consumer, so no other reader may use its name.
 */
export function followPart(stream: string, filter: string, consumers: readonly string[]): PartRequest[] {
  const creation = `${API}.CONSUMER.CREATE.${stream}`;
  return consumers.flatMap((consumer) => [
    { subject: `${creation}.${consumer}.${filter}`, pattern: `${creation}.>` },
    ...["INFO", "DELETE", "MSG.NEXT"].map((verb) => ({
      subject: `${API}.CONSUMER.${verb}.${stream}.${consumer}`,
      pattern: `${API}.CONSUMER.${verb}.${stream}.*`,
    })),
  ]);
}

/**
 * Returns the requests of a worker on the one consumer `consumer`. The request that creates a durable consumer names its
 * filter only when there is one filter, so the permission covers every filter.
 */
export function work(stream: string, consumer: string): string[] {
  return [
    `${API}.CONSUMER.DURABLE.CREATE.${stream}.${consumer}`,
    `${API}.CONSUMER.CREATE.${stream}.${consumer}.>`,
    ...["INFO", "DELETE", "MSG.NEXT"].map((verb) => `${API}.CONSUMER.${verb}.${stream}.${consumer}`),
    `$JS.ACK.${stream}.${consumer}.>`,
  ];
}

/** True when JetStream sends several messages as the answer to this request. */
export function hasManyAnswers(subject: string): boolean {
  return subject.startsWith(`${API}.CONSUMER.MSG.NEXT.`);
}

/** Returns the name of the stream behind a bucket. */
export function bucketStream(bucket: string): string {
  return `KV_${bucket}`;
}

/** Returns the subject to which a client writes a key of a bucket. `key` may have wildcards. */
export function bucketKey(bucket: string, key: string): string {
  return `$KV.${bucket}.${key}`;
}

/** The subjects of the services protocol on which clients look for services, all instances of all names. */
export const DISCOVERY_REQUESTS: readonly string[] = ["PING", "INFO", "STATS"].map((verb) => `$SRV.${verb}`);
/** The subjects of the services protocol that an instance subscribes to. */
export const DISCOVERY: readonly string[] = DISCOVERY_REQUESTS.flatMap((subject) => [
  subject,
  `${subject}.>`,
]);
