/**
 * Starts the OpenTelemetry SDK of a service. Only a service that exports something imports this module, because the SDK
 * takes about 0.4 s to load.
 *
 * The SDK reads the `OTEL_*` variables. This module adds the identity of the service to the resource, and sends the
 * SDK's own messages to the log of the service.
 */
import { BIOXEN_VERSION } from "@bioxen/contracts";
import type { Logger } from "@bioxen/kernel";
import { type Attributes, context, type DiagLogger, DiagLogLevel, diag, logs } from "@opentelemetry/api";
import {
  defaultResource,
  hostDetector,
  osDetector,
  processDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from "@opentelemetry/resources";
import { startNodeSdk } from "@opentelemetry/sdk-node";
import type { Environment } from "./config.ts";
import { ABOUT_TELEMETRY, exportLinesTo, type LineExporter } from "./log-export.ts";
import type { Signal, TelemetryIdentity, TelemetrySettings } from "./telemetry-settings.ts";

/**
 * Starts to export the signals of `settings`. Returns a function that sends what is left and ends the export; it
 * resolves too when the collector is unreachable.
 */
export function startTelemetry(
  { service, instance }: TelemetryIdentity,
  { signals, hasConfigFile }: TelemetrySettings,
  env: Environment,
  logger: Logger,
): () => Promise<void> {
  // A declarative configuration can refer to the name of the service as ${OTEL_SERVICE_NAME}.
  if (hasConfigFile) process.env["OTEL_SERVICE_NAME"] ??= service;
  const off = (signal: Signal) => !hasConfigFile && !signals.has(signal);
  const sdk = startNodeSdk({
    baseResource: defaultResource().merge(
      resourceFromAttributes({
        "service.name": service,
        "service.namespace": "bioxen",
        "service.version": BIOXEN_VERSION,
        "service.instance.id": instance,
      }),
    ),
    // The SDK's own list of detectors would replace the instance id by a random one.
    ...(env["OTEL_NODE_RESOURCE_DETECTORS"]
      ? {}
      : { resourceDetectors: [serviceNameEnvDetector, hostDetector, osDetector, processDetector] }),
    ...(off("traces") ? { spanProcessors: [] } : {}),
    ...(off("metrics") ? { metricReaders: [] } : {}),
    ...(off("logs") ? { logRecordProcessors: [] } : {}),
  });
  // An unreachable collector is worth a warning and no more, because the service works without it.
  diag.setLogger(toServiceLog(logger), {
    logLevel: DIAG_LEVELS[env["OTEL_LOG_LEVEL"]?.toUpperCase() ?? ""] ?? DiagLogLevel.WARN,
    suppressOverrideMessage: true,
  });
  if (signals.has("logs")) exportLinesTo(lineExporter());
  return () => sdk.shutdown().catch((thrown: unknown) => diag.warn("cannot send the last telemetry", thrown));
}

const DIAG_LEVELS: Readonly<Record<string, DiagLogLevel>> = {
  NONE: DiagLogLevel.NONE,
  ERROR: DiagLogLevel.ERROR,
  WARN: DiagLogLevel.WARN,
  INFO: DiagLogLevel.INFO,
  DEBUG: DiagLogLevel.DEBUG,
  VERBOSE: DiagLogLevel.VERBOSE,
  ALL: DiagLogLevel.ALL,
};

/** Pino's number of a level, and the distance between two levels. OpenTelemetry counts levels in steps of 4 from 1. */
const PINO_STEP = 10;
const SEVERITY_STEP = 4;
const SEVERITY_TEXTS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/** Emits the lines of the log as log records with the ids of the current trace. */
function lineExporter(): LineExporter {
  const logger = logs.getLogger("bioxen", BIOXEN_VERSION);
  return (level, fields, message) => {
    const step = level / PINO_STEP - 1;
    logger.emit({
      timestamp: Date.now(),
      severityNumber: step * SEVERITY_STEP + 1,
      severityText: SEVERITY_TEXTS[step] ?? "",
      body: message,
      attributes: attributesOf(fields),
      context: context.active(),
    });
  };
}

/** Returns the fields of a line as attributes: numbers and texts as they are, errors by the semantic conventions. */
function attributesOf(fields: object): Attributes {
  const attributes: Attributes = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Error) {
      attributes["exception.type"] = value.name;
      attributes["exception.message"] = value.message;
      if (value.stack !== undefined) attributes["exception.stacktrace"] = value.stack;
    } else if (typeof value === "object") attributes[name] = JSON.stringify(value);
    else if (value !== undefined) attributes[name] = value;
  }
  return attributes;
}

function toServiceLog(logger: Logger): DiagLogger {
  const text = (message: string, more: readonly unknown[]) =>
    `OpenTelemetry: ${[message, ...more].map((part) => (part instanceof Error ? part.message : String(part))).join(" ")}`;
  return {
    error: (message, ...more) => logger.warn(ABOUT_TELEMETRY, text(message, more)),
    warn: (message, ...more) => logger.warn(ABOUT_TELEMETRY, text(message, more)),
    info: (message, ...more) => logger.info(ABOUT_TELEMETRY, text(message, more)),
    debug: (message, ...more) => logger.debug(ABOUT_TELEMETRY, text(message, more)),
    verbose: (message, ...more) => logger.debug(ABOUT_TELEMETRY, text(message, more)),
  };
}
