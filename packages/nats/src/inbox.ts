/**
 * The command inbox: serves the endpoints of the catalogue through the NATS services protocol. Endpoints are in queue
 * groups, and their metadata contains their JSON Schemas.
 *
 * Every message gets exactly one answer: a rejection, a result, or the fault of this service. A malformed or oversized
 * payload is rejected here; the handlers decide everything else.
 */
import { hostname } from "node:os";
import { ERRORS, type HandlerResult, isErrorCode, refuse, type ServedEndpoint } from "@bioxen/contracts";
import type { ReplyError } from "@bioxen/kernel";
import { headers } from "@nats-io/nats-core";
import { type ServiceMsg, Svcm } from "@nats-io/services";
import { z } from "zod";
import type { Bus } from "./bus.ts";
import { carriedOut, causationOf, faultAsError, payloadTooLarge, replyOf } from "./command.ts";
import type { Outcomes } from "./outcomes.ts";

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
}

export interface Inbox {
  /** Stops receiving commands by leaving the queue groups; resolves when every message in flight is answered. */
  stop(): Promise<void>;
}

export async function openInbox(options: InboxOptions): Promise<Inbox> {
  const service = await new Svcm(options.bus.connection).add({
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
  const inFlight = new Set<Promise<void>>();
  for (const served of options.endpoints) {
    const { endpoint } = served;
    service.addEndpoint(endpoint.subject.replaceAll(".", "-").replaceAll("*", "any"), {
      subject: endpoint.subject,
      metadata: {
        summary: endpoint.summary,
        internal: String(endpoint.internal),
        request: jsonSchema(endpoint.request),
        result: jsonSchema(endpoint.result),
      },
      handler: (error, message) => {
        if (error !== null) return;
        const answered = answer(options, served, message).finally(() => inFlight.delete(answered));
        inFlight.add(answered);
      },
    });
  }
  return {
    async stop() {
      await service.stop();
      await Promise.allSettled(inFlight);
    },
  };
}

function jsonSchema(schema: z.ZodType): string {
  return JSON.stringify(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }));
}

async function answer(options: InboxOptions, served: ServedEndpoint, message: ServiceMsg): Promise<void> {
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

async function handled(
  options: InboxOptions,
  served: ServedEndpoint,
  message: ServiceMsg,
): Promise<HandlerResult> {
  const unavailable = options.unavailable();
  if (unavailable !== undefined) return refuse("UNAVAILABLE", unavailable, { retryable: true });
  const tooLarge = payloadTooLarge(message.data);
  if (tooLarge !== undefined) return tooLarge;
  const causation = causationOf(served.endpoint.subject, message.headers, options.newId);
  if (!causation.deduplicate) return carriedOut(served, message.data, causation);
  return options.outcomes.once(causation.causeId, () => carriedOut(served, message.data, causation));
}

function respondError(message: ServiceMsg, error: ReplyError): void {
  const status = isErrorCode(error.code) ? ERRORS[error.code].status : 500;
  const h = headers();
  h.set("Nats-Service-Error-Code", String(status));
  h.set("Nats-Service-Error", `${error.code}: ${error.message}`.replaceAll(/[\r\n]+/g, " ").slice(0, 512));
  message.respond(JSON.stringify({ ok: false, error }), { headers: h });
}
