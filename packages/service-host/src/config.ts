/**
 * The configuration of a service: environment variables, all checked before the service begins.
 */
import { checkedBy, IDENTITY_MODES } from "@bioxen/contracts";
import {
  type ConnectionSettings,
  connectionProblems,
  type StorageSettings,
  settingsOfEnvironment,
} from "@bioxen/nats";
import * as z from "zod";
import { tokenFileProblem } from "./metrics-access.ts";
import { parseStreamLimits } from "./stream-limits.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Thrown at boot for a wrong configuration, with every problem in the message. The process then ends with {@link
 * EXIT_MISCONFIGURED}.
 */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(`configuration is wrong:\n  ${problems.join("\n  ")}`);
    this.name = "ConfigError";
  }
}

/** `EX_CONFIG` of sysexits.h: a restart will not help. */
export const EXIT_MISCONFIGURED = 78;

/**
 * Parses the environment variables that the schema's keys name; an empty variable counts as absent. Throws {@link
 * ConfigError} with every problem.
 */
export function readConfig<S extends z.ZodObject>(schema: S, env: Environment): z.output<S> {
  const parsed = parse(schema, env);
  if (parsed.success) return parsed.data;
  throw new ConfigError(problemsOf(parsed.error));
}

function parse<S extends z.ZodObject>(schema: S, env: Environment): z.ZodSafeParseResult<z.output<S>> {
  const given = Object.keys(schema.shape).flatMap((name) => (env[name] ? [[name, env[name]]] : []));
  return checkedBy(schema, Object.fromEntries(given));
}

function problemsOf(error: z.ZodError): string[] {
  return error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
}

/** The server of a service without `BIOXEN_NATS_URL`. */
const DEFAULT_SERVER = "nats://127.0.0.1:4222";

/** The settings of every service, beside those of its connection. */
export const hostConfig = z.object({
  BIOXEN_LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
  /**
   * `mapped` on a server with keys: its accounts write the principal of each request into the subject. `open`, the
   * default: every caller is anonymous.
   */
  BIOXEN_IDENTITIES: z.enum(IDENTITY_MODES).default("open"),
  /** Address of `/live`, `/ready` and `/metrics`: `host:port`; port 0 picks a free one. */
  BIOXEN_HTTP: z
    .string()
    .regex(/^(?:\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, "must be host:port")
    .default("127.0.0.1:0"),
  /**
   * File with the bearer token that a client of `BIOXEN_HTTP` sends to see ids, labels and names, and `/metrics/vms`.
   * Default: no token, every client sees everything.
   */
  BIOXEN_METRICS_TOKEN_FILE: z.string().optional(),
  /** URLs of OTLP collectors. The OpenTelemetry SDK reads them and the other OTEL_* variables (telemetry.ts). */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: z.url().optional(),
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: z.url().optional(),
  OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: z.url().optional(),
  /** Copies of every stream and bucket: 1 on a single server, 3 or 5 in a cluster. */
  BIOXEN_EVENT_REPLICAS: z.coerce.number().int().min(1).max(5).default(1),
  /**
   * File for a second copy of the record by which a lost or damaged event log is detected. The file is outside of the
   * server's store. Default: no second copy.
   */
  BIOXEN_LOG_RECORD: z.string().optional(),
  /** Largest sizes of streams, as `10G` or `BIOXEN_EVENTS=100G,*=1G`; default: the disk is the limit. */
  BIOXEN_STREAM_MAX_BYTES: z
    .string()
    .transform((text, context) => {
      const parsed = parseStreamLimits(text);
      if ("maxBytes" in parsed) return parsed.maxBytes;
      context.addIssue({ code: "custom", message: parsed.problem });
      return z.NEVER;
    })
    .optional(),
  /**
   * Number of events between two snapshots of the folds; 0 disables reading and writing snapshots. A start reads at
   * most this many events of the log, about 0.3 s of work. A smaller number writes the same states more often.
   */
  BIOXEN_SNAPSHOT_EVERY: z.coerce.number().int().min(0).default(50_000),
  /**
   * Maximum number of commands per second of one caller, at one instance; beyond it the caller gets RATE_LIMITED. When
   * absent, a caller is limited only while other callers wait, to its share of the instance.
   */
  BIOXEN_CALLER_LIMIT: z.coerce.number().int().min(1).max(1_000_000).optional(),
});

export type HostConfig = z.output<typeof hostConfig> & {
  /** The `BIOXEN_NATS_*` variables. */
  readonly connection: ConnectionSettings;
};

/**
 * Reads the settings that every service has, and the files that they name. Throws {@link ConfigError} with every
 * problem.
 */
export function readHostConfig(env: Environment): HostConfig {
  const parsed = parse(hostConfig, env);
  const connection = settingsOfEnvironment(env, DEFAULT_SERVER);
  const problems = connectionProblems(connection).map(({ path, message }) => `${path}: ${message}`);
  const ofToken = tokenFileProblem(parsed.data?.BIOXEN_METRICS_TOKEN_FILE);
  if (ofToken !== undefined) problems.push(`BIOXEN_METRICS_TOKEN_FILE: ${ofToken}`);
  if (parsed.success && problems.length === 0) return { ...parsed.data, connection };
  throw new ConfigError([...problems, ...(parsed.success ? [] : problemsOf(parsed.error))]);
}

/** Returns the configured number of copies of every stream and bucket, and the configured size limits of streams. */
export function storageOf(config: HostConfig): StorageSettings {
  return { replicas: config.BIOXEN_EVENT_REPLICAS, maxBytes: config.BIOXEN_STREAM_MAX_BYTES };
}
