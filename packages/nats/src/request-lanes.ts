/**
 * The lanes of a service: each kind of request has limits of its own. Requests of clients arrive on separate
 * connections (lane-connections.ts).
 *
 * A flood of commands therefore delays neither queries, nor requests between services and agents, nor the event feed. A
 * refused request costs a few microseconds: its payload is not parsed, and its answer was serialised before.
 */
import {
  ENDPOINTS,
  type Endpoint,
  type ErrorCode,
  MAX_HEADER_BYTES,
  MAX_INTERNAL_HEADER_BYTES,
  QUERY_PREFIX,
  type ServedEndpoint,
} from "@bioxen/contracts";
import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/nats-core";
import { Admission, type AdmissionRefusal, costOf, type LaneLimits, RETRY_STEPS_MS } from "./admission.ts";
import { CallerCeiling } from "./caller-ceiling.ts";
import { errorHeaders } from "./error-headers.ts";
import { prefixOf } from "./reply-subjects.ts";
import { headersOf, type ReadHeaders } from "./request-headers.ts";

/**
 * - `commands`: commands of clients that change something.
 * - `programs`: programs that clients run in guests, each for up to a minute. Most of that time is a wait.
 * - `queries`: queries of clients.
 * - `internal`: requests between services and agents.
 */
export const LANES = ["commands", "programs", "queries", "internal"] as const;
export type LaneName = (typeof LANES)[number];

/** Longest time that a request waits for its start, ms: half of the time after which callers give up by default. */
const WAIT_MS = 5_000;
/**
 * Limits of each lane. The server stores one event at a time, so 16 commands at a time keep the disk of the log busy;
 * more commands only compete with queries for the processor. The waiting commands take at most 8 MiB. A slow machine
 * (500 commands/s) serves all of them within {@link WAIT_MS}.
 */
const LIMITS: Readonly<Record<LaneName, LaneLimits>> = {
  commands: { underWay: 16, reserved: 32, waiting: 2_048, waitMs: WAIT_MS },
  programs: { underWay: 256, reserved: 64, waiting: 1_024, waitMs: WAIT_MS },
  queries: { underWay: 64, reserved: 32, waiting: 4_096, waitMs: WAIT_MS },
  internal: { underWay: 256, reserved: 64, waiting: 4_096, waitMs: WAIT_MS },
};
/** Interval at which requests that have waited too long are looked for, ms. */
const EXPIRE_INTERVAL_MS = 250;

/** Returns the lane of an endpoint. */
export function laneOf({ internal, subject }: Pick<Endpoint, "internal" | "subject">): LaneName {
  if (internal) return "internal";
  if (subject.startsWith(QUERY_PREFIX)) return "queries";
  return subject === ENDPOINTS.vmExec.subject ? "programs" : "commands";
}

/** A request that a lane has accepted, without a reference to the buffer in which the request arrived. */
export interface Request {
  readonly served: ServedEndpoint;
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

export type RefusalCode = Extract<ErrorCode, "UNAVAILABLE" | "RATE_LIMITED">;

type Reason = AdmissionRefusal["reason"] | "ceiling";

const REFUSALS: Readonly<Record<Reason, readonly [code: RefusalCode, message: string]>> = {
  full: ["UNAVAILABLE", "the service is full: retry"],
  share: ["RATE_LIMITED", "more requests than the share of one caller while others wait: send fewer at once"],
  late: ["UNAVAILABLE", "the service is full: the request waited too long and was not begun, retry"],
  stopping: ["UNAVAILABLE", "this instance stops: retry"],
  ceiling: ["RATE_LIMITED", "more commands per second than the ceiling of one caller: send fewer"],
};

export interface LaneOptions {
  readonly lane: LaneName;
  readonly connection: NatsConnection;
  /** Maximum number of requests of one caller per second. When absent, the rate of a caller is not limited. */
  readonly callerLimit?: number | undefined;
  /** Answers a request; never rejects. */
  readonly answer: (request: Request) => Promise<void>;
  /** Called for each request that the lane refuses. */
  readonly onRefused?: ((served: ServedEndpoint, error: RefusedError) => void) | undefined;
}

/** Code and message of a refusal. */
export interface RefusedError {
  readonly code: RefusalCode;
  readonly message: string;
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
        this.#refuse(request.served, request.reply, reason, retryAfterMs),
    };
    this.#admission = new Admission(LIMITS[lane], effects, nowMs);
    this.#expiring = setInterval(() => this.#admission.expire(), EXPIRE_INTERVAL_MS);
    this.#expiring.unref();
  }

  get load(): LaneLoad {
    const { underWay, waiting } = this.#admission;
    return { lane: this.#options.lane, underWay, waiting, refused: { ...this.#refused } };
  }

  /** Starts a request, lets it wait, or refuses it. */
  receive(served: ServedEndpoint, message: Msg): void {
    const reply = message.reply ?? "";
    const caller = callerOf(reply);
    const aboveCeilingMs = this.#ceiling?.take(caller) ?? 0;
    if (aboveCeilingMs > 0) {
      this.#refuse(served, reply, "ceiling", aboveCeilingMs);
      return;
    }
    const { data } = message;
    const cost = costOf(data.byteLength);
    const reason = this.#admission.refusalOf(caller, cost);
    if (reason !== undefined) {
      this.#refuse(served, reply, reason, this.#admission.retryAfterMs());
      return;
    }
    const { connection, lane } = this.#options;
    const respond: Request["respond"] = (answer, headers) => {
      if (reply !== "") connection.publish(reply, answer, headers === undefined ? {} : { headers });
    };
    // The request gets copies of headers and payload. Views would keep the socket's whole buffer in memory.
    const headers = headersOf(message, lane === "internal" ? MAX_INTERNAL_HEADER_BYTES : MAX_HEADER_BYTES);
    const request = { served, reply, headers, data: data.slice(), respond };
    this.#admission.enter(caller, request, cost);
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

  #refuse(served: ServedEndpoint, reply: string, reason: Reason, retryAfterMs: number): void {
    const [code, message] = REFUSALS[reason];
    this.#refused[code] += 1;
    this.#options.onRefused?.(served, { code, message });
    if (reply === "") return;
    const { data, headers } = this.#refusalOf(reason, retryAfterMs);
    this.#options.connection.publish(reply, data, { headers });
  }

  /**
   * Returns the serialised refusal for a reason. The refusal tells the caller to wait `waitMs`, rounded up to one of a
   * few fixed steps, so that few different refusals are serialised.
   */
  #refusalOf(reason: Reason, waitMs: number): PreparedRefusal {
    const retryAfterMs = RETRY_STEPS_MS.find((step) => step >= waitMs) ?? (RETRY_STEPS_MS.at(-1) as number);
    const key = `${reason} ${retryAfterMs}`;
    let prepared = this.#prepared.get(key);
    if (prepared === undefined) {
      const [code, message] = REFUSALS[reason];
      const { lane } = this.#options;
      const error = { code, message, retryable: true, details: { retryAfterMs, lane } };
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
 * Returns the name that distinguishes the callers of a lane: the prefix of their reply subjects, which a client library
 * makes once per connection. A caller can evade its limit on purpose with several prefixes, but not by accident.
 */
export function callerOf(reply: string): string {
  return prefixOf(reply);
}
