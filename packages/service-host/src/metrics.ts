/**
 * The Prometheus text of one process: its vital signs, its requests, and the measurements of its service.
 */
import {
  BIOXEN_VERSION,
  FLEET_METRICS,
  METRICS,
  type Measurement,
  type MetricName,
  SERVICE_METRICS,
  type ServedEndpoint,
} from "@bioxen/contracts";
import { Counter, collectDefaultMetrics, Histogram, Registry } from "prom-client";
import { type MetricFamily, recordDuration } from "./metric-export.ts";
import type { AppendCounts } from "./tracing.ts";

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
  readonly #appends: AppendCounts;
  readonly #service: string;
  readonly #recordDuration = recordDuration();

  constructor(service: string, vitals: () => Vitals, appends: AppendCounts = { appended: 0, conflict: 0 }) {
    this.#service = service;
    this.#vitals = vitals;
    this.#appends = appends;
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

  /**
   * Returns the same endpoint with counters for its result codes and durations. Refusals of malformed requests count
   * too.
   */
  counted(served: ServedEndpoint): ServedEndpoint {
    const { endpoint, observe = (_payload, causation, work) => work(causation) } = served;
    return {
      ...served,
      observe: async (payload, causation, work) => {
        const { subject } = endpoint;
        const end = this.#durations.startTimer({ endpoint: subject });
        let code = "INTERNAL";
        try {
          const result = await observe(payload, causation, work);
          code = result.ok ? "OK" : result.rejection.code;
          return result;
        } finally {
          this.#recordDuration(subject, end(), code);
          this.#requests.inc({ endpoint: subject, code });
        }
      },
    };
  }

  /** Returns the metrics of the process, followed by `measured`. */
  async text(measured: readonly Measurement[]): Promise<string> {
    const process = await this.#registry.metrics();
    return `${process.trimEnd()}\n${textOf([...this.#own().map((one) => this.#labelled(one)), ...measured])}`;
  }

  /**
   * Returns the same metrics as {@link text}, for export. Metrics of the catalogue that have no value now are included,
   * without values.
   */
  async families(measured: readonly Measurement[]): Promise<MetricFamily[]> {
    const process = await this.#registry.getMetricsAsJSON();
    const values = new Map([...this.#own(), ...measured].map((one) => [one.metric as string, one.values]));
    const catalogue = Object.entries({ ...SERVICE_METRICS, ...FLEET_METRICS });
    const counted = new Set(process.map(({ name }) => name));
    return [
      ...process.map(processFamily),
      ...catalogue
        .filter(([name]) => !counted.has(name))
        .map(([name, { help, type }]) => {
          const measuredValues = values.get(name) ?? [];
          return {
            name,
            help,
            type,
            values: measuredValues.map(({ value, labels = {}, series }) => ({ value, labels, series })),
          };
        }),
    ];
  }

  /** Adds the label `service`, which the registry adds to its own metrics. */
  #labelled({ metric, values }: Measurement): Measurement {
    const service = this.#service;
    return { metric, values: values.map((one) => ({ ...one, labels: { service, ...one.labels } })) };
  }

  #own(): Measurement[] {
    const { ready, appliedSeq, lagEvents } = this.#vitals();
    return [
      { metric: "bioxen_build_info", values: [{ value: 1, labels: { version: BIOXEN_VERSION } }] },
      {
        metric: "bioxen_appends_total",
        values: Object.entries(this.#appends).map(([result, value]) => ({ value, labels: { result } })),
      },
      { metric: "bioxen_ready", values: [{ value: ready ? 1 : 0 }] },
      { metric: "bioxen_log_applied_sequence", values: [{ value: appliedSeq }] },
      { metric: "bioxen_log_lag_events", values: lagEvents === null ? [] : [{ value: lagEvents }] },
    ];
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}

type RegistryMetric = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>[number];

/** Returns a metric of prom-client in the form for export. The label `service` is left out: the resource names it. */
function processFamily({ name, help, type, values }: RegistryMetric): MetricFamily {
  const kind = String(type);
  const isHistogram = kind === "histogram" || kind === "summary";
  return {
    name,
    help,
    type: isHistogram ? "histogram" : kind === "counter" ? "counter" : "gauge",
    values: values.map((one) => {
      const { value, labels, metricName = name } = one as typeof one & { readonly metricName?: string };
      const { service: _, ...own } = labels;
      const series = /_(bucket|sum|count)$/.exec(metricName)?.[1] as "bucket" | "sum" | "count" | undefined;
      const texts = Object.fromEntries(Object.entries(own).map(([label, text]) => [label, String(text)]));
      return { value, labels: texts, series: isHistogram ? series : undefined };
    }),
  };
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
