/**
 * Generates docs/asyncapi.json, the protocol as an AsyncAPI 3 document for tools, from the same schemas as the code.
 *
 * The described application is BioXen: it receives commands, queries and durable commands, and sends replies, events,
 * telemetry, alerts and guest states. Messages between BioXen's own services have the tag `internal`. The schemas are
 * JSON Schema draft 7, like AsyncAPI's own; json-schemas.ts says what is open and what is closed.
 *
 * The version is 3.0.0, because public code generators do not read 3.1.0 yet. 3.1.0 adds nothing that BioXen needs.
 */
import { ENDPOINTS } from "../endpoints/catalogue.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import { agentCheckpoint, agentExec, agentHold } from "../endpoints/internal.ts";
import { agentOrphans } from "../endpoints/orphans.ts";
import { isJobCommand } from "../jobs.ts";
import { jobSubject } from "../subjects.ts";
import { BIOXEN_VERSION } from "../version.ts";
import { DocumentParts, type Example, messageReference } from "./document-parts.ts";
import { ERROR_HEADERS, ERROR_REPLY, JOB_HEADERS, REQUEST_HEADERS } from "./fixed-schemas.ts";
import { type Json, pascalCase } from "./json-schemas.ts";
import { PROTOCOL_ID } from "./protocol-id.ts";
import { addPublishedMessages } from "./published-messages.ts";

/** Adds the request and the reply of an endpoint. `name` is its name in the catalogue. */
function addEndpoint(
  name: string,
  endpoint: Endpoint,
  parts: DocumentParts,
  parameters: string[] = [],
): void {
  const { subject, owner, summary, request, result, internal } = endpoint;
  const [typeName, words] = [pascalCase(name), subject.split(".").slice(1).join(" ")];
  parts.addMessage(`${typeName}Request`, {
    title: `Request: ${words}`,
    summary,
    headers: { $ref: "#/components/schemas/RequestHeaders" },
    correlationId: { $ref: "#/components/correlationIds/request" },
    payload: parts.schemas.of(request, "sent", `${typeName}Request`),
  });
  parts.addMessage(`${typeName}Result`, {
    title: `Result: ${words}`,
    summary: `The reply to a successful request on ${subject}.`,
    payload: successOf(parts.schemas.of(result, "read", `${typeName}Result`)),
  });
  parts.channels[name] = {
    address: subject,
    ...parts.parametersOf(parameters),
    messages: { request: messageReference(`${typeName}Request`) },
    bindings: { nats: { bindingVersion: "0.1.0" } },
  };
  parts.channels[`${name}Reply`] = {
    address: null,
    description: "The reply subject of the request.",
    messages: { result: messageReference(`${typeName}Result`), error: messageReference("ErrorReply") },
  };
  parts.operations[name] = {
    action: "receive",
    summary,
    tags: [{ name: owner }, ...(internal ? [{ name: "internal" }] : [])],
    channel: { $ref: `#/channels/${name}` },
    messages: [{ $ref: `#/channels/${name}/messages/request` }],
    reply: {
      channel: { $ref: `#/channels/${name}Reply` },
      messages: ["result", "error"].map((one) => ({ $ref: `#/channels/${name}Reply/messages/${one}` })),
    },
  };
}

/** Returns the schema of a successful reply: the fields of the result, and `ok`. */
export function successOf(result: Json): Json {
  const { title, properties, required, ...rest } = result;
  return {
    title,
    ...rest,
    properties: { ok: { type: "boolean", const: true }, ...(properties as Json) },
    required: ["ok", ...((required as string[] | undefined) ?? [])],
  };
}

/** Adds the durable form of a command. Its payload is that of the command, its outcome is stored. */
function addJob(name: string, { subject, owner, summary }: Endpoint, parts: DocumentParts): void {
  const [typeName, channel] = [pascalCase(name), `${name}Job`];
  const { payload, title, examples } = parts.messages[`${typeName}Request`] as Json & {
    examples?: Example[];
  };
  const message = {
    title: `Durable ${String(title).toLowerCase()}`,
    summary: `Carried out once the service is available: ${summary}`,
    headers: { $ref: "#/components/schemas/JobHeaders" },
    correlationId: { $ref: "#/components/correlationIds/request" },
    payload,
  };
  const example = examples?.map((one) => ({
    headers: { "Nats-Msg-Id": "order-17" },
    payload: one.payload,
  }))[0];
  parts.addMessage(`${typeName}Job`, message, example);
  parts.channels[channel] = {
    address: jobSubject(subject),
    messages: { job: messageReference(`${typeName}Job`) },
  };
  parts.operations[channel] = {
    action: "receive",
    summary: `Durable: ${summary}`,
    tags: [{ name: owner }, { name: "durable" }],
    channel: { $ref: `#/channels/${channel}` },
    messages: [{ $ref: `#/channels/${channel}/messages/job` }],
  };
}

function addReplyParts(parts: DocumentParts): void {
  const { properties } = ERROR_REPLY as { properties: { error: Json } };
  parts.schemas.named["ReplyError"] = properties.error;
  parts.schemas.named["ErrorReply"] = {
    ...ERROR_REPLY,
    properties: { ...properties, error: { $ref: "#/components/schemas/ReplyError" } },
  };
  parts.schemas.named["RequestHeaders"] = REQUEST_HEADERS;
  parts.schemas.named["JobHeaders"] = JOB_HEADERS;
  parts.addMessage("ErrorReply", {
    title: "Error",
    summary: "The reply to a request that was refused or failed.",
    headers: ERROR_HEADERS,
    payload: { $ref: "#/components/schemas/ErrorReply" },
  });
}

/** The document as a JSON value. */
export function asyncApi(): Json {
  const parts = new DocumentParts();
  addReplyParts(parts);
  for (const [name, endpoint] of Object.entries(ENDPOINTS)) {
    addEndpoint(name, endpoint, parts);
    if (isJobCommand(endpoint.subject)) addJob(name, endpoint, parts);
  }
  addEndpoint("agentExec", agentExec("{agentId}"), parts, ["agentId"]);
  addEndpoint("agentCheckpoint", agentCheckpoint("{agentId}"), parts, ["agentId"]);
  addEndpoint("agentHold", agentHold("{agentId}"), parts, ["agentId"]);
  addEndpoint("agentOrphans", agentOrphans("{agentId}"), parts, ["agentId"]);
  addPublishedMessages(parts);
  return {
    asyncapi: "3.0.0",
    id: PROTOCOL_ID,
    info: {
      title: "BioXen",
      version: BIOXEN_VERSION,
      description:
        "A hypervisor for biological virtual machines. Generated by `pnpm run docs`; PROTOCOL.md is the document for people. A request is closed: an unknown field is refused. Replies, events, telemetry and alerts are open: a later release may add fields. Messages with the tag `internal` are between the services and may change with the version. Every service also answers the NATS services protocol on `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`.",
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
    defaultContentType: "application/json",
    servers: {
      local: {
        host: "127.0.0.1:4222",
        protocol: "nats",
        description: "A local stack, which asks for no login. Other servers take one of these logins.",
        security: Object.keys(SECURITY_SCHEMES).map((name) => ({
          $ref: `#/components/securitySchemes/${name}`,
        })),
      },
    },
    channels: parts.channels,
    operations: parts.operations,
    components: {
      messages: parts.messages,
      schemas: parts.schemas.named,
      correlationIds: CORRELATION_IDS,
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

const CORRELATION_IDS: Json = {
  request: {
    description: "The chain of causes that the caller continues; absent at its beginning.",
    location: "$message.header#/Bioxen-Correlation-Id",
  },
  event: {
    description: "The command that started the chain of causes.",
    location: "$message.payload#/correlationid",
  },
};

/** The logins of a NATS server that BioXen's services and clients can use. */
const SECURITY_SCHEMES: Json = {
  userPassword: { type: "userPassword", description: "User and password of the NATS server or account." },
  token: { type: "apiKey", in: "password", description: "Token of the NATS server." },
  nkey: {
    type: "asymmetricEncryption",
    description:
      "An nkey seed, or the JWT and seed of a `.creds` file: the client signs the server's challenge.",
  },
  clientCertificate: { type: "X509", description: "TLS with a certificate of the client." },
};

/** The content of docs/asyncapi.json. */
export function asyncApiDocument(): string {
  return `${JSON.stringify(asyncApi(), undefined, 1)}\n`;
}
