/**
 * The routes of the API: each command and query of the catalogue under the name that it has on NATS.
 */
import { API_PREFIX, HTTP_ROUTES, type QueryParameters, queryPayload } from "@bioxen/contracts";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Api } from "../app/api.ts";
import { HttpError } from "../app/http-error.ts";
import { sendReply } from "./http-server.ts";
import type { CallerOf } from "./request-callers.ts";

/** The header that makes a command idempotent, as `Nats-Msg-Id` does on NATS. */
const MESSAGE_ID_HEADER = "idempotency-key";

export function addApiRoutes(server: FastifyInstance, api: Api, callerOf: CallerOf): void {
  for (const route of HTTP_ROUTES) {
    server.route({
      method: route.method,
      url: route.path,
      handler: async (request, reply) => {
        const { identity: caller } = callerOf(request);
        const { status, body } = await api.carryOut({
          route,
          caller,
          payload: route.method === "GET" ? payloadOf(request, route.endpoint.request) : (request.body ?? {}),
          messageId: headerOf(request, MESSAGE_ID_HEADER),
          traceparent: headerOf(request, "traceparent"),
          tracestate: headerOf(request, "tracestate"),
        });
        return sendReply(reply, status, body);
      },
    });
  }
  let document: object | undefined;
  server.get(`${API_PREFIX}/openapi.json`, async (_request, reply) => {
    // The schemas of the document are made only for a client that asks for it.
    document ??= (await import("@bioxen/contracts/openapi")).openApi();
    return sendReply(reply, 200, document);
  });
  server.route({
    method: ["GET", "POST", "PUT", "PATCH", "DELETE"],
    url: `${API_PREFIX}/*`,
    handler: (request) => {
      throw notThere(request);
    },
  });
}

const PATHS = new Map(HTTP_ROUTES.map(({ path, method }) => [path, method]));

function notThere({ method, url }: FastifyRequest): HttpError {
  const allowed = PATHS.get(url.split("?")[0] ?? "");
  if (allowed === undefined) {
    const remedy = `${API_PREFIX}/openapi.json lists what there is`;
    return new HttpError("BAD_REQUEST", `no command or query has this path: ${remedy}`, { status: 404 });
  }
  return new HttpError("BAD_REQUEST", `${method} is not allowed: use ${allowed}`, { status: 405 });
}

function payloadOf(request: FastifyRequest, schema: Parameters<typeof queryPayload>[1]): unknown {
  const read = queryPayload(request.query as QueryParameters, schema);
  if (read.ok) return read.payload;
  throw new HttpError("BAD_REQUEST", read.problem, {
    details: { problems: [{ path: "", message: read.problem }] },
  });
}

function headerOf({ headers }: FastifyRequest, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}
