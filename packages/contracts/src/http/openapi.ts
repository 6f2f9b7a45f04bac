/**
 * The HTTP API as an OpenAPI 3.1 document, from the same schemas as docs/asyncapi.json and the code.
 */
import { ERROR_CODES, ERRORS } from "../errors.ts";
import { successOf } from "../protocol/asyncapi.ts";
import { ERROR_REPLY } from "../protocol/fixed-schemas.ts";
import { type Json, JsonSchemas, pascalCase } from "../protocol/json-schemas.ts";
import { BIOXEN_VERSION } from "../version.ts";
import { PAYLOAD_PARAMETER } from "./query-payload.ts";
import { API_PREFIX, HTTP_ROUTES, type HttpRoute } from "./routes.ts";

const SCHEMAS = "#/components/schemas/";
const ERROR = { $ref: `${SCHEMAS}ErrorReply` };
/** What the API answers about a request that no service sees: no caller, or no such method or type. */
const OF_HTTP = [401, 405, 415];

const json = (schema: unknown): Json => ({ "application/json": { schema } });

/** One answer for each status that an error code has. */
function errorResponses(): Record<string, Json> {
  const statuses = [...new Set([...ERROR_CODES.map((code) => ERRORS[code].status), ...OF_HTTP])].sort();
  return Object.fromEntries(
    statuses.map((status) => {
      const codes = ERROR_CODES.filter((code) => ERRORS[code].status === status);
      return [String(status), { description: codes.join(", ") || "not let in", content: json(ERROR) }];
    }),
  );
}

/** The fields of a query as parameters. A field with parts of its own is in the parameter `payload`. */
function parametersOf(request: Json): Json[] {
  const { properties = {}, required = [] } = request as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  const fields = Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
  }));
  const description = "Fields as one JSON object, for those with parts of their own.";
  return [
    ...fields,
    { name: PAYLOAD_PARAMETER, in: "query", required: false, description, schema: { type: "string" } },
  ];
}

const IDEMPOTENCY_KEY: Json = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description: "The same key on the same command has one effect. For a job it is the id of the job.",
  schema: { type: "string" },
};

function operationOf({ name, method, endpoint, durable }: HttpRoute, schemas: JsonSchemas): Json {
  const typeName = pascalCase(name);
  const request = schemas.of(endpoint.request, "sent", `${typeName}Request`);
  const result = successOf(schemas.of(endpoint.result, "read", `${typeName}Result`));
  const stored = {
    type: "object",
    properties: {
      ok: { type: "boolean", const: true },
      id: { type: "string" },
      duplicate: { type: "boolean" },
    },
    required: ["ok", "id", "duplicate"],
  };
  const success = durable
    ? { "202": { description: "The command is stored.", content: json(stored) } }
    : { "200": { description: "Carried out.", content: json(result) } };
  return {
    operationId: durable ? `${name}Job` : name,
    summary: durable
      ? `Durable: ${endpoint.subject.split(".").slice(2).join(" ")}`
      : endpoint.subject.split(".").slice(2).join(" "),
    description: endpoint.summary,
    tags: [endpoint.owner],
    ...(method === "GET"
      ? { parameters: parametersOf(request) }
      : { parameters: [IDEMPOTENCY_KEY], requestBody: { required: true, content: json(request) } }),
    responses: { ...success, ...errorResponses() },
  };
}

const STREAMS: Readonly<Record<string, string>> = {
  events: "Events of the log, as server-sent events.",
  telemetry: "Samples of VMs and chassis, as server-sent events.",
  logs: "Lines that guests print, as server-sent events.",
};

function streamPaths(): Record<string, Json> {
  const paths = Object.entries(STREAMS).map(([name, description]) => [
    `${API_PREFIX}/${name}`,
    {
      get: {
        operationId: `${name}Stream`,
        summary: description,
        tags: ["streams"],
        responses: {
          "200": { description, content: { "text/event-stream": { schema: { type: "string" } } } },
          ...errorResponses(),
        },
      },
    },
  ]);
  return Object.fromEntries(paths);
}

/** Returns the value with tuples in the form of JSON Schema 2020-12, which OpenAPI 3.1 uses, instead of that of draft 7. */
function withPresentTuples(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withPresentTuples);
  if (typeof value !== "object" || value === null) return value;
  const { items, additionalItems, ...rest } = value as Json;
  const others = Object.entries(rest).map(([name, inner]) => [name, withPresentTuples(inner)]);
  if (items === undefined) return Object.fromEntries(others);
  if (!Array.isArray(items)) return Object.fromEntries([...others, ["items", withPresentTuples(items)]]);
  const more = additionalItems === undefined ? {} : { items: withPresentTuples(additionalItems) };
  return { ...Object.fromEntries(others), prefixItems: withPresentTuples(items), ...more };
}

/** The document as a JSON value. */
export function openApi(): Json {
  return withPresentTuples(documentOfRoutes()) as Json;
}

function documentOfRoutes(): Json {
  const schemas = new JsonSchemas(SCHEMAS);
  const paths: Record<string, Json> = {};
  for (const route of HTTP_ROUTES) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route, schemas) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "BioXen",
      version: BIOXEN_VERSION,
      description: "The commands, queries and durable commands of BioXen over HTTP.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }, { session: [] }, {}],
    paths: { ...paths, ...streamPaths() },
    components: {
      schemas: { ...schemas.named, ErrorReply: ERROR_REPLY },
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        session: { type: "apiKey", in: "cookie", name: "bioxen-session" },
      },
    },
  };
}
