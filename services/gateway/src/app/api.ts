/**
 * Carries out one request of the API: it becomes the request on NATS of the same name, in the name of its caller.
 */
import {
  DEFAULT_EXEC_TIMEOUT_MS,
  forbiddenTo,
  type HttpRoute,
  type Identity,
  principalOf,
} from "@bioxen/contracts";
import type { CallOptions, Fault, Reply, ReplyError } from "@bioxen/kernel";
import { HttpError, statusOf } from "./http-error.ts";
import { type InFlight, RETRY_AFTER_MS } from "./in-flight.ts";

/** Deadline of one request to a service, ms: that of the client library. */
const CALL_TIMEOUT_MS = 10_000;

/** The part of the bus that the API needs. */
export interface ApiBus {
  call(as: Identity, subject: string, payload: unknown, options: CallOptions): Promise<Reply>;
  submit(
    as: Identity,
    command: string,
    payload: unknown,
    id: string,
  ): Promise<{ readonly id: string; readonly duplicate: boolean }>;
}

export interface ApiRequest {
  readonly route: HttpRoute;
  readonly caller: Identity;
  readonly payload: unknown;
  /** The id by which a repeated command is recognised. */
  readonly messageId?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

export interface ApiReply {
  readonly status: number;
  readonly body: Reply;
}

export interface ApiOptions {
  readonly bus: ApiBus;
  readonly inFlight: InFlight;
  readonly newId: () => string;
  readonly errorOf: (thrown: Fault | unknown) => ReplyError;
}

/** The stored job is accepted, and not yet carried out. */
const ACCEPTED = 202;

export class Api {
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  async carryOut(request: ApiRequest): Promise<ApiReply> {
    const { route, caller } = request;
    const forbidden = forbiddenTo(caller, route.endpoint);
    if (forbidden !== undefined) throw new HttpError("FORBIDDEN", forbidden.rejection.message);
    const end = this.#options.inFlight.begin(principalOf(caller));
    if (end === undefined) {
      throw new HttpError("RATE_LIMITED", "too many requests are under way: wait for answers", {
        details: { retryAfterMs: RETRY_AFTER_MS },
      });
    }
    try {
      return await (route.durable ? this.#submit(request) : this.#call(request));
    } finally {
      end();
    }
  }

  async #call({ route, caller, payload, messageId, traceparent, tracestate }: ApiRequest): Promise<ApiReply> {
    const { name, endpoint } = route;
    const body = await this.#options.bus.call(caller, endpoint.subject, payload, {
      timeoutMs: CALL_TIMEOUT_MS + (name === "vmExec" ? programTimeOf(payload) : 0),
      ...(messageId === undefined ? {} : { messageId }),
      traceparent,
      tracestate,
    });
    return { status: body.ok ? 200 : statusOf(body.error), body };
  }

  async #submit({
    route,
    caller,
    payload,
    messageId = this.#options.newId(),
  }: ApiRequest): Promise<ApiReply> {
    const { bus, errorOf } = this.#options;
    try {
      const stored = await bus.submit(caller, route.endpoint.subject, payload, messageId);
      return { status: ACCEPTED, body: { ok: true, ...stored } };
    } catch (thrown) {
      const error = errorOf(thrown);
      return { status: statusOf(error), body: { ok: false, error } };
    }
  }
}

/** The longest time that a program of `vm.exec` may run, ms. The service checks the value itself. */
const LONGEST_PROGRAM_MS = 3_600_000;

function programTimeOf(payload: unknown): number {
  const { timeoutMs } = (payload ?? {}) as { readonly timeoutMs?: unknown };
  const isTime = typeof timeoutMs === "number" && timeoutMs >= 0 && timeoutMs <= LONGEST_PROGRAM_MS;
  return isTime ? timeoutMs : DEFAULT_EXEC_TIMEOUT_MS;
}
