/**
 * The HTTP server of the gateway: its limits, the headers of every answer, and the form of every error. It lets in
 * requests to its own names only (domain/hosts.ts).
 */
import { MAX_PAYLOAD_BYTES } from "@bioxen/contracts";
import { Fault, type Logger, messageOf, type ReplyError } from "@bioxen/kernel";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { HttpError } from "../app/http-error.ts";
import type { KnownHosts } from "../domain/hosts.ts";
import { parsedBody } from "./body.ts";

/** Longest time in which the headers of a request arrive, ms: a client that sends them slowly holds a connection. */
const HEADERS_TIMEOUT_MS = 5_000;
/** Longest time in which a whole request arrives, ms. The largest body takes 4 s at 1 Mbit/s. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Interval at which Node.js looks for requests beyond these times, ms. Its default is 30 s. */
const TIMEOUT_CHECK_INTERVAL_MS = 1_000;
/** Time for which an idle connection stays open, ms: longer than the pause between two requests of a console. */
const KEEP_ALIVE_MS = 10_000;
/** Largest size of all headers of a request, bytes: that of a request on NATS. */
const MAX_HEADERS_BYTES = 16_384;
/** Connections at the same time: those of all streams of events, and requests beside them. */
const MAX_CONNECTIONS = 1_024;
/** Longest wait for the requests under way when the process ends, ms: within the deadline of its end. */
const CLOSE_DEADLINE_MS = 2_000;

/** The console loads nothing from elsewhere and runs no code that is not in its files. No page may frame it. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const SECURITY_HEADERS = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
} as const;

export interface HttpServerOptions {
  /** The names of the gateway. They are known once the server listens. */
  readonly hosts: () => KnownHosts;
  readonly logger: Logger;
}

export function makeHttpServer({ hosts, logger }: HttpServerOptions): FastifyInstance {
  const server = Fastify({
    logger: false,
    bodyLimit: MAX_PAYLOAD_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
      maxHeaderSize: MAX_HEADERS_BYTES,
    },
    // The default answers name the framework.
    clientErrorHandler(error, socket) {
      if (!socket.writable) {
        socket.destroy();
        return;
      }
      const isLate = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
      const status = isLate ? "408 Request Timeout" : "400 Bad Request";
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    },
    frameworkErrors: (error, _request, reply) => void sendError(reply, httpErrorOf(error)),
  });
  server.server.maxConnections = MAX_CONNECTIONS;
  server.removeAllContentTypeParsers();
  server.addContentTypeParser(
    "application/json",
    { parseAs: "buffer" },
    async (_: FastifyRequest, body: Buffer) => parsedBody(body),
  );
  server.addHook("onRequest", async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    if (!hosts().hasHost(request.headers.host)) {
      throw new HttpError(
        "FORBIDDEN",
        "the header Host names another server: use the address of the gateway",
      );
    }
  });
  server.setErrorHandler((thrown, _request, reply) => {
    const error = httpErrorOf(thrown);
    if (error.status >= 500) logger.error({ err: thrown }, `a request failed: ${messageOf(thrown)}`);
    return sendError(reply, error);
  });
  return server;
}

/** Sends an error in the form of a reply of NATS. */
export function sendError(reply: FastifyReply, { status, error }: HttpError): FastifyReply {
  if (status === 401) reply.header("www-authenticate", "Bearer");
  return sendReply(reply, status, { ok: false, error });
}

/** Sends the JSON of a reply. An answer of the API is in no cache. */
export function sendReply(reply: FastifyReply, status: number, body: object): FastifyReply {
  const { details } = (body as { readonly error?: ReplyError }).error ?? {};
  const retryAfterMs = details?.["retryAfterMs"];
  // The header counts whole seconds.
  if (typeof retryAfterMs === "number")
    reply.header("retry-after", Math.max(1, Math.ceil(retryAfterMs / 1_000)));
  return reply
    .code(status)
    .header("cache-control", "no-store")
    .type("application/json")
    .send(JSON.stringify(body));
}

/** Returns the error for what was thrown. Of an unexpected error nothing is shown but that it happened. */
function httpErrorOf(thrown: unknown): HttpError {
  if (thrown instanceof HttpError) return thrown;
  if (thrown instanceof Fault) return ofFault(thrown);
  const { statusCode = 500 } = thrown as { readonly statusCode?: number };
  if (statusCode === 413) {
    const details = { limit: MAX_PAYLOAD_BYTES };
    return new HttpError("TOO_LARGE", `the limit of a payload is ${MAX_PAYLOAD_BYTES} bytes: send less`, {
      details,
    });
  }
  if (statusCode === 415) {
    return new HttpError("BAD_REQUEST", "the payload must be JSON: send content-type application/json", {
      status: 415,
    });
  }
  if (statusCode >= 400 && statusCode < 500) {
    return new HttpError("BAD_REQUEST", messageOf(thrown), { status: statusCode });
  }
  return new HttpError("INTERNAL", "unexpected error: see the log of the gateway");
}

/** A log that does not answer is an unavailable one, as in the replies of services. */
function ofFault({ code, message }: Fault): HttpError {
  return new HttpError(code === "FORBIDDEN" ? code : "UNAVAILABLE", message);
}

/** Ends the server; requests under way get {@link CLOSE_DEADLINE_MS} to end. */
export async function closeServer(server: FastifyInstance): Promise<void> {
  const timer = setTimeout(() => server.server.closeAllConnections(), CLOSE_DEADLINE_MS);
  await server.close();
  clearTimeout(timer);
}
