/**
 * A service's configuration: environment variables, checked all at once before anything begins.
 */
import { z } from "zod";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Thrown at boot with every problem in its message; the process ends with {@link EXIT_MISCONFIGURED}. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(`configuration is wrong:\n  ${problems.join("\n  ")}`);
    this.name = "ConfigError";
  }
}

/** `EX_CONFIG` of sysexits.h: restarting will not help. */
export const EXIT_MISCONFIGURED = 78;

/** Parses variables named as the schema's keys; an empty variable counts as absent. */
export function readConfig<S extends z.ZodObject>(schema: S, env: Environment): z.output<S> {
  const given = Object.fromEntries(
    Object.keys(schema.shape).flatMap((name) => (env[name] ? [[name, env[name]]] : [])),
  );
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`));
}

/** What every service takes. */
export const hostConfig = z.object({
  /** Servers, separated by commas. */
  BIOXEN_NATS_URL: z.string().default("nats://127.0.0.1:4222"),
  BIOXEN_LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
  /** Where `/live`, `/ready` and `/metrics` are answered: `host:port`; port 0 is a free one. */
  BIOXEN_HTTP: z
    .string()
    .regex(/^(?:\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, "must be host:port")
    .default("127.0.0.1:0"),
  /** An OTLP collector (HTTP); without one nothing is traced. The SDK reads the rest of OTEL_* itself. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  /** Replicas of the event stream; 3 or 5 in a cluster. */
  BIOXEN_EVENT_REPLICAS: z.coerce.number().int().min(1).max(5).default(1),
  /**
   * Events from one snapshot of the folds to the next; 0: none are read or written. A start reads at most this much of the
   * log, about 0.3 s of it; smaller writes more often what the log has already.
   */
  BIOXEN_SNAPSHOT_EVERY: z.coerce.number().int().min(0).default(50_000),
});

export type HostConfig = z.output<typeof hostConfig>;
