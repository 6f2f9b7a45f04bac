/**
 * Traces: one span for every answered request, every call and every event that a traced command appends.
 *
 * The trace context travels in the headers of requests and in the events, so one trace leads from a client through
 * every service behind it. Without the OpenTelemetry SDK (see telemetry-settings.ts) nothing is recorded or sent, and
 * the W3C context passes unchanged. With it, `OTEL_PROPAGATORS` names the formats of the headers; events always have
 * the W3C format. The attributes of the spans are in span-attributes.ts.
 */
import { BIOXEN_VERSION, type ServedEndpoint } from "@bioxen/contracts";
import {
  type AppendResult,
  type Caller,
  type CallOptions,
  type EventLog,
  type ServicePorts,
  type SpanOptions,
  type TraceContext,
  type Tracer,
  traceOf,
} from "@bioxen/kernel";
import {
  type Context,
  context,
  createTraceState,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  trace,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { appendAttributes, callAttributes, failed, requestAttributes, settled } from "./span-attributes.ts";

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;
const KINDS: Readonly<Record<SpanOptions["kind"], SpanKind>> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  internal: SpanKind.INTERNAL,
};

/** Parses a W3C trace context; returns undefined for a malformed one. */
function spanContextOf({ traceparent, tracestate }: TraceContext): SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const found = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  if (!isSpanContextValid(found)) return undefined;
  return tracestate === undefined ? found : { ...found, traceState: createTraceState(tracestate) };
}

function traceContextOf(span: Span): TraceContext {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  if (!isSpanContextValid(span.spanContext())) return {};
  const traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
  const tracestate = traceState?.serialize();
  return tracestate ? { traceparent, tracestate } : { traceparent };
}

/** Returns the ids of the current trace, for the log. */
export function traceFields(): { readonly trace_id?: string; readonly span_id?: string } {
  const current = trace.getActiveSpan()?.spanContext();
  if (current === undefined || !isSpanContextValid(current)) return {};
  return { trace_id: current.traceId, span_id: current.spanId };
}

/**
 * Records spans through the OpenTelemetry API, with the exporter of this process, if any. `hasSdk` is true after the
 * SDK was started: the context manager and the propagators are then those of the SDK.
 */
export class OpenTelemetryTracer implements Tracer {
  readonly #tracer;
  readonly #hasSdk: boolean;

  constructor(hasSdk: boolean) {
    this.#hasSdk = hasSdk;
    if (!hasSdk) context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    this.#tracer = trace.getTracer("bioxen", BIOXEN_VERSION);
  }

  span<T>(
    name: string,
    options: SpanOptions,
    work: (traceparent: string | undefined) => Promise<T>,
  ): Promise<T> {
    const from = this.#under(ROOT_CONTEXT, traceOf(options));
    return this.within(name, options, from, (span) =>
      work(traceContextOf(span).traceparent ?? options.traceparent),
    );
  }

  /** Runs `work` as a span whose parent is in the context `from`. An error of `work` becomes the span's status. */
  async within<T>(
    name: string,
    { kind, attributes = {} }: Pick<SpanOptions, "kind" | "attributes">,
    from: Context,
    work: (span: Span) => Promise<T>,
  ): Promise<T> {
    const span = this.#tracer.startSpan(name, { kind: KINDS[kind], attributes: { ...attributes } }, from);
    try {
      return await context.with(trace.setSpan(from, span), () => work(span));
    } catch (thrown) {
      failed(span, thrown);
      throw thrown;
    } finally {
      span.end();
    }
  }

  /** Returns the context of a received request: the caller's span, and the baggage if that is propagated. */
  received(headers: TraceContext & { readonly traceHeaders?: Readonly<Record<string, string>> }): Context {
    if (!this.#hasSdk) return this.#under(ROOT_CONTEXT, headers);
    return propagation.extract(ROOT_CONTEXT, { ...traceOf(headers), ...headers.traceHeaders });
  }

  /** Returns the context of work that `cause` led to, inside the active context, which may have baggage. */
  following(cause: TraceContext): Context {
    return this.#under(context.active(), cause);
  }

  /** Returns the fields of a call that carry the active trace context to the called service. */
  sent(): Pick<CallOptions, "traceparent" | "tracestate" | "traceHeaders"> {
    const carrier: Record<string, string> = {};
    propagation.inject(context.active(), carrier);
    const { traceparent, tracestate, ...traceHeaders } = carrier;
    return { ...traceOf({ traceparent, tracestate }), traceHeaders };
  }

  get hasSdk(): boolean {
    return this.#hasSdk;
  }

  #under(base: Context, cause: TraceContext): Context {
    const parent = spanContextOf(cause);
    return parent === undefined ? trace.deleteSpan(base) : trace.setSpanContext(base, parent);
  }
}

/** Number of appends since the start of the process, by result. */
export type AppendCounts = Record<AppendResult["kind"], number>;

/** Adds a span to every call and every append on behalf of a traced command, and counts the appends in `counts`. */
export function tracedPorts(
  ports: Omit<ServicePorts, "tracer">,
  tracer: OpenTelemetryTracer,
  counts: AppendCounts,
): ServicePorts & { readonly tracer: OpenTelemetryTracer } {
  const { bus, log } = ports;
  return {
    ...ports,
    tracer,
    log: tracedLog(log, tracer, counts),
    bus: {
      publish: (subject, payload) => bus.publish(subject, payload),
      subscribe: (subject, hear) => bus.subscribe(subject, hear),
      call: tracedCall(bus, tracer),
    },
  };
}

function tracedCall(bus: Caller, tracer: OpenTelemetryTracer): Caller["call"] {
  return (subject, payload, options) => {
    const cause = traceOf(options.traceparent === undefined ? (options.causation ?? {}) : options);
    if (cause.traceparent === undefined) return bus.call(subject, payload, options);
    const span = { kind: "client", attributes: callAttributes(subject, payload, options) } as const;
    return tracer.within(`request ${subject}`, span, tracer.following(cause), async (own) => {
      const sent = tracer.hasSdk
        ? { ...untraced(options), ...tracer.sent() }
        : { ...options, ...cause, ...traceContextOf(own) };
      const reply = await bus.call(subject, payload, sent);
      settled(own, reply.ok ? undefined : reply.error);
      return reply;
    });
  };
}

/** Returns the options of a call without the trace context that they were given. */
function untraced({ traceparent: _, tracestate: __, causation, ...options }: CallOptions): CallOptions {
  if (causation === undefined) return options;
  const { traceparent: ___, tracestate: ____, traceHeaders: _____, ...cause } = causation;
  return { ...options, causation: cause };
}

function tracedLog(log: EventLog, tracer: OpenTelemetryTracer, counts: AppendCounts): EventLog {
  return {
    append(streamSubject, envelope, expectedSeq) {
      const work = async () => {
        const result = await log.append(streamSubject, envelope, expectedSeq);
        counts[result.kind] += 1;
        return result;
      };
      if (envelope.traceparent === undefined) return work();
      const span = { kind: "producer", attributes: appendAttributes(streamSubject, envelope) } as const;
      return tracer.within(`append ${envelope.type}`, span, tracer.following(envelope), async (own) => {
        const result = await work();
        own.setAttribute("bioxen.append.result", result.kind);
        return result;
      });
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
export function tracedEndpoint(served: ServedEndpoint, tracer: OpenTelemetryTracer): ServedEndpoint {
  const { subject } = served.endpoint;
  return {
    ...served,
    observe(payload, causation, work) {
      const span = { kind: "server", attributes: requestAttributes(subject, payload, causation) } as const;
      return tracer.within(`process ${subject}`, span, tracer.received(causation), async (own) => {
        const { traceparent: _, tracestate: __, traceHeaders: ___, ...cause } = causation;
        const context = traceContextOf(own);
        const result = await work({
          ...cause,
          ...(context.traceparent === undefined && !tracer.hasSdk ? traceOf(causation) : context),
        });
        settled(own, result.ok ? undefined : result.rejection);
        return result;
      });
    },
  };
}
