/**
 * The settings of a connection to NATS, for services, command line and library: the names of the settings, their
 * sources, and the errors for invalid settings.
 */
import { Fault } from "@bioxen/kernel";

/** Certificates and key of a TLS connection. Each is the path of a PEM file; a Node program may also give PEM text. */
export interface TlsSettings {
  /** Certificate authorities to trust instead of Node's default authorities. */
  readonly ca?: string | undefined;
  /** The client's certificate, for a server that asks for one. Needs `key`. */
  readonly cert?: string | undefined;
  /** Private key of `cert`, without a passphrase. */
  readonly key?: string | undefined;
}

/** The settings of one connection. They are plain data, so that they can be sent to a worker thread. */
export interface ConnectionSettings {
  /** URLs of the servers, as an array or separated by commas. A URL may contain `user:password@` or `token@`. */
  readonly servers: string | readonly string[];
  /**
   * Credentials: the path of a file with an nkey seed or of a `.creds` file, or the content of such a file; in a
   * browser always the content. They take precedence over a login in a URL.
   */
  readonly creds?: string | undefined;
  /** Asks for TLS, also where a URL does not begin with `tls://`. */
  readonly tls?: TlsSettings | undefined;
  /** JetStream domain of the streams; default: that of the server. */
  readonly domain?: string | undefined;
  /** The name of each setting in error texts; default: {@link OPTION_NAMES}. */
  readonly names?: SettingNames | undefined;
}

/** Settings as a program gives them; each may be absent. */
export type GivenSettings = Partial<Omit<ConnectionSettings, "names">>;

export type SettingName = "servers" | "creds" | "ca" | "cert" | "key" | "domain";
export type SettingNames = Readonly<Record<SettingName, string>>;

/** The name of each setting as an option of a function such as `connect`. */
export const OPTION_NAMES: SettingNames = {
  servers: "servers",
  creds: "creds",
  ca: "tls.ca",
  cert: "tls.cert",
  key: "tls.key",
  domain: "domain",
};

/** The environment variable of each setting. */
export const SETTING_VARIABLES: SettingNames = {
  servers: "BIOXEN_NATS_URL",
  creds: "BIOXEN_NATS_CREDS",
  ca: "BIOXEN_NATS_CA",
  cert: "BIOXEN_NATS_CERT",
  key: "BIOXEN_NATS_KEY",
  domain: "BIOXEN_NATS_DOMAIN",
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Returns the settings in the environment; an empty variable counts as absent. `servers` replaces an absent URL. */
export function settingsOfEnvironment(env: Environment, servers: string): ConnectionSettings {
  const value = (setting: SettingName) => env[SETTING_VARIABLES[setting]] || undefined;
  return {
    servers: value("servers") ?? servers,
    creds: value("creds"),
    tls: tlsOf(value("ca"), value("cert"), value("key")),
    domain: value("domain"),
    names: SETTING_VARIABLES,
  };
}

/** Returns the environment variables with the given settings, for a child process. Absent settings have no variable. */
export function variablesOf({ servers, creds, tls, domain }: ConnectionSettings): Record<string, string> {
  const values: Readonly<Record<SettingName, string | undefined>> = {
    servers: String(servers),
    creds,
    ca: tls?.ca,
    cert: tls?.cert,
    key: tls?.key,
    domain,
  };
  const named = Object.entries(values).flatMap(([setting, value]) =>
    value === undefined ? [] : [[SETTING_VARIABLES[setting as SettingName], value] as const],
  );
  return Object.fromEntries(named);
}

/** Returns the TLS settings; undefined when all three are absent. */
export function tlsOf(ca?: string, cert?: string, key?: string): TlsSettings | undefined {
  return ca === undefined && cert === undefined && key === undefined ? undefined : { ca, cert, key };
}

/** Returns `env` without the settings of a connection, for a process that connects elsewhere. */
export function withoutConnection<E extends Environment>(env: E): E {
  const variables: readonly string[] = Object.values(SETTING_VARIABLES);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !variables.includes(name))) as E;
}

export interface SettingProblem {
  /** The name of the setting in the program, such as `BIOXEN_NATS_CREDS` or `--creds`. */
  readonly path: string;
  readonly message: string;
}

/** Thrown for unusable settings, such as a malformed URL or an unreadable file, before any dial. Lists all problems. */
export class ConnectionSettingsError extends Fault {
  readonly problems: readonly SettingProblem[];

  constructor(problems: readonly SettingProblem[]) {
    const lines = problems.map(({ path, message }) => `${path}: ${message}`);
    super("BAD_REQUEST", lines.join("\n"), { retryable: false, details: { problems } });
    this.name = "ConnectionSettingsError";
    this.problems = problems;
  }
}

/**
 * Thrown when the first connection reached a server but failed, because the server refused the login, or because the
 * client or the server refused TLS. A retry with the same settings would fail in the same way.
 */
export class ConnectionRefused extends Fault {
  constructor(reason: "login" | "tls", message: string, cause?: unknown) {
    super("UNAVAILABLE", message, { retryable: false, cause, details: { reason } });
    this.name = "ConnectionRefused";
  }
}
