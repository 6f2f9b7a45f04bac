/**
 * The small HTTP server every service has for whoever watches it: `/live`, `/ready`, `/metrics`, and `/metrics/vms` where there are VMs to
 * measure. Reads only; whoever may reach it learns ids and numbers, so it listens on the loopback interface unless told otherwise.
 */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Measurement } from "@bioxen/contracts";
import { type ProcessMetrics, textOf } from "./metrics.ts";
import type { ProcessVitals } from "./vitals.ts";

/** Requests take no body and are answered from memory, ms. */
const REQUEST_TIMEOUT_MS = 5_000;

export interface HttpOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly vitals: ProcessVitals;
  readonly metrics: ProcessMetrics;
  readonly measure: () => readonly Measurement[];
  /** One series per VM, for who asks; undefined: this service knows none. */
  readonly measureVms: (() => readonly Measurement[]) | undefined;
}

export interface HttpEnd {
  readonly url: string;
  close(): Promise<void>;
}

/** Throws what `listen` fails with: an address that is taken or not one of this machine. */
export async function openHttp(options: HttpOptions): Promise<HttpEnd> {
  const server = createServer((request, response) => {
    void answer(options, request.method ?? "", request.url ?? "/", response).catch((thrown: unknown) => {
      respond(response, 500, "text/plain", `${String(thrown)}\n`);
    });
  });
  server.requestTimeout = REQUEST_TIMEOUT_MS;
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
  method: string,
  path: string,
  response: ServerResponse,
): Promise<void> {
  if (method !== "GET" && method !== "HEAD") {
    respond(response, 405, "text/plain", "GET or HEAD\n");
    return;
  }
  switch (path.split("?")[0]) {
    case "/live":
      return respondJson(response, 200, { live: true });
    case "/ready": {
      const { reason } = vitals;
      const { ready, ...rest } = vitals.now();
      return respondJson(response, ready ? 200 : 503, { ready, reason: reason ?? null, ...rest });
    }
    case "/metrics":
      return respond(response, 200, metrics.contentType, await metrics.text(measure()));
    case "/metrics/vms":
      if (measureVms !== undefined) {
        return respond(response, 200, metrics.contentType, textOf(measureVms()));
      }
  }
  respond(response, 404, "text/plain", "there are /live, /ready and /metrics\n");
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
