/**
 * HTTPS requests to a pool member, each with one deadline: JSON-RPC 2.0 by POST, statistics by GET.
 */
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { XapiUnreachable } from "./errors.ts";
import { type HostAddress, type TrustedAgents, trustProblem } from "./trust.ts";

/** Largest accepted answer, bytes. `VM.get_all_records` of a pool with 1 000 VMs is about 5 MiB. */
const MAX_ANSWER_BYTES = 128 * 1024 * 1024;
const DEFAULT_PORT = 443;

export interface RequestOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Parses `host`, `host:port`, or an IPv6 address with or without brackets. `defaultPort` applies when no port is given.
 */
export function parseAddress(text: string, defaultPort = DEFAULT_PORT): HostAddress {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  const plain = /^([^:]+)(?::(\d+))?$/.exec(text);
  const match = bracketed ?? plain;
  if (match === null) return { host: text, port: defaultPort };
  return { host: match[1] ?? text, port: match[2] === undefined ? defaultPort : Number(match[2]) };
}

/**
 * Returns the address in an `https:` URL. Throws `RangeError` when the URL is malformed, is not https or contains
 * credentials.
 */
export function addressOfUrl(url: string): HostAddress {
  const parsed = URL.parse(url.includes("://") ? url : `https://${url}`);
  if (parsed === null) throw new RangeError(`"${url}" is not a URL`);
  if (parsed.protocol !== "https:")
    throw new RangeError(`"${url}" is not https: use https, so that the password is encrypted`);
  if (parsed.username !== "" || parsed.password !== "") {
    throw new RangeError(
      "the URL contains credentials: set them in the environment or in a file, because logs show the URL",
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

  /**
   * Sends a JSON-RPC call and resolves with the server's reply, which holds a result or an error. Rejects with
   * `XapiUnreachable` when no valid reply arrives.
   */
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
      `${method}: ${address.host} answered HTTP ${status} without JSON-RPC: check that the URL is that of an XCP-ng host`,
    );
  }

  /**
   * Sends `GET path` and resolves with the body of the answer. Errors name `what` instead of `path`, which may contain
   * a session.
   */
  async get(address: HostAddress, path: string, what: string, options: RequestOptions): Promise<string> {
    const { status, text } = await this.#send(address, path, undefined, options, what);
    if (status === 200) return text;
    throw new XapiUnreachable("protocol", `${what}: ${address.host} answered HTTP ${status}`);
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
        void this.#unreachable(error, address, what, deadline.aborted ? timeoutMs : undefined).then(reject);
      };
      sent.once("error", fail);
      sent.end(body);
    });
  }

  async #unreachable(
    error: unknown,
    address: HostAddress,
    what: string,
    waitedMs: number | undefined,
  ): Promise<XapiUnreachable> {
    if (error instanceof XapiUnreachable) return error;
    if (waitedMs !== undefined) {
      return new XapiUnreachable("timeout", `${what}: no answer from ${address.host} within ${waitedMs} ms`);
    }
    const problem = trustProblem(error, address);
    if (problem !== undefined) {
      this.#agents.forget(address);
      // A certificate that was renewed is compared with its fingerprint again: that error names both.
      const compared = await this.#agents.agentOf(address).catch((thrown: unknown) => thrown);
      if (compared instanceof XapiUnreachable && compared.kind === "trust") return compared;
      return new XapiUnreachable("trust", problem, error);
    }
    const { message, name } = error as Error;
    if (name === "AbortError") return new XapiUnreachable("closed", `${what}: cancelled`, error);
    return new XapiUnreachable("connection", `${what}: ${address.host}: ${message}`, error);
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) {
      throw new XapiUnreachable("protocol", `the answer has more than ${MAX_ANSWER_BYTES} bytes`);
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
