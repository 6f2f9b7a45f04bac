/**
 * Telemetry in one process, as a service begins and ends it: answers some requests and returns what a collector got.
 */
import { done, ENDPOINTS, type HandlerResult, serve } from "@bioxen/contracts";
import { context, diag, logs, metrics, propagation, trace } from "@opentelemetry/api";
import { vi } from "vitest";
import type { CollectedSpan, Collector } from "../../../test/e2e/collector.ts";
import { beginTelemetry } from "../src/begin-telemetry.ts";
import { exportLinesTo } from "../src/log-export.ts";
import { exportMetrics } from "../src/metric-export.ts";
import { ProcessMetrics } from "../src/metrics.ts";
import { createLogger } from "../src/real-world.ts";
import { tracedEndpoint } from "../src/tracing.ts";

export const LIST = ENDPOINTS.vmList.subject;
export const SERVER_SPAN = `process ${LIST}`;
/** How many requests a run answers: enough that a ratio of one half samples some and leaves out some. */
export const REQUESTS = 24;

export type TraceHeaders = Readonly<Record<string, string>>;

export interface RunOptions {
  readonly headers?: TraceHeaders | undefined;
  readonly payload?: object;
  /** The answer to every request; default: an empty list. */
  readonly answer?: () => HandlerResult;
}

export interface Run {
  /** The lines of the service's log. */
  readonly output: string;
  /** The spans that answered the requests of this run. */
  readonly spans: readonly CollectedSpan[];
}

/**
 * Begins telemetry with these variables, answers {@link REQUESTS} requests, and ends telemetry, which sends what is
 * left. The caller undoes the stubs of the environment.
 */
export async function answeredRequests(
  collector: Collector,
  variables: Readonly<Record<string, string>>,
  { headers = {}, payload = {}, answer = () => done({ vms: [], cursor: null }) }: RunOptions = {},
): Promise<Run> {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  let output = "";
  const destination = {
    write(line: string) {
      output += line;
    },
  };
  const logger = createLogger("lifecycle", "info", destination);
  const identity = { service: "lifecycle", instance: "host/1/a" };
  const { tracer, end } = await beginTelemetry(identity, variables, logger);
  try {
    const vitals = () => ({ ready: true, appliedSeq: 1, lagEvents: 0 });
    const measured = new ProcessMetrics("lifecycle", vitals);
    if (tracer.hasSdk) await exportMetrics(() => measured.families([]));
    const served = measured.counted(tracedEndpoint(LISTED, tracer));
    for (let i = 0; i < REQUESTS; i += 1) {
      const work = async () => {
        logger.info({ request: i }, "answered");
        return answer();
      };
      await served.observe?.(payload, causationOf(headers), work).catch(() => undefined);
    }
  } finally {
    await end();
    exportLinesTo(undefined);
    for (const api of [trace, metrics, logs, context, propagation, diag]) api.disable();
  }
  return { output, spans: collector.spans.filter(({ name }) => name === SERVER_SPAN) };
}

const LISTED = serve(ENDPOINTS.vmList, () => done({ vms: [], cursor: null }));

function causationOf({ traceparent, tracestate, ...traceHeaders }: TraceHeaders) {
  return {
    causeId: `${LIST}:message-1`,
    correlationId: "chain",
    deduplicate: true,
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
    traceHeaders,
  };
}
