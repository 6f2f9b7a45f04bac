/**
 * One command's connection to a BioXen: the client's calls, with the CLI's exit codes for failures.
 */
import { Calls } from "@bioxen/client";
import type { EventLog, ReplyError } from "@bioxen/kernel";
import {
  type Bus,
  type ConnectionSettings,
  ConnectionSettingsError,
  connectBus,
  type FollowedLog,
  findServer,
  hasLogin,
  localStackAt,
  stackCreds,
  tlsOf,
} from "@bioxen/nats";
import { CommandEnd, EXIT_UNREACHABLE, refused, usage } from "./outcome.ts";
import { type ConnectionKey, connectionNames, DEFAULT_TIMEOUT_MS } from "./settings.ts";

export interface GlobalOptions {
  readonly json?: boolean;
  /** URL of the server, or URLs, with or without a login: for output use `session.server`. */
  readonly server?: string;
  readonly creds?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly domain?: string;
  /** Names of the connection settings whose values come from flags on the command line. */
  readonly fromFlags?: readonly ConnectionKey[];
  /** Deadline of each request, ms. */
  readonly timeout?: number;
}

export interface SessionOptions {
  /**
   * False: every call is a single attempt. This suits a command that a person watches or can repeat at once: it reports
   * an unreachable service after the first attempt. Default: true.
   */
  readonly repeat?: boolean;
  /** On a local stack with keys: the user as which the command acts. Default: `admin`. */
  readonly as?: "admin" | "provisioner";
}

/** Longest wait for the first connection, ms: a command should not hang where no server runs. */
const CONNECT_TIMEOUT_MS = 3_000;

/**
 * Longest wait for one answer of JetStream, ms. With this limit, a command does not take much longer than --timeout
 * when the server has stopped.
 */
const REQUEST_TIMEOUT_MS = 5_000;
/** Longest wait for each step of closing the connection after a failure, ms. */
const FAILED_CLOSE_MS = 250;

export class Session extends Calls {
  readonly bus: Bus;
  /** URL of the server, or URLs, without a login. */
  readonly server: string;

  private constructor(bus: Bus, timeoutMs: number, { repeat = true }: SessionOptions) {
    super(bus, { timeoutMs, repeat, strictDeadline: true });
    this.bus = bus;
    this.server = bus.servers;
  }

  /**
   * Connects to the server in the options. If the options name no server, connects to the server that `BIOXEN_NATS_URL`
   * names, or else to the running local stack.
   */
  static async open(options: GlobalOptions, session: SessionOptions = {}): Promise<Session> {
    const connection = await connectionOf(options, session.as);
    if (connection === undefined) throw unreachable();
    const timeoutMs = options.timeout ?? DEFAULT_TIMEOUT_MS;
    const bus = await connectBus({
      ...connection,
      name: "bioxen-cli",
      connectTimeoutMs: Math.min(CONNECT_TIMEOUT_MS, timeoutMs),
      requestTimeoutMs: Math.min(REQUEST_TIMEOUT_MS, timeoutMs),
    }).catch((thrown: unknown) => {
      throw thrown instanceof ConnectionSettingsError ? usage(thrown.message) : thrown;
    });
    return new Session(bus, timeoutMs, session);
  }

  /** Returns the error that ends the command with exit code 1 after a refusal. */
  protected override refusal(error: ReplyError): CommandEnd {
    return refused(error);
  }

  async eventLog(): Promise<EventLog> {
    // Most commands do not read the log, so the client of JetStream is loaded only here.
    const { openExistingEventLog } = await import("./open-event-log.ts");
    return openExistingEventLog(this.bus);
  }

  /** Returns the log that this login may follow: a tenant its feed, every other login the event log. */
  async followedLog(): Promise<FollowedLog> {
    const { openFollowedLog } = await import("./open-event-log.ts");
    return openFollowedLog(this.bus);
  }

  /** Closes the connection. After a failure, pass true: the wait is then short, because the server may be silent. */
  close(afterFailure = false): Promise<void> {
    return afterFailure ? this.bus.close(FAILED_CLOSE_MS) : this.bus.close();
  }
}

/** Returns the error that ends a command when no server is named and no local stack runs. */
export function unreachable(): CommandEnd {
  return new CommandEnd(
    EXIT_UNREACHABLE,
    "no BioXen is reachable: start one with `bioxen up`, or name its server with --server or `bioxen config set server`",
    { code: "UNAVAILABLE", message: "no local stack runs and no server is named", retryable: true },
  );
}

/**
 * Returns the settings of the connection; undefined when no server is named and no local stack runs.
 *
 * A login in the URL of `--server` is not replaced by credentials that the environment or the settings file names: the
 * flag was given for this command. The local stack's own certificates take precedence over those of the environment and
 * the settings file, which belong to another server.
 */
export async function connectionOf(
  options: GlobalOptions,
  as: SessionOptions["as"] = "admin",
): Promise<ConnectionSettings | undefined> {
  const servers = options.server ?? (await findServer());
  if (servers === undefined) return undefined;
  const { creds, ca, cert, key, domain, fromFlags = [] } = options;
  const isLoggedIn = fromFlags.includes("server") && !fromFlags.includes("creds") && hasLogin(servers);
  const hasTlsFlags = fromFlags.some((name) => name === "ca" || name === "cert" || name === "key");
  const stackHere = await localStackAt(servers);
  const stack = hasTlsFlags ? undefined : stackHere;
  return {
    servers,
    creds: isLoggedIn ? undefined : (creds ?? stackCreds(stackHere, as)),
    tls: stack?.tls ?? tlsOf(ca, cert, key),
    domain,
    names: connectionNames(fromFlags),
  };
}
