/**
 * The environment variables of OpenTelemetry, one test each: the effect of the variable on what a collector receives.
 * test/e2e/tracing.test.ts has the same path with real services.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type CollectedSpan, Collector } from "../../../test/e2e/collector.ts";
import { readHostConfig } from "../src/config.ts";
import { answeredRequests, LIST, REQUESTS, SERVER_SPAN, type TraceHeaders } from "./answered-requests.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

let dir: string;
let collector: Collector;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-otel-"));
  collector = await Collector.http();
});
afterEach(() => {
  collector.clear();
  vi.unstubAllEnvs();
});
afterAll(async () => {
  await collector.close();
  await rm(dir, { recursive: true, force: true });
});

const run = (variables: Readonly<Record<string, string>>, headers?: TraceHeaders) =>
  answeredRequests(collector, variables, { headers });
const endpoint = () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
const pathsOf = () => [...new Set(collector.requests.map(({ path }) => path))].sort();

describe("without a variable that names an exporter or an endpoint", () => {
  it("nothing is sent", async () => {
    const { output } = await run({});
    expect(collector.requests).toEqual([]);
    expect(output).not.toContain("OpenTelemetry");
  });
});

describe("OTEL_SDK_DISABLED", () => {
  it("true: nothing is sent", async () => {
    await run({ ...endpoint(), OTEL_SDK_DISABLED: "true" });
    expect(collector.requests).toEqual([]);
  });
});

describe("OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG", () => {
  it.each([
    ["the default", {}, REQUESTS],
    ["always_on", { OTEL_TRACES_SAMPLER: "always_on" }, REQUESTS],
    ["always_off", { OTEL_TRACES_SAMPLER: "always_off" }, 0],
    ["parentbased_always_off", { OTEL_TRACES_SAMPLER: "parentbased_always_off" }, 0],
    ["traceidratio 0", { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" }, 0],
    [
      "parentbased_traceidratio 0",
      { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" },
      0,
    ],
  ])("%s: new traces are sampled so", async (_what, variables, expected) => {
    const { spans } = await run({ ...endpoint(), ...variables });
    expect(spans).toHaveLength(expected);
  });

  it("traceidratio 0.5: some traces are sampled, and some are not", async () => {
    const ratio = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.5" };
    const { spans } = await run({ ...endpoint(), ...ratio });
    // Both bounds fail by chance once in 2^24 runs each.
    expect(spans.length).toBeGreaterThan(0);
    expect(spans.length).toBeLessThan(REQUESTS);
  });

  it("a caller that samples its trace is followed by parentbased_always_off", async () => {
    const off = { OTEL_TRACES_SAMPLER: "parentbased_always_off" };
    const { spans } = await run({ ...endpoint(), ...off }, { traceparent: `00-${TRACE}-${PARENT}-01` });
    expect(spans).toHaveLength(REQUESTS);
  });
});

describe("the exporters", () => {
  it.each([
    ["OTEL_TRACES_EXPORTER", "traces"],
    ["OTEL_METRICS_EXPORTER", "metrics"],
    ["OTEL_LOGS_EXPORTER", "logs"],
  ])("%s: none stops this signal, and only this", async (variable, signal) => {
    await run({ ...endpoint(), [variable]: "none" });
    expect(pathsOf()).toEqual(
      ["/v1/logs", "/v1/metrics", "/v1/traces"].filter((path) => path !== `/v1/${signal}`),
    );
  });

  it("OTEL_TRACES_EXPORTER: console writes spans to the output, and sends none", async () => {
    const written = vi.spyOn(console, "dir").mockReturnValue(undefined);
    // Without detectors, because this exporter would wait for the id of the host.
    await run({ OTEL_TRACES_EXPORTER: "console", OTEL_NODE_RESOURCE_DETECTORS: "none" });
    expect(written).toHaveBeenCalledWith(expect.objectContaining({ name: SERVER_SPAN }), { depth: 3 });
    written.mockRestore();
    expect(collector.requests).toEqual([]);
  });
});

describe("the endpoints", () => {
  it("OTEL_EXPORTER_OTLP_ENDPOINT receives every signal", async () => {
    await run(endpoint());
    expect(pathsOf()).toEqual(["/v1/logs", "/v1/metrics", "/v1/traces"]);
  });

  it.each(["traces", "metrics", "logs"])(
    "the endpoint of %s alone receives only them, at its path",
    async (signal) => {
      await run({
        [`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`]: `${collector.url}/own/${signal}`,
      });
      expect(pathsOf()).toEqual([`/own/${signal}`]);
    },
  );

  it("a malformed URL refuses the configuration with the name of its variable", () => {
    expect(() => readHostConfig({ OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: "no url" })).toThrow(
      "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    );
  });

  it("OTEL_EXPORTER_OTLP_HEADERS are sent with every request", async () => {
    await run({ ...endpoint(), OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=cells,x-other=a%20b" });
    expect(collector.requests.length).toBeGreaterThanOrEqual(3);
    for (const { headers: sent } of collector.requests) {
      expect(sent).toMatchObject({ "x-tenant": "cells", "x-other": "a b" });
    }
  });

  it("OTEL_EXPORTER_OTLP_COMPRESSION: gzip compresses", async () => {
    const { spans } = await run({ ...endpoint(), OTEL_EXPORTER_OTLP_COMPRESSION: "gzip" });
    expect(spans).toHaveLength(REQUESTS);
    expect(collector.requests[0]?.headers).toMatchObject({ "content-encoding": "gzip" });
  });
});

describe("OTEL_EXPORTER_OTLP_PROTOCOL", () => {
  it.each([
    ["the default", {}, "application/x-protobuf"],
    ["http/protobuf", { OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf" }, "application/x-protobuf"],
    ["http/json", { OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }, "application/json"],
  ])("%s: each signal is encoded so", async (_what, variables, contentType) => {
    const { spans } = await run({ ...endpoint(), ...variables });
    expect(spans).toHaveLength(REQUESTS);
    expect(pathsOf()).toHaveLength(3);
    expect([...new Set(collector.requests.map((request) => request.contentType))]).toEqual([contentType]);
  });

  it("grpc: spans are sent over gRPC", async () => {
    const grpc = await Collector.grpc();
    try {
      await run({ OTEL_EXPORTER_OTLP_ENDPOINT: grpc.url, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" });
      expect(grpc.spans.filter(({ name }) => name === SERVER_SPAN)).toHaveLength(REQUESTS);
      expect(grpc.requests.map(({ path }) => path)).toContain(
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
      );
    } finally {
      await grpc.close();
    }
  });
});

describe("the resource", () => {
  it("names service, version, instance and SDK by itself", async () => {
    const { spans } = await run(endpoint());
    expect(spans[0]?.resource).toMatchObject({
      "service.name": "lifecycle",
      "service.namespace": "bioxen",
      "service.version": expect.stringMatching(/^\d+\.\d+\.\d+$/),
      "service.instance.id": "host/1/a",
      "telemetry.sdk.name": "opentelemetry",
      "telemetry.sdk.language": "nodejs",
      "telemetry.sdk.version": expect.any(String),
    });
    expect(spans[0]?.scope).toMatchObject({ name: "bioxen", version: spans[0]?.resource["service.version"] });
  });

  it("OTEL_SERVICE_NAME replaces the name, OTEL_RESOURCE_ATTRIBUTES adds and replaces attributes", async () => {
    const { spans } = await run({
      ...endpoint(),
      OTEL_SERVICE_NAME: "cells-of-lab-3",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test,service.namespace=lab",
    });
    expect(spans[0]?.resource).toMatchObject({
      "service.name": "cells-of-lab-3",
      "service.namespace": "lab",
      "deployment.environment.name": "test",
    });
  });
});

describe("OTEL_PROPAGATORS", () => {
  const B3 = { b3: `${TRACE}-${PARENT}-1` };
  const W3C = { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: "lab=3" };
  const continued = (spans: readonly CollectedSpan[]) =>
    spans.filter(({ traceId, parent }) => traceId === TRACE && parent === PARENT).length;

  it.each([
    ["the default", {}, W3C, REQUESTS],
    ["the default", {}, B3, 0],
    ["tracecontext", { OTEL_PROPAGATORS: "tracecontext" }, W3C, REQUESTS],
    ["b3", { OTEL_PROPAGATORS: "b3" }, B3, REQUESTS],
    ["b3", { OTEL_PROPAGATORS: "b3" }, W3C, 0],
    ["none", { OTEL_PROPAGATORS: "none" }, W3C, 0],
  ])(
    "%s (%j): of requests with %j, %i spans continue the trace",
    async (_what, variables, fields, expected) => {
      const { spans } = await run({ ...endpoint(), ...variables }, fields);
      expect(spans).toHaveLength(REQUESTS);
      expect(continued(spans)).toBe(expected);
      if (fields === W3C && expected > 0) expect(spans[0]?.traceState).toBe("lab=3");
    },
  );
});

describe("the log", () => {
  it("has the ids of the span of its request in every line and in every exported record", async () => {
    const { output, spans } = await run(endpoint());
    const lines = output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ msg }) => msg === "answered");
    const ids = spans.map(({ traceId, id }) => `${traceId} ${id}`).sort();
    expect(ids).toHaveLength(REQUESTS);
    expect(lines.map(({ trace_id, span_id }) => `${trace_id} ${span_id}`).sort()).toEqual(ids);
    const records = collector.logs.filter(({ body }) => body === "answered");
    expect(records.map(({ traceId, spanId }) => `${traceId} ${spanId}`).sort()).toEqual(ids);
    expect(records[0]).toMatchObject({ severity: "INFO", attributes: { request: expect.any(Number) } });
  });

  it("has the ids of the caller's trace without an exporter too", async () => {
    const { output } = await run({}, { traceparent: `00-${TRACE}-${PARENT}-01` });
    expect(output.split("\n").filter((line) => line.includes(`"trace_id":"${TRACE}"`))).toHaveLength(
      REQUESTS,
    );
  });
});

describe("the metrics", () => {
  it("have the names of Prometheus, and the duration of requests by the semantic conventions", async () => {
    await run(endpoint());
    const named = (name: string) => collector.metrics.filter((metric) => metric.name === name);
    expect(named("bioxen_ready")[0]?.points).toEqual([{ attributes: {}, value: 1 }]);
    expect(named("bioxen_requests")[0]?.points).toEqual([
      { attributes: { endpoint: LIST, code: "OK" }, value: REQUESTS },
    ]);
    expect(named("bioxen_request_duration_seconds_count")[0]?.points[0]?.value).toBe(REQUESTS);
    expect(named("process_resident_memory_bytes")[0]).toMatchObject({ unit: "By" });
    expect(named("messaging.process.duration")[0]).toMatchObject({
      unit: "s",
      points: [{ attributes: { "messaging.destination.name": LIST }, value: REQUESTS }],
    });
  });
});

describe("OTEL_BSP_*", () => {
  it("OTEL_BSP_MAX_EXPORT_BATCH_SIZE: requests have at most so many spans", async () => {
    await run({ ...endpoint(), OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "4" });
    const traces = collector.requests.filter(({ path }) => path === "/v1/traces");
    expect(traces.length).toBeGreaterThanOrEqual(REQUESTS / 4);
  });
});

describe("a value that the SDK does not know", () => {
  it("is named in the log and ignored, and the service works", async () => {
    const { output, spans } = await run({
      ...endpoint(),
      OTEL_TRACES_SAMPLER: "sometimes",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/xml",
      OTEL_PROPAGATORS: "tracecontext,pigeon",
    });
    expect(spans).toHaveLength(REQUESTS);
    for (const [variable, value] of [
      ["OTEL_TRACES_SAMPLER", "sometimes"],
      ["OTEL_EXPORTER_OTLP_PROTOCOL", "http/xml"],
      ["OTEL_PROPAGATORS", "pigeon"],
    ]) {
      expect(output).toContain(`${variable}: \\"${value}\\" is unknown and ignored`);
    }
  });
});

describe("OTEL_CONFIG_FILE", () => {
  it("names a declarative configuration that decides everything", async () => {
    const file = join(dir, "otel.yaml");
    await writeFile(
      file,
      `file_format: "1.0"
resource:
  attributes:
    - { name: service.name, value: "\${OTEL_SERVICE_NAME}" }
    - { name: lab, value: "3" }
tracer_provider:
  processors:
    - batch: { exporter: { otlp_http: { endpoint: "${collector.url}/v1/traces" } } }
`,
    );
    const { spans, output } = await run({ OTEL_CONFIG_FILE: file });
    expect(spans, output).toHaveLength(REQUESTS);
    expect(spans[0]?.resource).toMatchObject({ "service.name": "lifecycle", lab: "3" });
    expect(pathsOf()).toEqual(["/v1/traces"]);
  });
});
