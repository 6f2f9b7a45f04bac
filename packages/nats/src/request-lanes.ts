/**
 * The lanes of a service: each kind of request has limits of its own. Requests of clients arrive on separate
 * connections (lane-connections.ts).
 *
 * A flood of commands therefore delays neither queries, nor requests between services and agents, nor the event feed. A
 * refused request costs a few microseconds: its payload is not parsed, and its answer was serialised before.
 */
import {
  type Identity,
  type IdentityMode,
  isPrincipal,
  MAX_HEADER_BYTES,
  MAX_INTERNAL_HEADER_BYTES,
  principalOf,
  type ServedEndpoint,
} from "@bioxen/contracts";
import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/nats-core";
import { Admission, type AdmissionRefusal, costOf } from "./admission.ts";
import { CallerCeiling } from "./caller-ceiling.ts";
import { callerOf, type KnownCaller } from "./callers.ts";
import { errorHeaders } from "./error-headers.ts";
import {
  EXPIRE_INTERVAL_MS,
  LANE_LIMITS,
  type LaneName,
  type LaneRefusalReason,
  laneRefusal,
  type RefusalCode,
  type RefusedError,
  refusedErrorOf,
  retryStepOf,
} from "./lane-rules.ts";
import { prefixOf } from "./reply-subjects.ts";
import { headersOf, type ReadHeaders } from "./request-headers.ts";
import { settledWithin } from "./settled-within.ts";

/** A request that a lane has accepted, without a reference to the buffer in which the request arrived. */
export interface Request {
  readonly served: ServedEndpoint;
  readonly caller: KnownCaller;
  readonly reply: string;
  readonly headers: ReadHeaders;
  readonly data: Uint8Array;
  /** Publishes the answer; does nothing when the request names no reply subject. */
  readonly respond: (data: Uint8Array | string, headers?: MsgHdrs) => void;
}

/** The present load of one lane, and the number of requests that the lane has refused since the process started. */
export interface LaneLoad {
  readonly lane: LaneName;
  readonly underWay: number;
  readonly waiting: number;
  readonly refused: Readonly<Record<RefusalCode, number>>;
}

export interface LaneOptions {
  readonly lane: LaneName;
  readonly connection: NatsConnection;
  /** Maximum number of requests of one caller per second. When absent, the rate of a caller is not limited. */
  readonly callerLimit?: number | undefined;
  readonly identities?: IdentityMode | undefined;
  /** Answers a request; never rejects. */
  readonly answer: (request: Request) => Promise<void>;
  /** Called for each request that the lane refuses. */
  readonly onRefused?: ((served: ServedEndpoint, error: RefusedError, caller: Identity) => void) | undefined;
}

interface PreparedRefusal {
  readonly data: Uint8Array;
  readonly headers: MsgHdrs;
}

const encoder = new TextEncoder();

export class RequestLane {
  readonly #options: LaneOptions;
  readonly #ceiling: CallerCeiling | undefined;
  readonly #admission: Admission<Request>;
  readonly #prepared = new Map<string, PreparedRefusal>();
  readonly #refused: Record<RefusalCode, number> = { UNAVAILABLE: 0, RATE_LIMITED: 0 };
  readonly #underWay = new Set<Promise<void>>();
  readonly #expiring: ReturnType<typeof setInterval>;

  constructor(options: LaneOptions, nowMs = () => performance.now()) {
    const { lane, callerLimit } = options;
    this.#options = options;
    this.#ceiling = callerLimit === undefined ? undefined : new CallerCeiling(callerLimit, nowMs);
    const effects = {
      start: (request: Request, caller: string) => this.#start(request, caller),
      refuse: (request: Request, { reason, retryAfterMs }: AdmissionRefusal) =>
        this.#refuse(request, reason, retryAfterMs),
    };
    this.#admission = new Admission(LANE_LIMITS[lane], effects, nowMs);
    this.#expiring = setInterval(() => this.#admission.expire(), EXPIRE_INTERVAL_MS);
    this.#expiring.unref();
  }

  get load(): LaneLoad {
    const { underWay, waiting } = this.#admission;
    return { lane: this.#options.lane, underWay, waiting, refused: { ...this.#refused } };
  }

  /** Starts a request, lets it wait, or refuses it. A request whose subject names no valid caller is dropped. */
  receive(served: ServedEndpoint, message: Msg): void {
    const reply = message.reply ?? "";
    const { connection, lane, identities = "open" } = this.#options;
    const readHeaders = () =>
      headersOf(message, lane === "internal" ? MAX_INTERNAL_HEADER_BYTES : MAX_HEADER_BYTES);
    const known = callerOf(identities, message.subject, readHeaders);
    if (known === undefined) return;
    const caller = shareholderOf(known.identity, reply);
    const aboveCeilingMs = this.#ceiling?.take(caller) ?? 0;
    if (aboveCeilingMs > 0) {
      this.#refuse({ served, reply, caller: known }, "ceiling", aboveCeilingMs);
      return;
    }
    const { data } = message;
    const cost = costOf(data.byteLength);
    const reason = this.#admission.refusalOf(caller, cost);
    if (reason !== undefined) {
      this.#refuse({ served, reply, caller: known }, reason, this.#admission.retryAfterMs());
      return;
    }
    const respond: Request["respond"] = (answer, headers) => {
      if (reply !== "") connection.publish(reply, answer, headers === undefined ? {} : { headers });
    };
    // The request gets copies of headers and payload. Views would keep the socket's whole buffer in memory.
    const request = { served, caller: known, reply, headers: readHeaders(), data: data.slice(), respond };
    this.#admission.enter(caller, request, cost);
  }

  /** Resolves when no request is under way or waiting, and at the latest after `ms`. */
  async finish(ms: number): Promise<void> {
    let isLate = false;
    const isDone = async () => {
      while (this.#underWay.size > 0 && !isLate) await Promise.allSettled(this.#underWay);
    };
    await settledWithin(isDone(), ms);
    isLate = true;
  }

  /** Starts no request until {@link release}. Resolves when none is under way, and at the latest after `ms`. */
  async hold(ms: number): Promise<void> {
    this.#admission.hold();
    await settledWithin(Promise.allSettled(this.#underWay), ms);
  }

  release(): void {
    this.#admission.release();
  }

  /** Refuses the waiting requests, and resolves when every request in progress is answered. */
  async stop(): Promise<void> {
    clearInterval(this.#expiring);
    this.#admission.stop();
    await Promise.allSettled(this.#underWay);
  }

  #start(request: Request, caller: string): void {
    const work = this.#options.answer(request).finally(() => {
      this.#underWay.delete(work);
      this.#admission.ended(caller);
    });
    this.#underWay.add(work);
  }

  #refuse(
    { served, reply, caller }: Pick<Request, "served" | "reply" | "caller">,
    reason: LaneRefusalReason,
    retryAfterMs: number,
  ): void {
    const error = refusedErrorOf(reason);
    this.#refused[error.code] += 1;
    this.#options.onRefused?.(served, error, caller.identity);
    if (reply === "") return;
    const { data, headers } = this.#refusalOf(reason, retryAfterMs);
    this.#options.connection.publish(reply, data, { headers });
  }

  /**
   * Returns the serialised refusal for a reason. The refusal tells the caller to wait `waitMs`, rounded up to one of a
   * few fixed steps, so that few different refusals are serialised.
   */
  #refusalOf(reason: LaneRefusalReason, waitMs: number): PreparedRefusal {
    const retryAfterMs = retryStepOf(waitMs);
    const key = `${reason} ${retryAfterMs}`;
    let prepared = this.#prepared.get(key);
    if (prepared === undefined) {
      const error = laneRefusal(this.#options.lane, reason, retryAfterMs);
      const data = encoder.encode(JSON.stringify({ ok: false, error }));
      prepared = { data, headers: encodedOnce(errorHeaders(error)) };
      this.#prepared.set(key, prepared);
    }
    return prepared;
  }
}

/** Encodes the headers now, and returns the same headers. The client library then uses the stored encoding. */
function encodedOnce(headers: MsgHdrs): MsgHdrs {
  const encoded = (headers as MsgHdrs & { encode(): Uint8Array }).encode();
  return Object.assign(headers, { encode: () => encoded });
}

/**
 * Returns the name that distinguishes the callers of a lane: the principal or the agent. Services and anonymous callers
 * differ by the prefix of their reply subjects, which a client library makes once per connection. A caller of an
 * open stack can evade its limit on purpose with several prefixes, but not by accident.
 */
function shareholderOf(identity: Identity, reply: string): string {
  return isPrincipal(identity) || identity.role === "agent" ? principalOf(identity) : prefixOf(reply);
}
