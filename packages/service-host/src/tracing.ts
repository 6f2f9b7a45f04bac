/**
 * Traces: one span for every answered request, every call and every event that a traced command appends.
 *
 * The trace context travels in the headers of requests and in the events, so one trace leads from a client through
 * every service behind it. Without `OTEL_EXPORTER_OTLP_ENDPOINT` nothing is recorded or sent, and the context passes
 * unchanged. The SDK is loaded only when it is used.
 */
import type { ServedEndpoint } from "@bioxen/contracts";
import type { Causation, EventLog, ServicePorts, SpanOptions, Tracer } from "@bioxen/kernel";
import {
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;
const KINDS: Readonly<Record<SpanOptions["kind"], SpanKind>> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  internal: SpanKind.INTERNAL,
};

/** Parses a W3C trace context; returns undefined for a malformed one. */
function spanContextOf(traceparent: string | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const found = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(found) ? found : undefined;
}

function traceparentOf(span: Span): string | undefined {
  const { traceId, spanId, traceFlags } = span.spanContext();
  if (!isSpanContextValid(span.spanContext())) return undefined;
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

/** Returns the ids of the current trace, for the log. */
export function traceFields(): { readonly trace_id?: string; readonly span_id?: string } {
  const current = trace.getActiveSpan()?.spanContext();
  if (current === undefined || !isSpanContextValid(current)) return {};
  return { trace_id: current.traceId, span_id: current.spanId };
}

/** Records spans through the OpenTelemetry API, with the exporter of this process, if any. */
export function openTelemetryTracer(): Tracer {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const tracer = trace.getTracer("bioxen");
  return {
    async span(name, { kind, traceparent, attributes = {} }, work) {
      const parent = spanContextOf(traceparent);
      const from = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
      const span = tracer.startSpan(name, { kind: KINDS[kind], attributes: { ...attributes } }, from);
      try {
        return await context.with(trace.setSpan(from, span), () => work(traceparentOf(span) ?? traceparent));
      } catch (thrown) {
        span.recordException(thrown instanceof Error ? thrown : String(thrown));
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw thrown;
      } finally {
        span.end();
      }
    },
  };
}

/**
 * Begins to send spans over OTLP (HTTP, JSON). Returns a function that sends the remaining spans and ends the export.
 */
export async function exportTraces(service: string, instance: string): Promise<() => Promise<void>> {
  const [{ BatchSpanProcessor, TracerProvider }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
      import("@opentelemetry/sdk-trace"),
      import("@opentelemetry/exporter-trace-otlp-http"),
      import("@opentelemetry/resources"),
    ]);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": service,
      "service.namespace": "bioxen",
      "service.instance.id": instance,
    }),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  trace.setGlobalTracerProvider(provider);
  return () => provider.shutdown();
}

/** Adds a span to every call and every append on behalf of a traced command. */
export function tracedPorts(ports: ServicePorts): ServicePorts {
  const { bus, log, tracer } = ports;
  return {
    ...ports,
    log: tracedLog(log, tracer),
    bus: {
      publish: (subject, payload) => bus.publish(subject, payload),
      subscribe: (subject, hear) => bus.subscribe(subject, hear),
      call(subject, payload, options) {
        const { traceparent = options.causation?.traceparent } = options;
        if (traceparent === undefined) return bus.call(subject, payload, options);
        return tracer.span(`call ${subject}`, { kind: "client", traceparent }, (own) =>
          bus.call(subject, payload, { ...options, traceparent: own }),
        );
      },
    },
  };
}

function tracedLog(log: EventLog, tracer: Tracer): EventLog {
  return {
    append(streamSubject, envelope, expectedSeq) {
      const work = () => log.append(streamSubject, envelope, expectedSeq);
      if (envelope.traceparent === undefined) return work();
      const attributes = { "bioxen.subject": envelope.subject, "bioxen.event_id": envelope.id };
      const { traceparent } = envelope;
      return tracer.span(`append ${envelope.type}`, { kind: "producer", traceparent, attributes }, work);
    },
    read: (streamSubject, afterSeq, untilSeq, limit) => log.read(streamSubject, afterSeq, untilSeq, limit),
    readMessages: (streamSubject, afterSeq, untilSeq, limit) =>
      log.readMessages(streamSubject, afterSeq, untilSeq, limit),
    messageAt: (seq) => log.messageAt(seq),
    follow: (options) => log.follow(options),
    lastSeq: () => log.lastSeq(),
  };
}

/** Adds a span to every answer; the handler's own spans are its children. */
export function tracedEndpoint(served: ServedEndpoint, tracer: Tracer): ServedEndpoint {
  const { endpoint } = served;
  return {
    endpoint,
    handle: (request: never, causation: Causation, maxBytes?: number) => {
      const { traceparent } = causation;
      return tracer.span(endpoint.subject, { kind: "server", traceparent }, async (own) =>
        served.handle(request, own === undefined ? causation : { ...causation, traceparent: own }, maxBytes),
      );
    },
  };
}
