/**
 * The command inbox: serves the endpoints of the catalogue through the NATS services protocol. Endpoints are in queue
 * groups, and their metadata contains their JSON Schemas.
 *
 * Every message gets exactly one answer: a rejection, a result, or the fault of this service. A malformed or oversized
 * payload is rejected here; the handlers decide everything else. The exception is a message whose reply subject is no
 * inbox: it is dropped and counted, and nothing is carried out.
 */
import { hostname } from "node:os";
import {
  contentLimitOf,
  type Endpoint,
  endpointSchemas,
  forbiddenTo,
  type HandlerResult,
  type Identity,
  type IdentityMode,
  jsonBytesOf,
  principalOf,
  QUERY_PREFIX,
  refuse,
  type ServedEndpoint,
} from "@bioxen/contracts";
import type { Causation, ReplyError } from "@bioxen/kernel";
import { type Service, Svcm } from "@nats-io/services";
import type { Bus } from "./bus.ts";
import {
  badRequest,
  carriedOut,
  causationOf,
  faultAsError,
  observed,
  type ParsedPayload,
  parseJson,
  payloadTooLarge,
  replyOf,
  withDigest,
} from "./command.ts";
import { EndpointStatistics } from "./endpoint-statistics.ts";
import { errorHeaders } from "./error-headers.ts";
import { LaneConnections } from "./lane-connections.ts";
import { laneOf } from "./lane-rules.ts";
import type { Outcomes } from "./outcomes.ts";
import { payloadDigest } from "./payload-digest.ts";
import { type InboxLoad, Receiver } from "./receiver.ts";
import { NO_REQUEST_HEADERS } from "./request-headers.ts";
import type { Request } from "./request-lanes.ts";

export interface InboxOptions {
  readonly bus: Bus;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly endpoints: readonly ServedEndpoint[];
  /** HTTP address of the health and metrics of this instance. */
  readonly url?: string;
  /** Further metadata of this instance, for its answers to `$SRV.PING` and `$SRV.INFO`. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly newId: () => string;
  readonly outcomes: Outcomes;
  /** Returns why the service cannot answer now, for example a stopped feed; undefined when the service can answer. */
  readonly unavailable: () => string | undefined;
  /** Whether the subjects of requests name their callers; default `open`: they do not. */
  readonly identities?: IdentityMode;
  /** Called when a handler throws; the caller gets the fault's code, or INTERNAL. */
  readonly onFault: (subject: string, thrown: unknown, principal?: string) => void;
  /** Called for each message that was dropped because `reply`, the reply subject that it names, is no inbox. */
  readonly onForeignReply?: (subject: string, reply: string) => void;
  /** Called for each refusal that tells something about its caller. */
  readonly onRefusal?: (refusal: AuditedRefusal) => void;
  /** Maximum number of commands of one caller per second. When absent, the rate of a caller is not limited. */
  readonly callerLimit?: number | undefined;
}

/** Longest wait for the answers to received requests, ms: no request waits longer for its start (lane-rules.ts). */
const FINISH_MS = 5_000;
/** Longest wait for the end of the requests under way while further ones wait, ms: less than half of the longest wait. */
const HOLD_MS = 2_000;

/** The codes of refusals that say something about the caller: it may not do this, or it sends too much. */
export const AUDITED_CODES = ["FORBIDDEN", "RATE_LIMITED"] as const;

export interface AuditedRefusal {
  readonly principal: string;
  readonly code: (typeof AUDITED_CODES)[number];
  /** The subject of the endpoint. */
  readonly subject: string;
}

export interface Inbox {
  load(): InboxLoad;
  /** Leaves the queue groups; resolves when all received requests but programs are answered, within 5 s. */
  leave(): Promise<void>;
  /** Carries out `work` while only programs are under way. Other requests wait; after 2 s, those under way go on beside it. */
  quietly(work: () => Promise<void>): Promise<void>;
  /** Stops receiving commands by leaving the queue groups; resolves when every message in flight is answered. */
  stop(): Promise<void>;
}

export async function openInbox(options: InboxOptions): Promise<Inbox> {
  const lanes = options.endpoints.map(({ endpoint }) => laneOf(endpoint));
  const connections = await LaneConnections.open(options.bus, lanes);
  const statistics = new EndpointStatistics();
  const receiver = new Receiver({
    ...options,
    connections,
    answer: (request) => answer(options, request, statistics),
    onRefused: ({ endpoint }, error, caller) => {
      statistics.answered(endpoint.subject, 0, error);
      audit(options, endpoint.subject, error.code, caller);
    },
  });
  const service = await new Svcm(receiver.connection).add({
    name: options.name,
    version: options.version,
    description: options.description,
    metadata: {
      project: "bioxen",
      host: hostname(),
      pid: String(process.pid),
      ...(options.url === undefined ? {} : { url: options.url }),
      ...options.metadata,
    },
    // `bioxen doctor` reads the load of each instance from the STATS of its endpoints.
    statsHandler: async ({ subject }) => receiver.statsOf(subject),
  });
  answerStats(service, statistics);
  const metadataOf = endpointMetadata(options);
  for (const { endpoint } of options.endpoints) {
    service.addEndpoint(endpoint.subject.replaceAll(".", "-").replaceAll("*", "any"), {
      subject: endpoint.subject,
      metadata: metadataOf(endpoint),
      // The receiver answers the requests, so the handler of the library has nothing to do.
      handler: () => undefined,
    });
  }
  await connections.flush();
  let left: Promise<unknown> | undefined;
  const leave = () => {
    left ??= service.stop().then(() => receiver.leave());
    return left;
  };
  return {
    load: () => receiver.load,
    leave: async () => {
      await leave();
      await receiver.finish(FINISH_MS);
    },
    quietly: (work) => receiver.quietly(work, HOLD_MS),
    async stop() {
      await leave();
      await receiver.stop();
      await connections.close();
    },
  };
}

function audit(options: InboxOptions, subject: string, code: string, caller: Identity): void {
  const audited = AUDITED_CODES.find((one) => one === code);
  if (audited !== undefined) options.onRefusal?.({ principal: principalOf(caller), code: audited, subject });
}

/** Replaces the library's counts in the answers to STATS by `statistics`. */
function answerStats(service: Service, statistics: EndpointStatistics): void {
  const stats = service.stats.bind(service);
  service.stats = async () => {
    const { endpoints = [], ...instance } = await stats();
    const counted = endpoints.map((endpoint) => ({ ...endpoint, ...statistics.of(endpoint.subject) }));
    return { ...instance, endpoints: counted };
  };
}

/** Space for one endpoint in the answer to `$SRV.INFO`, bytes: its name, subject and queue group, without metadata. */
const ENDPOINT_INFO_BYTES = 256;

/**
 * Returns the function that makes the metadata of an endpoint. The answer to `$SRV.INFO` has the metadata of all
 * endpoints in one message, so the schemas are left out where they would not fit; docs/asyncapi.json has them.
 */
function endpointMetadata({ bus, endpoints }: InboxOptions): (endpoint: Endpoint) => Record<string, string> {
  const brief = ({ summary, internal }: Endpoint) => ({ summary, internal: String(internal) });
  const full = (endpoint: Endpoint) => ({ ...brief(endpoint), ...endpointSchemas(endpoint) });
  const bytes = endpoints.reduce(
    (sum, served) => sum + jsonBytesOf(full(served.endpoint)) + ENDPOINT_INFO_BYTES,
    0,
  );
  return bytes <= contentLimitOf(bus.maxPayloadBytes) ? full : brief;
}

async function answer(
  options: InboxOptions,
  request: Request,
  statistics: EndpointStatistics,
): Promise<void> {
  const { subject } = request.served.endpoint;
  const startedMs = performance.now();
  const respondError = (error: ReplyError) => {
    request.respond(JSON.stringify({ ok: false, error }), errorHeaders(error));
    statistics.answered(subject, performance.now() - startedMs, error);
    audit(options, subject, error.code, request.caller.identity);
  };
  let noted: unknown;
  const onFault = (thrown: unknown) => {
    noted = thrown;
    options.onFault(subject, thrown, principalOf(request.caller.identity));
  };
  try {
    const reply = replyOf(await handled(options, request, onFault));
    if (!reply.ok) return respondError(reply.error);
    request.respond(JSON.stringify(reply));
    statistics.answered(subject, performance.now() - startedMs);
  } catch (thrown) {
    if (noted !== thrown) onFault(thrown);
    respondError(faultAsError(thrown));
  }
}

/** Calls `onFault` inside the observer of the endpoint, so that the log line of a fault belongs to its trace. */
async function handled(
  options: InboxOptions,
  request: Request,
  onFault: (thrown: unknown) => void,
): Promise<HandlerResult> {
  const { served, headers, data } = request;
  const refusal = refusalOf(options, request);
  const payload = refusal === undefined ? parseJson(data) : undefined;
  const { subject } = served.endpoint;
  const read = headers.ok ? headers.headers : NO_REQUEST_HEADERS;
  const causation = causationOf(subject, read, options.newId, request.caller);
  return observed(served, payload, causation, async (own) => {
    if (payload === undefined) return refusal as HandlerResult;
    try {
      return await firstOutcome(options, request, payload, own);
    } catch (thrown) {
      onFault(thrown);
      throw thrown;
    }
  });
}

/** Returns the refusal of a request that is not even parsed; undefined for any other request. */
function refusalOf(options: InboxOptions, request: Request): HandlerResult | undefined {
  const { headers, data, served, caller } = request;
  const unavailable = options.unavailable();
  if (unavailable !== undefined) return refuse("UNAVAILABLE", unavailable, { retryable: true });
  const forbidden = forbiddenTo(caller.identity, served.endpoint);
  return forbidden ?? payloadTooLarge(data) ?? (headers.ok ? undefined : badRequest(headers.problems));
}

async function firstOutcome(
  options: InboxOptions,
  { served, data }: Request,
  payload: ParsedPayload,
  causation: Causation,
): Promise<HandlerResult> {
  const { endpoint } = served;
  const carryOut = (cause = causation) =>
    carriedOut(served, payload, cause, contentLimitOf(options.bus.maxPayloadBytes));
  // A query changes nothing and can be repeated, so its outcome is not stored. Stored query results would only take
  // up space in the store of outcomes.
  if (!causation.deduplicate || endpoint.subject.startsWith(QUERY_PREFIX)) return carryOut();
  const digest = payloadDigest(payload, data);
  const withPayload = withDigest(causation, endpoint, digest);
  const attempt = () => carryOut(withPayload);
  return served.outcomeInLog === true
    ? options.outcomes.onceInLog(causation.causeId, attempt, { digest })
    : options.outcomes.once(causation.causeId, attempt, { digest });
}
