/**
 * One request, one answer, one deadline: JSON-RPC 2.0 by POST, statistics by GET.
 */
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { XapiUnreachable } from "./errors.ts";
import { type HostAddress, type TrustedAgents, trustProblem } from "./trust.ts";

/** Bytes of one answer: `VM.get_all_records` of a pool of 1 000 VMs is about 5 MiB. Beyond, something is wrong. */
const MAX_ANSWER_BYTES = 128 * 1024 * 1024;
const DEFAULT_PORT = 443;

export interface RequestOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** `host`, `host:port`, an IPv6 address with or without brackets; `defaultPort` where none is named. */
export function parseAddress(text: string, defaultPort = DEFAULT_PORT): HostAddress {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  const plain = /^([^:]+)(?::(\d+))?$/.exec(text);
  const match = bracketed ?? plain;
  if (match === null) return { host: text, port: defaultPort };
  return { host: match[1] ?? text, port: match[2] === undefined ? defaultPort : Number(match[2]) };
}

/** The address in an `https:` URL. Throws `RangeError` with what is wrong. */
export function addressOfUrl(url: string): HostAddress {
  const parsed = URL.parse(url.includes("://") ? url : `https://${url}`);
  if (parsed === null) throw new RangeError(`"${url}" is not a URL`);
  if (parsed.protocol !== "https:")
    throw new RangeError(`"${url}" is not https: a password would go over it in clear`);
  if (parsed.username !== "" || parsed.password !== "") {
    throw new RangeError(
      "the URL carries credentials: give them by environment or file, a URL is shown in logs",
    );
  }
  const host = parsed.hostname.replace(/^\[|\]$/g, "");
  return { host, port: parsed.port === "" ? DEFAULT_PORT : Number(parsed.port) };
}

export class Transport {
  readonly #agents: TrustedAgents;
  #nextId = 1;

  constructor(agents: TrustedAgents) {
    this.#agents = agents;
  }

  /** The reply, refusal or result. Throws `XapiUnreachable`. */
  async rpc(
    address: HostAddress,
    method: string,
    params: readonly unknown[],
    options: RequestOptions,
  ): Promise<Readonly<Record<string, unknown>>> {
    const id = this.#nextId;
    this.#nextId += 1;
    const body = JSON.stringify({ jsonrpc: "2.0", method, params, id });
    const { status, text } = await this.#send(address, "/jsonrpc", body, options, method);
    const reply = status === 200 ? parsed(text) : undefined;
    if (reply !== undefined) return reply;
    throw new XapiUnreachable(
      "protocol",
      `${method}: ${address.host} answered with HTTP ${status} and no JSON-RPC`,
    );
  }

  /** The body of `GET path`, whatever it is; `path` may hold a session and is never shown. */
  async get(address: HostAddress, path: string, what: string, options: RequestOptions): Promise<string> {
    const { status, text } = await this.#send(address, path, undefined, options, what);
    if (status === 200) return text;
    throw new XapiUnreachable("protocol", `${what}: ${address.host} answered with HTTP ${status}`);
  }

  async #send(
    address: HostAddress,
    path: string,
    body: string | undefined,
    { timeoutMs, signal }: RequestOptions,
    what: string,
  ): Promise<{ status: number; text: string }> {
    const agent = await this.#agents.agentOf(address);
    const deadline = AbortSignal.timeout(timeoutMs);
    const headers =
      body === undefined
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          ...address,
          agent,
          path,
          headers,
          method: body === undefined ? "GET" : "POST",
          signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
        },
        (response) => {
          textOf(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), fail);
        },
      );
      const fail = (error: unknown): void => {
        sent.destroy();
        reject(this.#unreachable(error, address, what, deadline.aborted ? timeoutMs : undefined));
      };
      sent.once("error", fail);
      sent.end(body);
    });
  }

  #unreachable(
    error: unknown,
    address: HostAddress,
    what: string,
    waitedMs: number | undefined,
  ): XapiUnreachable {
    if (error instanceof XapiUnreachable) return error;
    if (waitedMs !== undefined) {
      return new XapiUnreachable("timeout", `${what}: no answer from ${address.host} within ${waitedMs} ms`);
    }
    const problem = trustProblem(error, address);
    if (problem !== undefined) {
      this.#agents.forget(address);
      return new XapiUnreachable("trust", problem, error);
    }
    const { message, name } = error as Error;
    if (name === "AbortError") return new XapiUnreachable("closed", `${what}: given up`, error);
    return new XapiUnreachable("connection", `${what}: ${address.host}: ${message}`, error);
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) {
      throw new XapiUnreachable("protocol", `an answer of over ${MAX_ANSWER_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
