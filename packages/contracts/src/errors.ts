/**
 * The error catalogue of the contract, §4. docs/errors.md is held to it by a test.
 *
 * `status` is the code of the `Nats-Service-Error-Code` header, in the spirit of HTTP.
 */
import type { Rejection } from "@bioxen/kernel";

export interface ErrorEntry {
  readonly status: number;
  readonly meaning: string;
  /** What the caller can do about it. */
  readonly remedy: string;
}

export const ERRORS = {
  BAD_REQUEST: {
    status: 400,
    meaning:
      "The payload is not JSON or not what the command takes; `details.problems` lists every problem with its path.",
    remedy: "Mend every problem listed and send it again.",
  },
  VM_NOT_FOUND: { status: 404, meaning: "No VM has this id.", remedy: "List the VMs with `bioxen vm ls`." },
  VM_ALREADY_EXISTS: {
    status: 409,
    meaning: "A VM with this id exists and is not destroyed.",
    remedy: "Choose another id, or destroy the VM first.",
  },
  INVALID_TRANSITION: {
    status: 409,
    meaning: "The VM's state does not allow this command; `details` has state, command and what is allowed.",
    remedy: "Send one of the allowed commands first.",
  },
  CHASSIS_NOT_FOUND: {
    status: 404,
    meaning: "No chassis has this id.",
    remedy: "List the chassis with `bioxen chassis ls`.",
  },
  CAPACITY_EXCEEDED: {
    status: 409,
    meaning: "The chassis has less free than was asked for; `details` has resource, requested and free.",
    remedy: "Ask for less, free something, or add a chassis.",
  },
  QUOTA_EXCEEDED: {
    status: 409,
    meaning: "VMs with this label would hold more together than their quota.",
    remedy: "Raise the quota or release something that carries the label.",
  },
  INFEASIBLE: {
    status: 422,
    meaning: "The request fits none of the registered chassis even when they are empty.",
    remedy: "Ask for less, or register a chassis that is large enough.",
  },
  UNSUPPORTED: {
    status: 501,
    meaning: "This driver or type cannot do that, or lacks the setting that its message names.",
    remedy: "See the driver's capabilities in the documentation.",
  },
  GUEST_ERROR: {
    status: 422,
    meaning:
      "The guest's program failed. Of Lua `details.traceback` says where; of a machine's program `details` has `exitCode`, `stdout`, `stderr`.",
    remedy: "Mend the script.",
  },
  GUEST_TIMEOUT: {
    status: 408,
    meaning: "The guest's program ran past its limit of time or instructions and was ended.",
    remedy: "Do less in one call, or raise `timeoutMs`.",
  },
  GUEST_OUT_OF_MEMORY: {
    status: 413,
    meaning: "The guest's Lua asked for more memory than a guest has.",
    remedy: "Keep less in memory.",
  },
  SNAPSHOT_NOT_FOUND: { status: 404, meaning: "No snapshot has this id.", remedy: "Take a snapshot first." },
  JOB_NOT_FOUND: {
    status: 404,
    meaning: "No dead letter has this id, or no outcome is stored under it.",
    remedy: "List the jobs with `bioxen jobs ls`; an outcome is kept for 24 h.",
  },
  ALERT_RULE_NOT_FOUND: {
    status: 404,
    meaning: "No alert rule has this id.",
    remedy: "List the rules with `bioxen alerts rules`.",
  },
  CONFLICT: {
    status: 409,
    meaning: "Others changed the same thing at the same time, again and again.",
    remedy: "Send the command again.",
  },
  UNAVAILABLE: {
    status: 503,
    meaning: "The service, its log or another service it needs cannot be reached now.",
    remedy: "Try again; the same `Nats-Msg-Id` is carried out at most once.",
  },
  TOO_LARGE: {
    status: 413,
    meaning: "The payload, or what it would produce, is over a limit named in `details`.",
    remedy: "Send less.",
  },
  INTERNAL: {
    status: 500,
    meaning: "A fault of ours. It was logged; nothing was half done.",
    remedy: "Report it with the message.",
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;
export const ERROR_CODES = Object.keys(ERRORS) as readonly ErrorCode[];

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(ERRORS, value);
}

/** A refusal with a code of the catalogue. */
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
