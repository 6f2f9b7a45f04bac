/**
 * The HTTP server of every service for its monitoring: `/live`, `/ready`, `/metrics`, and `/metrics/vms` in services
 * that measure VMs. Metrics are in the format of Prometheus, or in OpenMetrics for a client that asks for it. Read-only.
 * It shows ids and numbers to every client that reaches it, so it listens on the loopback interface by default.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Measurement } from "@bioxen/contracts";
import { CONTENT_TYPES, expositionOf, formatFor } from "./exposition.ts";
import { measuredFamily, type ProcessMetrics } from "./metrics.ts";
import type { ProcessVitals } from "./vitals.ts";

/** Longest request, ms: requests have no body and are answered from memory. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Interval at which Node.js looks for requests that exceed their time limit, ms. The default of Node.js is 30 s. */
const TIMEOUT_CHECK_INTERVAL_MS = 1_000;
const ALLOWED = "GET, HEAD";
const METHOD_NOT_ALLOWED = "method not allowed: use GET or HEAD\n";

export interface HttpOptions {
  readonly host: string;
  /** Port; 0 picks a free one. */
  readonly port: number;
  readonly vitals: ProcessVitals;
  readonly metrics: ProcessMetrics;
  readonly measure: () => readonly Measurement[];
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
    void answer(options, request, response).catch((thrown: unknown) => {
      respond(response, 500, "text/plain", `${String(thrown)}\n`);
    });
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

async function answer(
  { vitals, metrics, measure, measureVms }: HttpOptions,
  { method = "", url = "/", headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (method !== "GET" && method !== "HEAD") {
    response.setHeader("allow", ALLOWED);
    respond(response, 405, "text/plain", METHOD_NOT_ALLOWED);
    return;
  }
  const format = formatFor(headers.accept ?? "");
  switch (url.split("?")[0]) {
    case "/live":
      return respondJson(response, 200, { live: true });
    case "/ready": {
      const { reason, unreadable } = vitals;
      const { ready, ...rest } = vitals.now();
      return respondJson(response, ready ? 200 : 503, { ready, reason: reason ?? null, ...rest, unreadable });
    }
    case "/metrics":
      return respond(response, 200, CONTENT_TYPES[format], await metrics.text(measure(), format));
    case "/metrics/vms":
      if (measureVms !== undefined) {
        const text = await expositionOf(measureVms().map(measuredFamily), format);
        return respond(response, 200, CONTENT_TYPES[format], text);
      }
  }
  respond(response, 404, "text/plain", "not found: use /live, /ready or /metrics\n");
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
