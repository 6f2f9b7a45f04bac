/**
 * The text that Prometheus scrapes, in the format that the scraper asks for. prom-client writes both formats.
 */
import { type Metric, Registry, type RegistryContentType } from "prom-client";
import type { MetricFamily } from "./metric-export.ts";

export type ExpositionFormat = "prometheus" | "openmetrics";

const OPENMETRICS_TYPE = "application/openmetrics-text";
/** The version of OpenMetrics that prom-client writes. */
const OPENMETRICS_VERSION = "1.0.0";
/** Media ranges that include the format of Prometheus. */
const PROMETHEUS_RANGES = ["text/plain", "text/*", "*/*"];

export const CONTENT_TYPES: Readonly<Record<ExpositionFormat, RegistryContentType>> = {
  prometheus: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
};

/**
 * Returns the format for the header `Accept`: OpenMetrics if the header names it with at least the weight of the format
 * of Prometheus, which is the answer to every other header.
 */
export function formatFor(accept: string): ExpositionFormat {
  const weights = { openmetrics: 0, prometheus: 0 };
  for (const range of accept.toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const parameter = (name: string) =>
      parameters.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);
    const weight = Number(parameter("q") ?? 1) || 0;
    const version = parameter("version") ?? OPENMETRICS_VERSION;
    if (PROMETHEUS_RANGES.includes(type)) weights.prometheus = Math.max(weights.prometheus, weight);
    if (type === OPENMETRICS_TYPE && version === OPENMETRICS_VERSION)
      weights.openmetrics = Math.max(weights.openmetrics, weight);
  }
  return weights.openmetrics > 0 && weights.openmetrics >= weights.prometheus ? "openmetrics" : "prometheus";
}

/** Returns `families` in the format. A family without values is left out. */
export async function expositionOf(
  families: readonly MetricFamily[],
  format: ExpositionFormat,
): Promise<string> {
  const registry = new Registry<RegistryContentType>();
  registry.setContentType(CONTENT_TYPES[format]);
  const present = families.filter(({ values }) => values.length > 0);
  for (const family of present) registry.registerMetric(registered(family));
  // The library would write an empty line, which OpenMetrics forbids.
  if (present.length === 0) return format === "openmetrics" ? "# EOF\n" : "";
  return registry.metrics();
}

/**
 * Returns a family as the registry reads a metric. For OpenMetrics the registry removes `_total` from the `name` of a
 * counter and adds it to each sample, so `get` must return this same object.
 */
function registered({ name, help, type, values }: MetricFamily): Metric {
  const metric = {
    name,
    help,
    type,
    values: values.map(({ value, labels, series }) => ({
      value,
      labels,
      ...(series === undefined ? {} : { metricName: `${name}_${series}` }),
    })),
    get: async () => metric,
  };
  // The type of the library allows only its own classes, but its registry reads only these fields.
  return metric as unknown as Metric;
}
