/**
 * The metrics of one process: its vital signs, its requests, and the measurements of its service.
 */
import {
  BIOXEN_VERSION,
  FLEET_METRICS,
  isPublicMetric,
  METRICS,
  type Measurement,
  SERVICE_METRICS,
  type ServedEndpoint,
} from "@bioxen/contracts";
import { Counter, collectDefaultMetrics, Histogram, Registry } from "prom-client";
import { type ExpositionFormat, expositionOf } from "./exposition.ts";
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

  /**
   * Returns the metrics of the process, followed by `measured`, in the format; without `withNames`, only metrics whose
   * labels hold no id, label or name.
   */
  async text(
    measured: readonly Measurement[],
    format: ExpositionFormat,
    withNames: boolean,
  ): Promise<string> {
    const present = await this.#present(measured);
    const families = withNames ? present : present.filter(({ name }) => isPublicMetric(name));
    return expositionOf(
      families.map((family) => (family.name in FLEET_METRICS ? family : this.#labelled(family))),
      format,
    );
  }

  /**
   * Returns the same metrics as {@link text}, for export. Metrics of the catalogue that have no value now are included,
   * without values. The label `service` is left out: the resource names the service.
   */
  async families(measured: readonly Measurement[]): Promise<MetricFamily[]> {
    const present = await this.#present(measured);
    const names = new Set(present.map(({ name }) => name));
    const absent = Object.entries({ ...SERVICE_METRICS, ...FLEET_METRICS })
      .filter(([name]) => !names.has(name))
      .map(([name, { help, type }]) => ({ name, help, type, values: [] }));
    return [...present, ...absent];
  }

  async #present(measured: readonly Measurement[]): Promise<MetricFamily[]> {
    const process = await this.#registry.getMetricsAsJSON();
    return [...process.map(processFamily), ...[...this.#own(), ...measured].map(measuredFamily)];
  }

  #labelled(family: MetricFamily): MetricFamily {
    const values = family.values.map((one) => ({
      ...one,
      labels: { service: this.#service, ...one.labels },
    }));
    return { ...family, values };
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
}

type RegistryMetric = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>[number];

/** Returns a metric of prom-client in the form that the formats and the export share. */
function processFamily({ name, help, type, values }: RegistryMetric): MetricFamily {
  const kind = String(type);
  const isHistogram = kind === "histogram" || kind === "summary";
  return {
    name,
    help,
    type: isHistogram ? "histogram" : kind === "counter" ? "counter" : "gauge",
    values: values.map((one) => {
      const { value, labels, metricName = name } = one as typeof one & { readonly metricName?: string };
      const series = /_(bucket|sum|count)$/.exec(metricName)?.[1] as "bucket" | "sum" | "count" | undefined;
      const texts = Object.fromEntries(Object.entries(labels).map(([label, text]) => [label, String(text)]));
      return { value, labels: texts, series: isHistogram ? series : undefined };
    }),
  };
}

/** Returns a measurement with the description of its metric. */
export function measuredFamily({ metric, values }: Measurement): MetricFamily {
  const { help, type } = METRICS[metric];
  return {
    name: metric,
    help,
    type,
    values: values.map(({ value, labels = {}, series }) => ({ value, labels, series })),
  };
}
