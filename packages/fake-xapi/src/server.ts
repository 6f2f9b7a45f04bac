/**
 * The HTTPS server of the fake: JSON-RPC 1 and 2 at `/jsonrpc`, XML-RPC at `/`, `/RPC2` and `/xmlrpc`, statistics at
 * `/rrd_updates`.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { text } from "node:stream/consumers";
import type { SelfSigned } from "./certificate.ts";
import type { Outcome } from "./dispatch.ts";
import { Refusal } from "./refusal.ts";
import { encodeFailure, encodeSuccess, parseCall } from "./xml-rpc.ts";

export interface Answers {
  /** Runs one XAPI method and resolves with its outcome. Rejects with `Refusal` when the pool refuses the call. */
  call(method: string, params: readonly unknown[]): Promise<Outcome>;
  /** Returns the response body for `/rrd_updates`; undefined when the session in `query` is invalid. */
  statistics(query: URLSearchParams): string | undefined;
}

const XML_PATHS = ["/", "/RPC2", "/xmlrpc"];

/** Starts the server. Rejects when the address is in use. */
export function listen(answers: Answers, identity: SelfSigned, host: string, port: number): Promise<Server> {
  const server = createServer({ cert: identity.certificate, key: identity.key }, (request, response) => {
    handle(answers, request, response).catch(() => response.destroy());
  });
  // A failed TLS handshake, such as that of a client with a wrong fingerprint, must not stop the server.
  server.on("tlsClientError", () => undefined);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => resolve(server));
  });
}

async function handle(answers: Answers, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "https://fake");
  if (request.method === "GET" && url.pathname === "/rrd_updates") {
    const body = answers.statistics(url.searchParams);
    return send(response, body === undefined ? 401 : 200, "application/json", body ?? "");
  }
  const body = await text(request);
  if (request.method === "POST" && url.pathname === "/jsonrpc") return handleJson(answers, body, response);
  if (request.method === "POST" && XML_PATHS.includes(url.pathname))
    return handleXml(answers, body, response);
  return send(
    response,
    404,
    "text/html",
    "<html><body>not found: use /jsonrpc, /RPC2 or /rrd_updates</body></html>",
  );
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

async function handleJson(answers: Answers, body: string, response: ServerResponse): Promise<void> {
  const request = parsedJson(body);
  const isWellFormed = typeof request?.["method"] === "string" && Array.isArray(request["params"]);
  if (request === undefined || !isWellFormed || request["id"] === undefined || request["id"] === null) {
    return send(response, 500, "text/html", "<html><body>HTTP 500 internal server error</body></html>");
  }
  const { id, method, params } = request as { id: unknown; method: string; params: unknown[] };
  const isVersion2 = request["jsonrpc"] === "2.0";
  const head = isVersion2 ? { jsonrpc: "2.0", id } : { id };
  let reply: object;
  try {
    const outcome = await answers.call(method, params);
    if (outcome.dropped) return void response.destroy();
    reply = isVersion2
      ? { ...head, result: outcome.result }
      : { ...head, result: outcome.result, error: null };
  } catch (thrown) {
    const refusal = refusalOf(thrown);
    reply = isVersion2
      ? { ...head, error: { code: 1, message: refusal.code, data: refusal.params } }
      : { ...head, result: null, error: refusal.list() };
  }
  send(response, 200, "application/json", JSON.stringify(reply));
}

async function handleXml(answers: Answers, body: string, response: ServerResponse): Promise<void> {
  const call = parseCall(body);
  if (call === undefined) return send(response, 500, "text/html", "<html><body>HTTP 500</body></html>");
  let reply: string;
  try {
    const outcome = await answers.call(call.method, call.params);
    if (outcome.dropped) return void response.destroy();
    reply = encodeSuccess(outcome.result, outcome.type);
  } catch (thrown) {
    reply = encodeFailure(refusalOf(thrown));
  }
  send(response, 200, "text/xml", reply);
}

function refusalOf(thrown: unknown): Refusal {
  return thrown instanceof Refusal ? thrown : new Refusal("INTERNAL_ERROR", String(thrown));
}

function parsedJson(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
