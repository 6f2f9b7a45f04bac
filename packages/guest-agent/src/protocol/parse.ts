/**
 * The checks of messages that arrive, on either side.
 */
import { DriverError, type DriverErrorCode } from "@bioxen/vm-driver";
import type * as z from "zod";
import { MAX_MESSAGE_BYTES } from "./constants.ts";
import { problemsOf } from "./fields.ts";
import {
  type AgentReport,
  agentReportSchema,
  type CellFailure,
  type CellOperation,
  type CellReply,
  type CellRequest,
  failureSchema,
  replySchemas,
  requestSchema,
  type SampleReport,
  sampleReportSchema,
} from "./messages.ts";

/** Parses a request. Throws `BAD_REQUEST` with every problem, or `TOO_LARGE`. */
export function parseRequest(line: string): CellRequest {
  return checked("request", requestSchema, parsedJson("request", line, "BAD_REQUEST"), "BAD_REQUEST");
}

/**
 * Parses the reply to a request of this operation. Throws the `DriverError` of a failure that the agent reports. Throws
 * an `UNAVAILABLE` that is not retryable if the reply is malformed, and `TOO_LARGE`.
 */
export function parseReply<Op extends CellOperation>(op: Op, line: string): CellReply<Op> {
  const json = parsedJson("reply", line, "UNAVAILABLE");
  const failure = failureSchema.safeParse(json);
  if (failure.success) throw errorOf(failure.data);
  const schema: z.ZodType = replySchemas[op];
  return checked(`reply to ${op}`, schema, json, "UNAVAILABLE") as CellReply<Op>;
}

/** Parses the value of {@link AGENT_KEY}. Throws an `UNAVAILABLE` that is not retryable if it is malformed. */
export function parseAgentReport(value: string): AgentReport {
  return checked(
    "agent report",
    agentReportSchema,
    parsedJson("agent report", value, "UNAVAILABLE"),
    "UNAVAILABLE",
  );
}

/** Parses the value of {@link SAMPLE_KEY}. Throws an `UNAVAILABLE` that is not retryable if it is malformed. */
export function parseSampleReport(value: string): SampleReport {
  return checked("sample", sampleReportSchema, parsedJson("sample", value, "UNAVAILABLE"), "UNAVAILABLE");
}

/** Returns the failure that tells the caller of `error`. */
export function failureOf({ code, message, details, retryable }: DriverError): CellFailure {
  return { ok: false, code, message, details: { ...details }, retryable };
}

function errorOf({ code, message, details, retryable }: CellFailure): DriverError {
  return new DriverError(code, message, {
    ...(details === undefined ? {} : { details }),
    ...(retryable === undefined ? {} : { retryable }),
  });
}

function parsedJson(name: string, line: string, code: DriverErrorCode): unknown {
  const bytes = new TextEncoder().encode(line).length;
  if (bytes > MAX_MESSAGE_BYTES) {
    throw new DriverError("TOO_LARGE", `the ${name} has ${bytes} bytes, more than ${MAX_MESSAGE_BYTES}`);
  }
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new DriverError(code, `the ${name} is not JSON`, { cause, retryable: false });
  }
}

function checked<T>(name: string, schema: z.ZodType<T>, value: unknown, code: DriverErrorCode): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const message = `the ${name} is malformed: ${problemsOf(parsed.error).join("; ")}`;
  throw new DriverError(code, message, { retryable: false });
}
