import { afterEach, describe, expect, it } from "vitest";
import { callerTrace } from "./trace-context.ts";

const API = Symbol.for("opentelemetry.js.api.1");
const registry = globalThis as Record<symbol, unknown>;
const before = registry[API];
const ACTIVE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

afterEach(() => {
  if (before === undefined) delete registry[API];
  else registry[API] = before;
});

/** Registers an API whose active span has these headers, as `@opentelemetry/api` does. */
function register(headers: Readonly<Record<string, string>>): void {
  registry[API] = {
    context: { active: () => "the active context" },
    propagation: {
      inject(context: unknown, carrier: object, setter: { set(c: object, k: string, v: string): void }) {
        if (context !== "the active context") return;
        for (const [name, value] of Object.entries(headers)) setter.set(carrier, name, value);
      },
    },
  };
}

describe("the trace context of a call", () => {
  it("is that of the application's active span", () => {
    register({ traceparent: ACTIVE, tracestate: "lab=3", baggage: "user=7" });
    expect(callerTrace({})).toEqual({ traceparent: ACTIVE, tracestate: "lab=3" });
  });

  it.each([
    ["without the API", () => delete registry[API]],
    ["with the API and no active span", () => register({})],
  ])("%s, it is a new trace for each call", (_what, prepare) => {
    prepare();
    const [one, two] = [callerTrace({}).traceparent, callerTrace({}).traceparent];
    expect(one).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(two).not.toBe(one);
  });

  it.each([
    [{}, 200],
    [{ OTEL_TRACES_SAMPLER: "always_off" }, 0],
    [{ OTEL_TRACES_SAMPLER: "parentbased_always_off" }, 0],
    [{ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" }, 0],
    [{ OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "1" }, 200],
    [{ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "much" }, 200],
  ])("with %j, %i of 200 new traces are to be recorded", (variables, expected) => {
    const traces = Array.from({ length: 200 }, () => callerTrace(variables).traceparent ?? "");
    expect(traces.filter((traceparent) => traceparent.endsWith("-01"))).toHaveLength(expected);
  });
});
