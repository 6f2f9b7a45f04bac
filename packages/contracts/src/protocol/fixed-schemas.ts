/**
 * The published schemas that no zod schema of the code has: the error reply, the headers, the envelope of an event, and
 * the messages whose payload is not one JSON object of a fixed shape.
 */
import { ERROR_CODES } from "../errors.ts";
import { MAX_JOB_ID_LENGTH } from "../job-id.ts";
import { MAX_HEADER_BYTES } from "../request-limits.ts";
import type { Json } from "./json-schemas.ts";

const TEXT: Json = { type: "string" };
const HEADER: Json = { type: "string", maxLength: MAX_HEADER_BYTES };

/** The payload of every refusal and failure. */
export const ERROR_REPLY: Json = {
  title: "ErrorReply",
  type: "object",
  properties: {
    ok: { type: "boolean", const: false },
    error: {
      title: "ReplyError",
      type: "object",
      properties: {
        code: {
          type: "string",
          description: "A code of docs/errors.md. A later release may add codes.",
          examples: ERROR_CODES,
        },
        message: TEXT,
        retryable: { type: "boolean", description: "True when the same request can succeed later." },
        details: {
          title: "ErrorDetails",
          type: "object",
          description: "Depends on the code; docs/errors.md says what each code has.",
          additionalProperties: true,
        },
      },
      required: ["code", "message", "retryable"],
    },
  },
  required: ["ok", "error"],
};

/** The headers of a request. Other headers are ignored. */
export const REQUEST_HEADERS: Json = {
  title: "RequestHeaders",
  type: "object",
  properties: {
    "Nats-Msg-Id": {
      ...HEADER,
      description:
        "Makes a command idempotent: within two minutes, the same id on the same subject gets the outcome of the first command.",
    },
    "Bioxen-Correlation-Id": {
      ...HEADER,
      description: "Becomes `correlationid` of every event that follows; default: an id of the command.",
    },
    "Bioxen-Causation-Id": {
      ...HEADER,
      description: "Becomes `causationid` of the event; for a caller that reacts to an event.",
    },
    traceparent: { ...HEADER, description: "W3C trace context, continued in every event that follows." },
  },
};

/** The headers of a reply that is an error, as the NATS services protocol has them. */
export const ERROR_HEADERS: Json = {
  title: "ErrorHeaders",
  type: "object",
  properties: {
    "Nats-Service-Error": { type: "string", description: "Code and message of the error." },
    "Nats-Service-Error-Code": {
      type: "string",
      description: "Status of the error, as in docs/errors.md.",
      pattern: "^[45][0-9]{2}$",
    },
  },
  required: ["Nats-Service-Error", "Nats-Service-Error-Code"],
};

/** The headers of a durable command. */
export const JOB_HEADERS: Json = {
  title: "JobHeaders",
  type: "object",
  properties: {
    ...(REQUEST_HEADERS["properties"] as Json),
    "Nats-Msg-Id": {
      type: "string",
      maxLength: MAX_JOB_ID_LENGTH,
      description: "The id of the job, which is also the last part of the subject of its outcome.",
    },
  },
  required: ["Nats-Msg-Id"],
};

/** The headers of a durable command that could not be carried out, beside the headers of its publisher. */
export const DEAD_LETTER_HEADERS: Json = {
  title: "DeadLetterHeaders",
  type: "object",
  properties: {
    "Bioxen-Job-Id": TEXT,
    "Bioxen-Job-Subject": { type: "string", description: "The subject on which the job was published." },
    "Bioxen-Job-Round": { type: "string", description: "1, and 1 more for each retry by an operator." },
    "Bioxen-Job-Attempts": { type: "string", description: "Number of attempts in the last round." },
    "Bioxen-Job-First-At-Ms": { type: "string", description: "When the job was first stored, epoch ms." },
    "Bioxen-Job-Error": {
      type: "string",
      description: "The `error` of the last attempt as JSON; without `details` when these are large.",
    },
  },
  required: ["Bioxen-Job-Id", "Bioxen-Job-Subject", "Bioxen-Job-Error"],
};

/** The outcome of a durable command: the reply of the command, whichever it is. */
export const JOB_OUTCOME: Json = {
  title: "JobOutcome",
  type: "object",
  description: "The reply of the command: `ok: true` with its result, or `ok: false` with `error`.",
  properties: {
    ok: { type: "boolean" },
    error: { $ref: "#/components/schemas/ReplyError" },
  },
  required: ["ok"],
};

/** What the attributes of an event mean, for those whose name does not say it. */
const EVENT_ATTRIBUTES: Readonly<Record<string, string>> = {
  source: "The service that decided the event.",
  subject: "Kind and id of the aggregate, such as `vm/cell-1`.",
  time: "Instant of the decision.",
  aggregateversion: "1, 2, 3 … per aggregate.",
  correlationid: "The command that started the chain of causes.",
  causationid: "The command or event that directly caused this event.",
  principal:
    "The caller whose command decided the event: a principal, `agent:<id>`, `service:<name>`, or `anonymous` on an open stack.",
  onbehalfof: "The principal whose command began the chain that led to the decision.",
  via: "`gateway` when the command came over HTTP, on a server with keys.",
  traceparent: "W3C trace context.",
  tracestate: "The vendors' part of the W3C trace context; never without `traceparent`.",
  previoushash: "SHA-256 of the stored bytes of the aggregate's previous event; absent in its first event.",
  payloaddigest: "SHA-256 of the payload of the command with a `Nats-Msg-Id` that caused this event.",
};

/** Returns the schema of a CloudEvent of one type, made from the schema of the envelope of all events. */
export function eventOf(envelope: Json, type: string, title: string, data: Json): Json {
  const properties = Object.entries(envelope["properties"] as Record<string, Json>).map(([name, schema]) => {
    const description = EVENT_ATTRIBUTES[name];
    return [name, description === undefined ? schema : { description, ...schema }];
  });
  return {
    ...envelope,
    title,
    properties: { ...Object.fromEntries(properties), type: { type: "string", const: type }, data },
  };
}
