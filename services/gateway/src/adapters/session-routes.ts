/**
 * The session of the console: who is logged in, log in with a one-time code, log out.
 */
import { API_PREFIX, BIOXEN_VERSION, principalOf } from "@bioxen/contracts";
import type { FastifyInstance } from "fastify";
import type { Caller, Callers } from "../app/callers.ts";
import { HttpError } from "../app/http-error.ts";
import { sendReply } from "./http-server.ts";
import { clearSession, type RequestCallers, sessionOf, setSession } from "./request-callers.ts";

export interface SessionRoutesOptions {
  readonly callers: Callers;
  readonly requestCallers: RequestCallers;
  readonly clusterId: () => Promise<string | null>;
  /** Sequence of the last event that the caller may follow; null when the log does not answer. */
  readonly lastSeq: (caller: Caller) => Promise<number | null>;
}

const SESSION = `${API_PREFIX}/session`;

export function addSessionRoutes(server: FastifyInstance, options: SessionRoutesOptions): void {
  const { callers, requestCallers, clusterId, lastSeq } = options;
  const described = async (caller: Caller) => ({
    ok: true,
    principal: principalOf(caller.identity),
    role: caller.identity.role,
    keys: callers.hasKeys,
    clusterId: await clusterId(),
    version: BIOXEN_VERSION,
    lastSeq: await lastSeq(caller),
  });
  server.get(SESSION, async (request, reply) =>
    sendReply(reply, 200, await described(requestCallers.callerOf(request))),
  );
  server.post(SESSION, async (request, reply) => {
    requestCallers.checkSite(request);
    if (!callers.hasKeys)
      return sendReply(reply, 200, await described(callers.callerOf(undefined, undefined)));
    const { code } = (request.body ?? {}) as { readonly code?: unknown };
    if (typeof code !== "string")
      throw new HttpError("BAD_REQUEST", "code is required: bioxen console makes one");
    const id = await callers.logIn(code);
    setSession(request, reply, id);
    return sendReply(reply, 200, await described(callers.callerOf(undefined, id)));
  });
  server.delete(SESSION, async (request, reply) => {
    requestCallers.callerOf(request);
    const id = sessionOf(request);
    if (id !== undefined) callers.logOut(id);
    clearSession(reply);
    return sendReply(reply, 200, { ok: true });
  });
}
