/**
 * The Prometheus text of one process: its vital signs, its requests, and the measurements of its service.
 */
import {
  METRICS,
  type Measurement,
  type MetricName,
  SERVICE_METRICS,
  type ServedEndpoint,
} from "@bioxen/contracts";
import { Counter, collectDefaultMetrics, Histogram, Registry } from "prom-client";

/**
 * Upper bounds of the histogram's buckets, s. They range from a reply without any I/O to a reply that waited for a
 * guest.
 */
const REQUEST_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface Vitals {
  readonly ready: boolean;
  readonly appliedSeq: number;
  /** Events in the log that are not applied yet; null while the log is unreachable. */
  readonly lagEvents: number | null;
}

export class ProcessMetrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<"endpoint" | "code">;
  readonly #durations: Histogram<"endpoint">;
  readonly #vitals: () => Vitals;

  constructor(service: string, vitals: () => Vitals) {
    this.#vitals = vitals;
    this.#registry.setDefaultLabels({ service });
    collectDefaultMetrics({ register: this.#registry });
    const registers = [this.#registry];
    const describe = <N extends keyof typeof SERVICE_METRICS>(name: N) => ({
      name,
      help: SERVICE_METRICS[name].help,
      registers,
    });
    this.#requests = new Counter({ ...describe("bioxen_requests_total"), labelNames: ["endpoint", "code"] });
    this.#durations = new Histogram({
      ...describe("bioxen_request_duration_seconds"),
      labelNames: ["endpoint"],
      buckets: REQUEST_BUCKETS,
    });
  }

  /** Returns the same endpoint with counters for its result codes and durations. */
  counted(served: ServedEndpoint): ServedEndpoint {
    const { endpoint } = served;
    return {
      endpoint,
      handle: async (request: never, causation, maxBytes) => {
        const end = this.#durations.startTimer({ endpoint: endpoint.subject });
        let code = "INTERNAL";
        try {
          const result = await served.handle(request, causation, maxBytes);
          code = result.ok ? "OK" : result.rejection.code;
          return result;
        } finally {
          end();
          this.#requests.inc({ endpoint: endpoint.subject, code });
        }
      },
    };
  }

  /** Returns the metrics of the process, followed by `measured`. */
  async text(measured: readonly Measurement[]): Promise<string> {
    const { ready, appliedSeq, lagEvents } = this.#vitals();
    const own: Measurement[] = [
      { metric: "bioxen_ready", values: [{ value: ready ? 1 : 0 }] },
      { metric: "bioxen_log_applied_sequence", values: [{ value: appliedSeq }] },
      { metric: "bioxen_log_lag_events", values: lagEvents === null ? [] : [{ value: lagEvents }] },
    ];
    const process = await this.#registry.metrics();
    return `${process.trimEnd()}\n${textOf([...own, ...measured])}`;
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}

/** Returns `measured` in the exposition format, without metrics that have no value. */
export function textOf(measured: readonly Measurement[]): string {
  const lines: string[] = [];
  for (const { metric, values } of measured) {
    if (values.length === 0) continue;
    const { help, type } = METRICS[metric];
    lines.push(`# HELP ${metric} ${help}`, `# TYPE ${metric} ${type}`);
    for (const { labels = {}, value, series } of values) {
      const name: `${MetricName}` | string = series === undefined ? metric : `${metric}_${series}`;
      lines.push(`${name}${labelsOf(labels)} ${value}`);
    }
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

function labelsOf(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
