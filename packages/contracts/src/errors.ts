/**
 * The error catalogue. docs/errors.md is generated from it, and a test compares both.
 *
 * `status` is the value of the `Nats-Service-Error-Code` header; the numbers follow HTTP.
 */
import type { Rejection } from "@bioxen/kernel";

export interface ErrorEntry {
  readonly status: number;
  readonly meaning: string;
  /** What the caller can do about the error. */
  readonly remedy: string;
}

export const ERRORS = {
  BAD_REQUEST: {
    status: 400,
    meaning:
      "The payload is not JSON, or does not match the schema of the command, or a header exceeds its limit. `details.problems` lists every problem with its path.",
    remedy: "Correct every listed problem and send the command again.",
  },
  FORBIDDEN: {
    status: 403,
    meaning: "The role of the caller does not allow this command, query or id.",
    remedy: "Use the credentials of another principal, or ask an admin.",
  },
  VM_NOT_FOUND: { status: 404, meaning: "No VM has this id.", remedy: "List the VMs with `bioxen vm ls`." },
  VM_ALREADY_EXISTS: {
    status: 409,
    meaning: "A VM with this id exists and is not destroyed.",
    remedy: "Choose another id, or destroy the VM first.",
  },
  INVALID_TRANSITION: {
    status: 409,
    meaning:
      "The state of the VM does not allow this command. `details` has the state, the command and the allowed commands.",
    remedy: "Send one of the allowed commands first.",
  },
  CHASSIS_NOT_FOUND: {
    status: 404,
    meaning: "No chassis has this id.",
    remedy: "List the chassis with `bioxen chassis ls`.",
  },
  CAPACITY_EXCEEDED: {
    status: 409,
    meaning:
      "The chassis has less free than requested. `details` has the resource, the requested and the free amount.",
    remedy: "Request less, stop other VMs, or add a chassis.",
  },
  QUOTA_EXCEEDED: {
    status: 409,
    meaning: "The VMs with this label would together hold more than their quota.",
    remedy: "Raise the quota, or stop or resize VMs with the label.",
  },
  INFEASIBLE: {
    status: 422,
    meaning: "The request fits none of the registered chassis, even when they are empty.",
    remedy: "Request less, or register a larger chassis.",
  },
  UNSUPPORTED: {
    status: 501,
    meaning: "The driver or type does not support this command, or lacks the setting that the message names.",
    remedy: "Set what the message names, or see the driver's capabilities in the documentation.",
  },
  GUEST_ERROR: {
    status: 422,
    meaning:
      "The program in the guest failed. For Lua, `details.traceback` has the location; for the program of a machine, `details` has `exitCode`, `stdout` and `stderr`.",
    remedy: "Correct the program.",
  },
  GUEST_TIMEOUT: {
    status: 408,
    meaning: "The program in the guest exceeded its limit of time or instructions and was ended.",
    remedy: "Do less in one call, or raise `timeoutMs`.",
  },
  GUEST_OUT_OF_MEMORY: {
    status: 413,
    meaning: "The Lua program in the guest exceeded the memory limit of a guest.",
    remedy: "Keep less data in memory.",
  },
  SNAPSHOT_NOT_FOUND: { status: 404, meaning: "No snapshot has this id.", remedy: "Take a snapshot first." },
  COURSE_NOT_FOUND: {
    status: 404,
    meaning: "The VM records no time course, or its course is no longer kept.",
    remedy: "Create the VM with `record`. A course is kept for 30 days after its VM was destroyed.",
  },
  EXPERIMENT_NOT_FOUND: {
    status: 404,
    meaning: "No experiment has this id.",
    remedy: "List the experiments with `bioxen experiment ls`.",
  },
  MODEL_NOT_FOUND: {
    status: 404,
    meaning:
      "No agent announces the cell model that `config.model` names. `details.models` lists those that exist.",
    remedy: "List the models with `bioxen models ls`, or name the package in BIOXEN_CELL_MODEL of an agent.",
  },
  JOB_NOT_FOUND: {
    status: 404,
    meaning: "No waiting job, no dead letter and no stored outcome has this id.",
    remedy: "List the jobs with `bioxen jobs ls`. An outcome is kept for 24 h.",
  },
  CANCELLED: {
    status: 410,
    meaning: "The outcome of a durable command that was cancelled. It was not carried out.",
    remedy: "Submit the command again, under another id.",
  },
  ALERT_RULE_NOT_FOUND: {
    status: 404,
    meaning: "No alert rule has this id.",
    remedy: "List the rules with `bioxen alerts rules`.",
  },
  CONFLICT: {
    status: 409,
    meaning:
      "The command conflicts with a concurrent change, or with a fact that the message names. With `expectedVersion`, `details` has `expected` and `actual`: the object has another version. Such a conflict is not retryable, and neither is a `Nats-Msg-Id` that was used for another payload.",
    remedy:
      "Send the command again when `retryable` is true. Otherwise follow the message: read the object again before you change it, or use a new `Nats-Msg-Id`.",
  },
  UNAVAILABLE: {
    status: 503,
    meaning:
      "The service, its log or another service that it needs is unreachable, or the service is full. When it is full, `details.retryAfterMs` says when to try again.",
    remedy: "Try again. A command with the same `Nats-Msg-Id` is carried out at most once.",
  },
  RATE_LIMITED: {
    status: 429,
    meaning:
      "The caller has more than its share of the service while others wait, or more than the ceiling that an operator set. `details.retryAfterMs` says when to try again.",
    remedy: "Send fewer requests at once, and try again after `details.retryAfterMs`.",
  },
  TOO_LARGE: {
    status: 413,
    meaning:
      "The payload, or the event or reply that it leads to, has more bytes than the limit: `details` has both as `limit` and `bytes`. An event that is too large was not written. A list is answered in pages, so there a single item is too large.",
    remedy: "Send a smaller payload, ask for less, or raise `max_payload` of the NATS server.",
  },
  INTERNAL: {
    status: 500,
    meaning: "A bug in BioXen. It was logged, and no command was left half done.",
    remedy: "Report it with the message.",
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;
export const ERROR_CODES = Object.keys(ERRORS) as readonly ErrorCode[];

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(ERRORS, value);
}

/**
 * Returns true when a process must not repeat a call that was refused with this error.
 *
 * UNAVAILABLE is never final for a process. Without `retryable`, people must act first: they skip an unreadable event,
 * for instance. The process can learn of that before the instance that answered does, and no later event then tells it
 * to try again.
 */
export function isFinalRefusal({ code, retryable }: Pick<Rejection, "code" | "retryable">): boolean {
  return !retryable && code !== "UNAVAILABLE";
}

/** Makes a refusal with a code of the catalogue. `retryable` (default false): the same command can succeed later. */
export function refuse(
  code: ErrorCode,
  message: string,
  options: { retryable?: boolean; details?: Readonly<Record<string, unknown>> } = {},
): { readonly ok: false; readonly rejection: Rejection<ErrorCode> } {
  const rejection = { code, message, retryable: options.retryable ?? false };
  return {
    ok: false,
    rejection: options.details === undefined ? rejection : { ...rejection, details: options.details },
  };
}
