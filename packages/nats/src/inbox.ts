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
  ERRORS,
  type HandlerResult,
  isErrorCode,
  jsonBytesOf,
  MAX_HEADER_BYTES,
  MAX_INTERNAL_HEADER_BYTES,
  QUERY_PREFIX,
  refuse,
  type ServedEndpoint,
} from "@bioxen/contracts";
import type { ReplyError } from "@bioxen/kernel";
import { headers, type Msg, type NatsConnection } from "@nats-io/nats-core";
import { Svcm } from "@nats-io/services";
import { z } from "zod";
import type { Bus } from "./bus.ts";
import {
  badRequest,
  carriedOut,
  causationOf,
  faultAsError,
  parseJson,
  payloadTooLarge,
  replyOf,
} from "./command.ts";
import type { Outcomes } from "./outcomes.ts";
import { payloadDigest } from "./payload-digest.ts";
import { ReplySubjects } from "./reply-subjects.ts";
import { headersOf } from "./request-headers.ts";

export interface InboxOptions {
  readonly bus: Bus;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly endpoints: readonly ServedEndpoint[];
  /** HTTP address of the health and metrics of this instance. */
  readonly url?: string;
  readonly newId: () => string;
  readonly outcomes: Outcomes;
  /** Returns the reason why the service cannot answer now (the feed stopped); undefined when it can. */
  readonly unavailable: () => string | undefined;
  /** Called when a handler throws; the caller gets the fault's code, or INTERNAL. */
  readonly onFault: (subject: string, thrown: unknown) => void;
  /** Called for each message that was dropped because `reply`, the reply subject that it names, is no inbox. */
  readonly onForeignReply?: (subject: string, reply: string) => void;
}

export interface Inbox {
  /** Stops receiving commands by leaving the queue groups; resolves when every message in flight is answered. */
  stop(): Promise<void>;
}

export async function openInbox(options: InboxOptions): Promise<Inbox> {
  const receiver = new Receiver(options);
  const service = await new Svcm(receiver.connection).add({
    name: options.name,
    version: options.version,
    description: options.description,
    metadata: {
      project: "bioxen",
      host: hostname(),
      pid: String(process.pid),
      ...(options.url === undefined ? {} : { url: options.url }),
    },
  });
  const metadataOf = endpointMetadata(options);
  for (const { endpoint } of options.endpoints) {
    service.addEndpoint(endpoint.subject.replaceAll(".", "-").replaceAll("*", "any"), {
      subject: endpoint.subject,
      metadata: metadataOf(endpoint),
      // The receiver answers; this handler exists because the library counts the requests of an endpoint by it.
      handler: () => undefined,
    });
  }
  return {
    async stop() {
      await service.stop();
      await receiver.idle();
    },
  };
}

/** Receives the messages of all subscriptions of the service, and answers them. */
class Receiver {
  /** The connection as the services library sees it: every subscription goes through this receiver. */
  readonly connection: NatsConnection;
  readonly #options: InboxOptions;
  readonly #replies: ReplySubjects;
  readonly #served: ReadonlyMap<string, ServedEndpoint>;
  readonly #inFlight = new Set<Promise<void>>();

  constructor(options: InboxOptions) {
    const { connection } = options.bus;
    this.#options = options;
    this.#replies = ReplySubjects.of(options.bus);
    this.#served = new Map(options.endpoints.map((served) => [served.endpoint.subject, served]));
    const subscribe: NatsConnection["subscribe"] = (subject, subscription = {}) => {
      const hear = subscription.callback ?? (() => undefined);
      const served = this.#served.get(subject);
      const take = (message: Msg) => {
        if (served !== undefined) void this.#track(answer(options, served, message));
        // The library answers the PING, INFO and STATS of the protocol.
        hear(null, message);
      };
      const callback: typeof hear = (error, message) => {
        if (error !== null) hear(error, message);
        else this.#receive(message, take);
      };
      return connection.subscribe(subject, { ...subscription, callback });
    };
    this.connection = Object.create(connection, { subscribe: { value: subscribe } }) as NatsConnection;
  }

  /** Resolves when every message in flight is answered. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#inFlight);
  }

  #receive(message: Msg, take: (message: Msg) => void): void {
    const reply = message.reply ?? "";
    const verdict = this.#replies.verdict(reply);
    if (verdict === "accepted") take(message);
    else if (verdict === "refused") this.#options.onForeignReply?.(message.subject, reply);
    else {
      const asked = this.#replies.isAccepted(reply).then((isAccepted) => {
        if (isAccepted) take(message);
        else this.#options.onForeignReply?.(message.subject, reply);
      });
      void this.#track(asked);
    }
  }

  async #track(work: Promise<void>): Promise<void> {
    this.#inFlight.add(work);
    await work.finally(() => this.#inFlight.delete(work));
  }
}

/** Bytes of one endpoint in the answer to `$SRV.INFO` beside its metadata: name, subject, queue group. */
const ENDPOINT_INFO_BYTES = 256;

/**
 * Returns the function that makes the metadata of an endpoint. The answer to `$SRV.INFO` has the metadata of all
 * endpoints in one message, so the schemas are left out where they would not fit; docs/PROTOCOL.md has them.
 */
function endpointMetadata({ bus, endpoints }: InboxOptions): (endpoint: Endpoint) => Record<string, string> {
  const brief = ({ summary, internal }: Endpoint) => ({ summary, internal: String(internal) });
  const full = (endpoint: Endpoint) => ({
    ...brief(endpoint),
    request: jsonSchema(endpoint.request),
    result: jsonSchema(endpoint.result),
  });
  const bytes = endpoints.reduce(
    (sum, served) => sum + jsonBytesOf(full(served.endpoint)) + ENDPOINT_INFO_BYTES,
    0,
  );
  return bytes <= contentLimitOf(bus.maxPayloadBytes) ? full : brief;
}

function jsonSchema(schema: z.ZodType): string {
  return JSON.stringify(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }));
}

async function answer(options: InboxOptions, served: ServedEndpoint, message: Msg): Promise<void> {
  try {
    const result = await handled(options, served, message);
    const reply = replyOf(result);
    if (reply.ok) message.respond(JSON.stringify(reply));
    else respondError(message, reply.error);
  } catch (thrown) {
    options.onFault(served.endpoint.subject, thrown);
    respondError(message, faultAsError(thrown));
  }
}

async function handled(options: InboxOptions, served: ServedEndpoint, message: Msg): Promise<HandlerResult> {
  const unavailable = options.unavailable();
  if (unavailable !== undefined) return refuse("UNAVAILABLE", unavailable, { retryable: true });
  const tooLarge = payloadTooLarge(message.data);
  if (tooLarge !== undefined) return tooLarge;
  const { endpoint } = served;
  const read = headersOf(message, endpoint.internal ? MAX_INTERNAL_HEADER_BYTES : MAX_HEADER_BYTES);
  if (!read.ok) return badRequest(read.problems);
  const payload = parseJson(message.data);
  const causation = causationOf(endpoint.subject, read.headers, options.newId);
  const carryOut = () => carriedOut(served, payload, causation, contentLimitOf(options.bus.maxPayloadBytes));
  // A query causes nothing, so a repeated one needs no stored outcome. A page of a list would only fill the store.
  if (!causation.deduplicate || endpoint.subject.startsWith(QUERY_PREFIX)) return carryOut();
  const digest = payloadDigest(payload, message.data);
  return options.outcomes.once(causation.causeId, carryOut, { digest });
}

function respondError(message: Msg, error: ReplyError): void {
  const status = isErrorCode(error.code) ? ERRORS[error.code].status : 500;
  const h = headers();
  h.set("Nats-Service-Error-Code", String(status));
  h.set("Nats-Service-Error", `${error.code}: ${error.message}`.replaceAll(/[\r\n]+/g, " ").slice(0, 512));
  message.respond(JSON.stringify({ ok: false, error }), { headers: h });
}
