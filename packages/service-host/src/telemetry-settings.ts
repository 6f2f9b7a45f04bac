/**
 * Decides from the environment what a service exports through OpenTelemetry. The OpenTelemetry SDK reads all other
 * `OTEL_*` variables itself; it is loaded only when this module finds something to export.
 *
 * A signal (traces, metrics or logs) is exported when its exporter is named (`OTEL_TRACES_EXPORTER`), or when an
 * endpoint is named for it (`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) or for all signals (`OTEL_EXPORTER_OTLP_ENDPOINT`).
 * This differs from the default of the specification in one point: without any of these variables nothing is sent, so
 * that a service without a collector does not try to reach one on localhost.
 */
import type { Environment } from "./config.ts";

export const SIGNALS = ["traces", "metrics", "logs"] as const;
export type Signal = (typeof SIGNALS)[number];

export interface TelemetrySettings {
  readonly signals: ReadonlySet<Signal>;
  /** True when `OTEL_CONFIG_FILE` names a declarative configuration, which then decides everything. */
  readonly hasConfigFile: boolean;
}

export interface TelemetryIdentity {
  readonly service: string;
  /** Unique name of this process; becomes `service.instance.id`. */
  readonly instance: string;
}

const variable = (name: string, signal: Signal) => name.replace("{}", signal.toUpperCase());

/** Returns what this process exports; undefined when it exports nothing, and the SDK is not needed. */
export function telemetrySettings(env: Environment): TelemetrySettings | undefined {
  if (settingOf(env, "OTEL_SDK_DISABLED")?.toLowerCase() === "true") return undefined;
  if (settingOf(env, "OTEL_CONFIG_FILE") !== undefined) {
    return { signals: new Set(SIGNALS), hasConfigFile: true };
  }
  const signals = new Set(SIGNALS.filter((signal) => isExported(env, signal)));
  return signals.size === 0 ? undefined : { signals, hasConfigFile: false };
}

function isExported(env: Environment, signal: Signal): boolean {
  const exporters = listOf(env, variable("OTEL_{}_EXPORTER", signal));
  if (exporters.length > 0) return !exporters.includes("none");
  const endpoints = ["OTEL_EXPORTER_OTLP_ENDPOINT", variable("OTEL_EXPORTER_OTLP_{}_ENDPOINT", signal)];
  return endpoints.some((name) => settingOf(env, name) !== undefined);
}

const EXPORTERS: Readonly<Record<Signal, readonly string[]>> = {
  traces: ["otlp", "console", "none"],
  metrics: ["otlp", "console", "prometheus", "none"],
  logs: ["otlp", "console", "none"],
};
const PROTOCOLS = ["http/protobuf", "http/json", "grpc"];
const SAMPLERS = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
];
const PROPAGATORS = ["tracecontext", "baggage", "b3", "b3multi", "none"];

/**
 * Returns one sentence for each value that the SDK does not know. By the specification, such a value is reported and
 * ignored: a wrong telemetry setting stops no service.
 */
export function telemetryWarnings(env: Environment): string[] {
  const known: (readonly [name: string, values: readonly string[]])[] = [
    ...SIGNALS.map((signal) => [variable("OTEL_{}_EXPORTER", signal), EXPORTERS[signal]] as const),
    ["OTEL_EXPORTER_OTLP_PROTOCOL", PROTOCOLS],
    ...SIGNALS.map((signal) => [variable("OTEL_EXPORTER_OTLP_{}_PROTOCOL", signal), PROTOCOLS] as const),
    ["OTEL_TRACES_SAMPLER", SAMPLERS],
    ["OTEL_PROPAGATORS", PROPAGATORS],
  ];
  const warnings = known.flatMap(([name, values]) =>
    listOf(env, name)
      .filter((value) => !values.includes(value))
      .map((value) => `${name}: "${value}" is unknown and ignored: use ${values.join(", ")}`),
  );
  const ratio = settingOf(env, "OTEL_TRACES_SAMPLER_ARG");
  if (ratio !== undefined && !(Number(ratio) >= 0 && Number(ratio) <= 1)) {
    warnings.push(`OTEL_TRACES_SAMPLER_ARG: "${ratio}" is ignored: use a number from 0 to 1`);
  }
  return warnings;
}

/** Returns the value of a variable; undefined for an absent or blank one, as the specification demands. */
function settingOf(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

function listOf(env: Environment, name: string): string[] {
  const parts = settingOf(env, name)?.split(",") ?? [];
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}
