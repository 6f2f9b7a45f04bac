/**
 * Begins the export of telemetry at the boot of a service, if the environment asks for one.
 */
import type { Logger } from "@bioxen/kernel";
import type { Environment } from "./config.ts";
import { type TelemetryIdentity, telemetrySettings, telemetryWarnings } from "./telemetry-settings.ts";
import { OpenTelemetryTracer } from "./tracing.ts";

export interface Telemetry {
  readonly tracer: OpenTelemetryTracer;
  /** Sends what is left and ends the export. Resolves too when the collector is unreachable. */
  end(): Promise<void>;
}

/** Loads the OpenTelemetry SDK only when this process exports something. */
export async function beginTelemetry(
  identity: TelemetryIdentity,
  env: Environment,
  logger: Logger,
): Promise<Telemetry> {
  const settings = telemetrySettings(env);
  if (settings === undefined) return { tracer: new OpenTelemetryTracer(false), end: async () => undefined };
  for (const warning of telemetryWarnings(env)) logger.warn({}, warning);
  const { startTelemetry } = await import("./telemetry.ts");
  const end = startTelemetry(identity, settings, env, logger);
  return { tracer: new OpenTelemetryTracer(true), end };
}
