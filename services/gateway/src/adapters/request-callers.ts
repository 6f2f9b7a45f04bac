/**
 * The caller of a request of HTTP, and whether a page of another site sends it.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Caller, Callers } from "../app/callers.ts";
import { HttpError } from "../app/http-error.ts";
import { isLoopback, type KnownHosts } from "../domain/hosts.ts";

const SESSION_COOKIE = "bioxen-session";
/** A header that no page of another site can send: it would need the permission of the gateway, which gives none. */
const OWN_HEADER = "x-bioxen";

/** Returns the caller of a request. Throws `HttpError` for a request that is not let in. */
export type CallerOf = (request: FastifyRequest) => Caller;

export class RequestCallers {
  readonly #callers: Callers;
  readonly #hosts: () => KnownHosts;

  constructor(callers: Callers, hosts: () => KnownHosts) {
    this.#callers = callers;
    this.#hosts = hosts;
  }

  readonly callerOf: CallerOf = (request) => {
    const { authorization } = request.headers;
    const caller = this.#callers.callerOf(authorization, sessionOf(request));
    if (caller.by !== "token") this.checkSite(request);
    if (caller.by === "session" && request.method !== "GET") this.#checkOwnPage(request);
    return caller;
  };

  /** Throws `HttpError` for a request that a page of another site sends. Programs send neither header. */
  checkSite({ headers }: FastifyRequest): void {
    const { origin, host } = headers;
    const site = headers["sec-fetch-site"];
    const isForeign = origin !== undefined && !this.#hosts().isOwnOrigin(origin, host);
    if (isForeign || site === "cross-site" || site === "same-site") {
      throw new HttpError("FORBIDDEN", "a page of another site sends this request");
    }
  }

  #checkOwnPage({ headers }: FastifyRequest): void {
    if (headers[OWN_HEADER] !== "1" || !this.#hosts().isOwnOrigin(headers.origin, headers.host)) {
      const message = `a command with the cookie of a session needs the header ${OWN_HEADER}: 1 and the header Origin of the console`;
      throw new HttpError("FORBIDDEN", message);
    }
  }
}

export function sessionOf({ cookies }: FastifyRequest): string | undefined {
  return cookies[SESSION_COOKIE];
}

export function setSession(request: FastifyRequest, reply: FastifyReply, id: string): void {
  const name = (request.headers.host ?? "").replace(/:\d+$/, "");
  reply.setCookie(SESSION_COOKIE, id, { ...COOKIE, secure: !isLoopback(name) });
}

export function clearSession(reply: FastifyReply): void {
  reply.clearCookie(SESSION_COOKIE, COOKIE);
}

const COOKIE = { httpOnly: true, sameSite: "strict", path: "/" } as const;
