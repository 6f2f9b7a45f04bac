/**
 * A collector of OpenTelemetry for tests: a server on the loopback interface that keeps what it receives. It reads OTLP
 * as protobuf and as JSON over HTTP, and as protobuf over gRPC.
 */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { gunzipSync } from "node:zlib";
import protobuf from "protobufjs";

const PROTOCOL = protobuf.parse(readFileSync(new URL("otlp.proto", import.meta.url), "utf8")).root;
/** Bytes before a message of gRPC: one for the compression, four for the length. */
const GRPC_PREFIX_BYTES = 5;

type Json = Readonly<Record<string, unknown>>;
type Attributes = Readonly<Record<string, unknown>>;

interface Origin {
  readonly resource: Attributes;
  readonly scope: { readonly name?: string; readonly version?: string };
}

export interface CollectedSpan extends Origin {
  readonly traceId: string;
  readonly id: string;
  readonly parent: string;
  readonly traceState: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: Attributes;
  /** 0 unset, 1 ok, 2 error. */
  readonly status: number;
}

export interface CollectedMetric extends Origin {
  readonly name: string;
  readonly unit: string;
  /** `value` is the number of values for a histogram. */
  readonly points: readonly { readonly attributes: Attributes; readonly value: number }[];
}

export interface CollectedLog extends Origin {
  readonly severity: string;
  readonly body: unknown;
  readonly attributes: Attributes;
  readonly traceId: string;
  readonly spanId: string;
}

export interface CollectedRequest {
  readonly path: string;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly bytes: number;
}

export class Collector {
  readonly requests: CollectedRequest[] = [];
  readonly spans: CollectedSpan[] = [];
  readonly metrics: CollectedMetric[] = [];
  readonly logs: CollectedLog[] = [];
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server, hear: (collector: Collector) => void) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    hear(this);
  }

  /** Starts a collector for OTLP over HTTP, in both encodings. */
  static async http(): Promise<Collector> {
    const server = createServer();
    await listening(server);
    return new Collector(server, (collector) => {
      server.on("request", (request: IncomingMessage, response) => {
        void bodyOf(request).then((body) => {
          const { "content-type": type = "", "content-encoding": encoding } = request.headers;
          collector.#take(
            request.url ?? "",
            type,
            request.headers,
            encoding === "gzip" ? gunzipSync(body) : body,
          );
          response.writeHead(200, { "content-type": type }).end(type.includes("json") ? "{}" : "");
        });
      });
    });
  }

  /** Starts a collector for OTLP over gRPC, without TLS. */
  static async grpc(): Promise<Collector> {
    const server = createHttp2Server();
    await listening(server);
    return new Collector(server, (collector) => {
      server.on("stream", (stream: ServerHttp2Stream, headers) => {
        void bodyOf(stream).then((body) => {
          const path = String(headers[":path"]);
          collector.#take(path, "application/grpc", headers, body.subarray(GRPC_PREFIX_BYTES));
          stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
          stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
          stream.end(Buffer.alloc(GRPC_PREFIX_BYTES));
        });
      });
    });
  }

  clear(): void {
    for (const kept of [this.requests, this.spans, this.metrics, this.logs]) kept.length = 0;
  }

  async close(): Promise<void> {
    (this.#server as { closeAllConnections?(): void }).closeAllConnections?.();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(path: string, contentType: string, headers: Readonly<Record<string, unknown>>, body: Buffer): void {
    this.requests.push({ path, contentType, headers, bytes: body.byteLength });
    const read = (message: string) =>
      contentType.includes("json") ? JSON.parse(body.toString()) : decoded(message, body);
    if (/trace/i.test(path)) this.spans.push(...originsOf(read("Traces"), "Spans", "spans").map(spanOf));
    else if (/metrics/i.test(path)) {
      this.metrics.push(...originsOf(read("Metrics"), "Metrics", "metrics").map(metricOf));
    } else if (/logs/i.test(path)) {
      this.logs.push(...originsOf(read("Logs"), "Logs", "logRecords").map(logOf));
    }
  }
}

async function listening(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
}

async function bodyOf(request: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Decodes a protobuf message into the form of OTLP's JSON, in which ids are hexadecimal. */
function decoded(name: string, body: Buffer): Json {
  const type = PROTOCOL.lookupType(name);
  const found = type.toObject(type.decode(body), { longs: Number, bytes: Array });
  return JSON.parse(JSON.stringify(found), (key, value) =>
    /(?:trace|span)Id$/i.test(key) && Array.isArray(value) ? Buffer.from(value).toString("hex") : value,
  );
}

type Found = readonly [origin: Origin, item: Json];

/** Returns every span, metric or log record of a request, each with its resource and scope. */
function originsOf(body: Json, kind: string, items: string): Found[] {
  return many(body[`resource${kind}`]).flatMap((ofResource) =>
    many(ofResource[`scope${kind}`]).flatMap((ofScope) => {
      const resource = attributesOf((ofResource["resource"] as Json | undefined)?.["attributes"]);
      const origin = { resource, scope: (ofScope["scope"] ?? {}) as Origin["scope"] };
      return many(ofScope[items]).map((item): Found => [origin, item]);
    }),
  );
}

const many = (value: unknown): readonly Json[] => (value ?? []) as readonly Json[];
const text = (value: unknown): string => (typeof value === "string" ? value : "");

function attributesOf(pairs: unknown): Attributes {
  return Object.fromEntries(many(pairs).map(({ key, value }) => [key, plainOf(value)]));
}

function plainOf(value: unknown): unknown {
  const [kind = "", inner] = Object.entries((value ?? {}) as Json)[0] ?? [];
  if (kind === "intValue") return Number(inner);
  return kind === "arrayValue" ? many((inner as Json)["values"]).map(plainOf) : inner;
}

function spanOf([origin, span]: Found): CollectedSpan {
  return {
    ...origin,
    traceId: text(span["traceId"]),
    id: text(span["spanId"]),
    parent: text(span["parentSpanId"]),
    traceState: text(span["traceState"]),
    name: text(span["name"]),
    kind: Number(span["kind"] ?? 0),
    attributes: attributesOf(span["attributes"]),
    status: Number((span["status"] as Json | undefined)?.["code"] ?? 0),
  };
}

function metricOf([origin, metric]: Found): CollectedMetric {
  const points = (metric["gauge"] ?? metric["sum"] ?? metric["histogram"] ?? {}) as Json;
  return {
    ...origin,
    name: text(metric["name"]),
    unit: text(metric["unit"]),
    points: many(points["dataPoints"]).map((point) => ({
      attributes: attributesOf(point["attributes"]),
      value: Number(point["asDouble"] ?? point["asInt"] ?? point["count"] ?? 0),
    })),
  };
}

function logOf([origin, log]: Found): CollectedLog {
  return {
    ...origin,
    severity: text(log["severityText"]),
    body: plainOf(log["body"]),
    attributes: attributesOf(log["attributes"]),
    traceId: text(log["traceId"]),
    spanId: text(log["spanId"]),
  };
}
