/**
 * Generates docs/asyncapi.json, the protocol as an AsyncAPI 3 document for tools, from the same schemas as the code.
 *
 * The described application is BioXen: it receives commands and queries and sends events, telemetry and alerts.
 * Internal endpoints are left out. The schemas are JSON Schema draft 7, like AsyncAPI's own. A named schema occurs
 * once, in `components`.
 */
import { z } from "zod";
import { alertNotification } from "./alerts.ts";
import { EVENT_TYPES } from "./codec.ts";
import { ENDPOINTS } from "./endpoints/catalogue.ts";
import type { Endpoint } from "./endpoints/endpoint.ts";
import { ERROR_CODES } from "./errors.ts";
import { AGGREGATE_KINDS } from "./subjects.ts";
import { chassisSample, serviceSample, vmSample } from "./telemetry.ts";
import { BIOXEN_VERSION } from "./version.ts";

type Json = Readonly<Record<string, unknown>>;

const ERROR_REPLY: Json = {
  type: "object",
  properties: {
    ok: { const: false },
    error: {
      type: "object",
      properties: {
        code: { enum: ERROR_CODES },
        message: { type: "string" },
        retryable: { type: "boolean" },
        details: { type: "object" },
      },
      required: ["code", "message", "retryable"],
    },
  },
  required: ["ok", "error"],
};

/** The headers of a command. Other headers are ignored. */
const COMMAND_HEADERS: Json = {
  type: "object",
  properties: {
    "Nats-Msg-Id": {
      type: "string",
      description:
        "Makes a command idempotent: within two minutes, the same id on the same subject gets the outcome of the first command.",
    },
    traceparent: { type: "string", description: "W3C trace context, continued in every event that follows." },
  },
};

/** Collects the named schemas for `components.schemas`. */
class Schemas {
  readonly named: Record<string, unknown> = {};

  /** Returns the JSON schema of `schema`. Named schemas in it are added to `named` and referred to by name. */
  of(schema: z.ZodType, io: "input" | "output"): Json {
    const {
      $schema: _,
      definitions,
      ...json
    } = z.toJSONSchema(schema, {
      io,
      target: "draft-7",
      unrepresentable: "any",
    }) as Record<string, unknown>;
    // A named schema differs between input and output: an input may leave out fields that have a default.
    const nameOf = (name: string) => (io === "input" ? `${name}Given` : name);
    for (const [name, definition] of Object.entries((definitions ?? {}) as Json)) {
      this.named[nameOf(name)] = referring(definition, nameOf);
    }
    return referring(json, nameOf) as Json;
  }
}

function referring(value: unknown, nameOf: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((one) => referring(one, nameOf));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]): [string, unknown] => {
    const name = key === "$ref" && /^#\/definitions\/(.+)$/.exec(String(inner))?.[1];
    return name ? [key, `#/components/schemas/${nameOf(name)}`] : [key, referring(inner, nameOf)];
  });
  return Object.fromEntries(entries);
}

interface Parts {
  readonly channels: Record<string, Json>;
  readonly operations: Record<string, Json>;
  readonly messages: Record<string, Json>;
}

const message = (name: string) => ({ $ref: `#/components/messages/${name}` });

function addEndpoint(name: string, endpoint: Endpoint, parts: Parts, schemas: Schemas): void {
  const { subject, owner, summary, request, result } = endpoint;
  const reply = schemas.of(result, "output");
  parts.messages[`${name}Request`] = { headers: COMMAND_HEADERS, payload: schemas.of(request, "input") };
  parts.messages[`${name}Reply`] = {
    payload: {
      oneOf: [
        { allOf: [{ type: "object", properties: { ok: { const: true } }, required: ["ok"] }, reply] },
        { $ref: "#/components/schemas/ErrorReply" },
      ],
    },
  };
  parts.channels[name] = {
    address: subject,
    messages: { request: message(`${name}Request`) },
    bindings: { nats: { bindingVersion: "0.1.0" } },
  };
  parts.channels[`${name}Reply`] = { address: null, messages: { reply: message(`${name}Reply`) } };
  parts.operations[name] = {
    action: "receive",
    summary,
    tags: [{ name: owner }],
    channel: { $ref: `#/channels/${name}` },
    messages: [{ $ref: `#/channels/${name}/messages/request` }],
    reply: {
      channel: { $ref: `#/channels/${name}Reply` },
      messages: [{ $ref: `#/channels/${name}Reply/messages/reply` }],
    },
  };
}

interface Published {
  readonly address: string;
  readonly parameters: readonly string[];
  readonly summary: string;
  readonly messages: Readonly<Record<string, Json>>;
}

function addPublished(name: string, published: Published, parts: Parts): void {
  const names = Object.keys(published.messages);
  for (const [messageName, payload] of Object.entries(published.messages)) {
    parts.messages[messageName] = { name: messageName, payload };
  }
  parts.channels[name] = {
    address: published.address,
    parameters: Object.fromEntries(published.parameters.map((parameter) => [parameter, {}])),
    messages: Object.fromEntries(names.map((one) => [one, message(one)])),
  };
  parts.operations[name] = {
    action: "send",
    summary: published.summary,
    channel: { $ref: `#/channels/${name}` },
    messages: names.map((one) => ({ $ref: `#/channels/${name}/messages/${one}` })),
  };
}

/** The schema of a CloudEvent of this type. */
function eventOf(type: string, data: Json): Json {
  const text = { type: "string" };
  return {
    type: "object",
    properties: {
      specversion: { const: "1.0" },
      id: text,
      source: text,
      type: { const: type },
      subject: text,
      time: { type: "string", format: "date-time" },
      datacontenttype: { const: "application/json" },
      aggregateversion: { type: "integer", minimum: 1 },
      correlationid: text,
      causationid: text,
      traceparent: text,
      previoushash: text,
      data,
    },
    required: ["specversion", "id", "source", "type", "subject", "time", "aggregateversion", "data"],
  };
}

function addEvents(parts: Parts, schemas: Schemas): void {
  for (const kind of AGGREGATE_KINDS) {
    const types = Object.entries(EVENT_TYPES).filter(([type]) => type.startsWith(`bioxen.${kind}.`));
    addPublished(
      `${kind}Events`,
      {
        address: `bioxen.evt.${kind}.{id}`,
        parameters: ["id"],
        summary: `The events of a ${kind}, in order and each once, from the event stream.`,
        messages: Object.fromEntries(
          types.map(([type, schema]) => [type, eventOf(type, schemas.of(schema, "output"))]),
        ),
      },
      parts,
    );
  }
}

function addTelemetry(parts: Parts, schemas: Schemas): void {
  const add = (name: string, address: string, parameters: string[], schema: z.ZodType, summary: string) =>
    addPublished(
      name,
      { address, parameters, summary, messages: { [name]: schemas.of(schema, "output") } },
      parts,
    );
  add("vmSample", "bioxen.tel.vm.{vmId}", ["vmId"], vmSample, "A sample of a VM every second, at most once.");
  add(
    "chassisSample",
    "bioxen.tel.chassis.{chassisId}",
    ["chassisId"],
    chassisSample,
    "The heartbeat of the agent that runs the chassis, at most once.",
  );
  add(
    "serviceSample",
    "bioxen.tel.service.{service}",
    ["service"],
    serviceSample,
    "The vital signs of each instance of a service, at most once.",
  );
  add(
    "alertNotification",
    "bioxen.alert.{severity}.{ruleId}",
    ["severity", "ruleId"],
    alertNotification,
    "The notification of a raised or cleared alert. The event is the record.",
  );
}

/** The document as a JSON value. */
export function asyncApi(): Json {
  const parts: Parts = { channels: {}, operations: {}, messages: {} };
  const schemas = new Schemas();
  schemas.named["ErrorReply"] = ERROR_REPLY;
  for (const [name, endpoint] of Object.entries(ENDPOINTS)) {
    if (!endpoint.internal) addEndpoint(name, endpoint, parts, schemas);
  }
  addEvents(parts, schemas);
  addTelemetry(parts, schemas);
  return {
    asyncapi: "3.0.0",
    info: {
      title: "BioXen",
      version: BIOXEN_VERSION,
      description:
        "A hypervisor for biological virtual machines. Generated by `pnpm run docs`; PROTOCOL.md is the document for people.",
      license: { name: "Apache-2.0" },
    },
    defaultContentType: "application/json",
    servers: { local: { host: "127.0.0.1:4222", protocol: "nats" } },
    channels: parts.channels,
    operations: parts.operations,
    components: { messages: parts.messages, schemas: schemas.named },
  };
}

/** The content of docs/asyncapi.json. */
export function asyncApiDocument(): string {
  return `${JSON.stringify(asyncApi(), undefined, 1)}\n`;
}
