/**
 * Hands the metrics of the process to OpenTelemetry, under the names that they have in Prometheus, without `_total`.
 *
 * Their values are read when the SDK collects, as they are read when Prometheus scrapes, so that both show the same. A
 * histogram of Prometheus becomes two counters, of its values and of their sum. The duration of requests is recorded
 * as a histogram of the semantic conventions too: see {@link recordDuration}.
 */
import { BIOXEN_VERSION } from "@bioxen/contracts";
import { metrics, type Observable } from "@opentelemetry/api";

/** A metric with all its present values. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter" | "histogram";
  readonly values: readonly {
    readonly value: number;
    readonly labels: Readonly<Record<string, string>>;
    /** Only for a histogram: the series that the value belongs to. */
    readonly series?: "bucket" | "sum" | "count" | undefined;
  }[];
}

/** The bucket boundaries that the semantic conventions name for durations, s. */
const DURATION_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

const UNITS: readonly (readonly [suffix: RegExp, unit: string])[] = [
  [/_seconds(?:_sum)?$/, "s"],
  [/_bytes(?:_sum)?$/, "By"],
  [/_ratio$/, "1"],
];

/**
 * Exports the metrics of `read` until the process ends. `read` must name every metric in its first answer, also those
 * without a value; metrics that come later are not exported.
 */
export async function exportMetrics(read: () => Promise<readonly MetricFamily[]>): Promise<void> {
  const meter = metrics.getMeter("bioxen", BIOXEN_VERSION);
  const instruments = new Map<string, Observable>();
  for (const { name, help, type } of await read()) {
    for (const series of seriesOf(name, type)) {
      const unit = UNITS.find(([suffix]) => suffix.test(series))?.[1];
      const options = { description: help, ...(unit === undefined ? {} : { unit }) };
      const instrument =
        type === "gauge"
          ? meter.createObservableGauge(series, options)
          : meter.createObservableCounter(series.replace(/_total$/, ""), options);
      instruments.set(series, instrument);
    }
  }
  meter.addBatchObservableCallback(
    async (observed) => {
      for (const { name, values } of await read()) {
        for (const { value, labels, series } of values) {
          const instrument = instruments.get(series === undefined ? name : `${name}_${series}`);
          if (instrument !== undefined) observed.observe(instrument, value, labels);
        }
      }
    },
    [...instruments.values()],
  );
}

function seriesOf(name: string, type: MetricFamily["type"]): string[] {
  return type === "histogram" ? [`${name}_sum`, `${name}_count`] : [name];
}

/**
 * Returns a function that records the duration of one answered request as `messaging.process.duration`, s. Without the
 * SDK, the function does nothing.
 */
export function recordDuration(): (subject: string, seconds: number, code: string) => void {
  const histogram = metrics.getMeter("bioxen", BIOXEN_VERSION).createHistogram("messaging.process.duration", {
    description: "Duration of processing operation.",
    unit: "s",
    advice: { explicitBucketBoundaries: DURATION_BOUNDARIES },
  });
  return (subject, seconds, code) =>
    histogram.record(seconds, {
      "messaging.system": "nats",
      "messaging.operation.name": "process",
      "messaging.destination.name": subject,
      ...(code === "OK" ? {} : { "error.type": code }),
    });
}
