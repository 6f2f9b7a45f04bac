/**
 * The W3C trace context that a call of the client or of the command carries, so that its trace begins at the caller.
 *
 * An application that uses OpenTelemetry has registered its API in the process; the call then continues the active
 * span. The API is found by its registration, without a dependency: the package `@opentelemetry/api` keeps it under one
 * global symbol for its whole major version 1. In any other application every call begins a trace of its own.
 */
import type { TraceContext } from "@bioxen/kernel";

const API = Symbol.for("opentelemetry.js.api.1");
const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
/** The part of the trace id, from its end, that decides about a ratio: 56 bits, by the W3C's level 2. */
const RATIO_DIGITS = 14;

/** The part of the registered API that this module uses. */
interface RegisteredApi {
  readonly context?: { active(): unknown };
  readonly propagation?: { inject(context: unknown, carrier: object, setter: Setter): void };
}

interface Setter {
  set(carrier: Record<string, string>, key: string, value: string): void;
}

/** The variables that decide whether a trace that begins here is recorded by the services. */
type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Returns the trace context of the application's active span, or that of a new trace. The services record a new trace
 * unless `OTEL_TRACES_SAMPLER` of this process decides otherwise.
 */
export function callerTrace(variables: Variables = variablesOfProcess()): TraceContext {
  const active = activeTrace();
  if (active.traceparent !== undefined) return active;
  const traceId = randomHex(TRACE_ID_BYTES);
  const flags = isSampled(traceId, variables) ? "01" : "00";
  return { traceparent: `00-${traceId}-${randomHex(SPAN_ID_BYTES)}-${flags}` };
}

function activeTrace(): TraceContext {
  const api = (globalThis as Record<symbol, unknown>)[API] as RegisteredApi | undefined;
  if (api?.context === undefined || api.propagation === undefined) return {};
  const carrier: Record<string, string> = {};
  const setter: Setter = {
    set(into, key, value) {
      into[key] = value;
    },
  };
  api.propagation.inject(api.context.active(), carrier, setter);
  const { traceparent, tracestate } = carrier;
  if (traceparent === undefined) return {};
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}

/** Decides as the samplers of OpenTelemetry do for a trace without a parent. */
function isSampled(traceId: string, variables: Variables): boolean {
  const sampler = variables["OTEL_TRACES_SAMPLER"]?.trim().replace(/^parentbased_/, "");
  if (sampler === "always_off") return false;
  if (sampler !== "traceidratio") return true;
  const ratio = Number(variables["OTEL_TRACES_SAMPLER_ARG"] || 1);
  if (!(ratio >= 0 && ratio <= 1)) return true;
  return Number.parseInt(traceId.slice(-RATIO_DIGITS), 16) < ratio * 16 ** RATIO_DIGITS;
}

function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Returns the environment variables of the process; in a browser there are none. */
function variablesOfProcess(): Variables {
  return typeof process === "undefined" ? {} : process.env;
}
