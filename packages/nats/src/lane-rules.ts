/**
 * The rules of the lanes: the lane of each endpoint, the limits of each lane, and the answer to a refused request. No
 * NATS, no timers, no clock; request-lanes.ts applies the rules to messages.
 */
import { ENDPOINTS, type Endpoint, type ErrorCode, QUERY_PREFIX } from "@bioxen/contracts";
import { type AdmissionRefusal, type LaneLimits, RETRY_STEPS_MS } from "./admission.ts";

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
export const LANE_LIMITS: Readonly<Record<LaneName, LaneLimits>> = {
  commands: { underWay: 16, reserved: 32, waiting: 2_048, waitMs: WAIT_MS },
  programs: { underWay: 256, reserved: 64, waiting: 1_024, waitMs: WAIT_MS },
  queries: { underWay: 64, reserved: 32, waiting: 4_096, waitMs: WAIT_MS },
  internal: { underWay: 256, reserved: 64, waiting: 4_096, waitMs: WAIT_MS },
};
/** Interval at which requests that have waited too long are looked for, ms. */
export const EXPIRE_INTERVAL_MS = 250;

/** Returns the lane of an endpoint. */
export function laneOf({ internal, subject }: Pick<Endpoint, "internal" | "subject">): LaneName {
  if (internal) return "internal";
  if (subject.startsWith(QUERY_PREFIX)) return "queries";
  return subject === ENDPOINTS.vmExec.subject ? "programs" : "commands";
}

export type RefusalCode = Extract<ErrorCode, "UNAVAILABLE" | "RATE_LIMITED">;

/** Why a lane refuses a request. `ceiling`: the caller sends more per second than the operator allows. */
export type LaneRefusalReason = AdmissionRefusal["reason"] | "ceiling";

/** Code and message of a refusal. */
export interface RefusedError {
  readonly code: RefusalCode;
  readonly message: string;
}

const unavailable = (message: string): RefusedError => ({ code: "UNAVAILABLE", message });
const rateLimited = (message: string): RefusedError => ({ code: "RATE_LIMITED", message });

const REFUSALS: Readonly<Record<LaneRefusalReason, RefusedError>> = {
  full: unavailable("the service is full: retry"),
  share: rateLimited("more requests than the share of one caller while others wait: send fewer at once"),
  late: unavailable("the service is full: the request waited too long and was not begun, retry"),
  stopping: unavailable("this instance stops: retry"),
  ceiling: rateLimited("more commands per second than the ceiling of one caller: send fewer"),
};

/** Returns code and message of the refusal for a reason. */
export function refusedErrorOf(reason: LaneRefusalReason): RefusedError {
  return REFUSALS[reason];
}

/** Returns the time that a refusal names for a wait of `waitMs`: `waitMs` rounded up to one of a few fixed steps, ms. */
export function retryStepOf(waitMs: number): number {
  return RETRY_STEPS_MS.find((step) => step >= waitMs) ?? (RETRY_STEPS_MS.at(-1) as number);
}

export interface LaneRefusal extends RefusedError {
  readonly retryable: true;
  readonly details: { readonly retryAfterMs: number; readonly lane: LaneName };
}

/** Returns the error that a refused caller gets. `retryAfterMs` is one of the steps of {@link retryStepOf}. */
export function laneRefusal(lane: LaneName, reason: LaneRefusalReason, retryAfterMs: number): LaneRefusal {
  return { ...REFUSALS[reason], retryable: true, details: { retryAfterMs, lane } };
}
