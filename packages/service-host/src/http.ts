/**
 * The HTTP server of every service for its monitoring: `/live`, `/ready`, `/metrics`, and `/metrics/vms` in services
 * that measure VMs. Metrics are in the format of Prometheus, or in OpenMetrics for a client that asks for it. Read-only.
 * It listens on the loopback interface by default, which every user of the machine reaches. With a token file, it shows
 * ids, labels and names only to a client that sends the token (metrics-access.ts).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Measurement } from "@bioxen/contracts";
import { CONTENT_TYPES, expositionOf, formatFor } from "./exposition.ts";
import { measuredFamily, type ProcessMetrics } from "./metrics.ts";
import type { GrantMetrics, MetricsAccess } from "./metrics-access.ts";
import type { ProcessVitals } from "./vitals.ts";

/** Longest request, ms: requests have no body and are answered from memory. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Interval at which Node.js looks for requests that exceed their time limit, ms. The default of Node.js is 30 s. */
const TIMEOUT_CHECK_INTERVAL_MS = 1_000;
const ALLOWED = "GET, HEAD";
/** Stands for a reason that can name an agent, a subject or a host. */
const HIDDEN_REASON = "not ready: /ready shows the reason to a client with the token of the metrics";
const METHOD_NOT_ALLOWED = "method not allowed: use GET or HEAD\n";

export interface HttpOptions {
  readonly host: string;
  /** Port; 0 picks a free one. */
  readonly port: number;
  readonly vitals: ProcessVitals;
  readonly metrics: ProcessMetrics;
  readonly measure: () => readonly Measurement[];
  /** Says what a client may see. */
  readonly access: GrantMetrics;
  /** Returns measurements with one series per VM; undefined in services without VMs. */
  readonly measureVms: (() => readonly Measurement[]) | undefined;
}

export interface HttpServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts the HTTP server. Throws the error of `listen`: the address is in use, or is not an address of this machine.
 */
export async function openHttp(options: HttpOptions): Promise<HttpServer> {
  const limits = {
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
  };
  const server = createServer(limits, (request, response) => {
    void granted(options, request, response);
  });
  // Without this listener, Node.js closes the connection of a CONNECT request and sends no answer.
  server.on("connect", (_request, socket) => {
    socket.on("error", () => socket.destroy());
    socket.end(
      `HTTP/1.1 405 Method Not Allowed\r\nAllow: ${ALLOWED}\r\nContent-Type: text/plain\r\n` +
        `Content-Length: ${METHOD_NOT_ALLOWED.length}\r\nConnection: close\r\n\r\n${METHOD_NOT_ALLOWED}`,
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}`, close: () => close(server) };
}

async function granted(
  options: HttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const access = await options.access(request.headers.authorization);
  try {
    await answer(options, access, request, response);
  } catch (thrown) {
    const text = access === "all" ? String(thrown) : "internal error";
    respond(response, 500, "text/plain", `${text}\n`);
  }
}

async function answer(
  { vitals, metrics, measure, measureVms }: HttpOptions,
  access: MetricsAccess,
  { method = "", url = "/", headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (method !== "GET" && method !== "HEAD") {
    response.setHeader("allow", ALLOWED);
    respond(response, 405, "text/plain", METHOD_NOT_ALLOWED);
    return;
  }
  const path = url.split("?")[0];
  if (path === "/live") return respondJson(response, 200, { live: true });
  if (access === "refused") return unauthorized(response, "another token is expected");
  const format = formatFor(headers.accept ?? "");
  switch (path) {
    case "/ready":
      return respondReady(response, vitals, access);
    case "/metrics": {
      const text = await metrics.text(measure(), format, access === "all");
      return respond(response, 200, CONTENT_TYPES[format], text);
    }
    case "/metrics/vms":
      if (measureVms !== undefined) {
        if (access !== "all") return unauthorized(response, "send the token of the metrics");
        const text = await expositionOf(measureVms().map(measuredFamily), format);
        return respond(response, 200, CONTENT_TYPES[format], text);
      }
  }
  respond(response, 404, "text/plain", "not found: use /live, /ready or /metrics\n");
}

function respondReady(response: ServerResponse, vitals: ProcessVitals, access: MetricsAccess): void {
  const { ready, ...rest } = vitals.now();
  const { reason = null, unreadable } = vitals;
  const shown =
    access === "all"
      ? { ready, reason, ...rest, unreadable }
      : {
          ready,
          reason: reason === null ? null : HIDDEN_REASON,
          ...rest,
          unreadable: { count: unreadable.count },
        };
  respondJson(response, ready ? 200 : 503, shown);
}

function unauthorized(response: ServerResponse, remedy: string): void {
  response.setHeader("www-authenticate", "Bearer");
  respond(response, 401, "text/plain", `unauthorized: ${remedy}\n`);
}

function respondJson(response: ServerResponse, status: number, body: object): void {
  respond(response, status, "application/json", `${JSON.stringify(body)}\n`);
}

function respond(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { "content-type": contentType, "cache-control": "no-store" });
  response.end(body);
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
