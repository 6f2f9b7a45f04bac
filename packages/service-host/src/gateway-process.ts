/**
 * Runs the gateway as a process.
 *
 * The gateway folds nothing and owns no aggregate, so it boots without the log: configuration → bus → HTTP → ready. It
 * is no service of the services protocol either. It ends like every service (process-end.ts).
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type ErrorCode,
  GATEWAY,
  type Identity,
  type IdentityMode,
  isErrorCode,
  isPrincipal,
  mappedSubject,
} from "@bioxen/contracts";
import {
  type CallOptions,
  type EventLog,
  Fault,
  type HearMessage,
  type Logger,
  messageOf,
  type Reply,
  type ReplyError,
} from "@bioxen/kernel";
import {
  type Bus,
  ConnectionRefused,
  clusterIdOn,
  connectBus,
  type FollowedLog,
  faultAsError,
  isNoResponders,
  Jobs,
  openExistingLog,
  openFeedOf,
  type Submitted,
} from "@bioxen/nats";
import { ConfigError, type Environment, EXIT_MISCONFIGURED, readHostConfig } from "./config.ts";
import { EndRequested, ProcessEnd } from "./process-end.ts";
import { createLogger, systemTimers } from "./real-world.ts";
import { RenewedConnection } from "./renewed-connection.ts";
import { tellParent } from "./supervisor.ts";

/** Longest wait for the first connection, ms: the server may start after the gateway. */
const FIRST_CONNECT_TIMEOUT_MS = 30_000;
const NAME = GATEWAY;
/** Pauses before a request is sent again, ms: while the server reads a change of keys, it finds no service for some ms. */
const RELOAD_PAUSES_MS = [20, 80, 300];

/** What the gateway does on NATS, in the name of a principal. */
export interface PrincipalBus {
  /** True while the connection to the server is up. */
  readonly connected: boolean;
  /** Sends one request and returns the reply. A failure is a reply too, with a code of the catalogue. */
  call(as: Identity, subject: string, payload: unknown, options: CallOptions): Promise<Reply>;
  /** Stores a command as a job. Throws `Fault` as `Jobs.submit` does. */
  submit(as: Identity, command: string, payload: unknown, id: string): Promise<Submitted>;
  /** Opens what a principal may follow: the feed of a tenant, and the event log for every other one. */
  readonly followedLog: (as: Identity) => Promise<FollowedLog>;
  readonly eventLog: () => Promise<EventLog>;
  readonly subscribe: (subject: string, onMessage: HearMessage) => { stop(): void };
  clusterId(): Promise<string>;
}

export interface GatewayPorts {
  readonly bus: PrincipalBus;
  readonly logger: Logger;
  readonly identities: IdentityMode;
}

/** The running gateway. */
export interface Gateway {
  readonly url: string;
  close(): Promise<void>;
}

export interface GatewayDefinition {
  /** Opens the gateway. Throws {@link ConfigError} for settings with which it cannot start. */
  readonly open: (ports: GatewayPorts, env: Environment) => Promise<Gateway>;
}

/** Runs the gateway as this process until the process is asked to end, and sets the exit code. */
export async function runGateway(
  definition: GatewayDefinition,
  env: Environment = process.env,
): Promise<void> {
  try {
    await run(definition, env);
  } catch (thrown) {
    const misconfigured = thrown instanceof ConfigError || thrown instanceof ConnectionRefused;
    createLogger(NAME, "info").error({ err: thrown }, `${NAME} failed: ${messageOf(thrown)}`);
    if (misconfigured) await tellParent({ kind: "misconfigured", why: messageOf(thrown) });
    process.exit(misconfigured ? EXIT_MISCONFIGURED : 1);
  }
}

async function run(definition: GatewayDefinition, env: Environment): Promise<void> {
  const end = new ProcessEnd();
  const config = readHostConfig(env);
  const logger = createLogger(NAME, config.BIOXEN_LOG_LEVEL);
  try {
    const identities = config.BIOXEN_IDENTITIES;
    const requests = await connection(end, config, { logger, name: `bioxen-${NAME}` });
    // The server ends the connection of a reader that has too much on its way. Requests go on then.
    const streams = await connection(end, config, { logger, name: `bioxen-${NAME}-streams` });
    const ports = { bus: principalBus(requests, streams.bus), logger, identities };
    const gateway = await end.during(definition.open(ports, env));
    end.closes(() => gateway.close());
    await tellParent({ kind: "ready", url: gateway.url });
    logger.info({ url: gateway.url }, `${NAME} is ready`);
  } catch (thrown) {
    if (!(thrown instanceof EndRequested)) throw thrown;
  }
  logger.info({ cause: await end.requested }, "stopping");
  await end.exit();
}

/** A connection that takes over new credentials. */
interface Connection {
  readonly bus: Bus;
  readonly renewed: RenewedConnection;
}

async function connection(
  end: ProcessEnd,
  config: ReturnType<typeof readHostConfig>,
  { logger, name }: { readonly logger: Logger; readonly name: string },
): Promise<Connection> {
  const options = { ...config.connection, name, connectTimeoutMs: FIRST_CONNECT_TIMEOUT_MS };
  const bus = await end.during(connectBus(options));
  end.closes(() => bus.close());
  bus.onStatus((status) => logger.warn({ status }, `the connection ${name} is ${status}`));
  bus.onRefusedLogin((why) => logger.error({}, why));
  const tryLogin = async () => (await connectBus(options)).close();
  const renewed = new RenewedConnection({ bus, tryLogin, logger, timers: systemTimers });
  end.closes(() => renewed.stop());
  return { bus, renewed };
}

function principalBus({ bus, renewed }: Connection, streams: Bus): PrincipalBus {
  const jobs = new Jobs(bus);
  let id: Promise<string> | undefined;
  return {
    get connected() {
      return bus.connected;
    },
    async call(as, subject, payload, options) {
      try {
        return await renewed.during(() => received(() => bus.call(spokenFor(as, subject), payload, options)));
      } catch (thrown) {
        return { ok: false, error: faultAsError(thrown) };
      }
    },
    submit: (as, command, payload, id) =>
      renewed.during(() => jobs.submit(command, payload, id, (subject) => spokenFor(as, subject))),
    followedLog: async (as) =>
      as.role === "tenant" ? openFeedOf(streams, as.name) : openExistingLog(streams),
    eventLog: () => openExistingLog(streams),
    subscribe: (subject, onMessage) => streams.subscribe(subject, onMessage),
    clusterId() {
      id ??= clusterIdOn(bus).catch((thrown: unknown) => {
        id = undefined;
        throw thrown;
      });
      return id;
    },
  };
}

/** Sends a request again that no service has received. */
async function received(call: () => Promise<Reply>): Promise<Reply> {
  for (const pauseMs of RELOAD_PAUSES_MS) {
    try {
      return await call();
    } catch (thrown) {
      if (!(thrown instanceof Fault) || !isNoResponders(thrown.cause)) throw thrown;
      await sleep(pauseMs);
    }
  }
  return call();
}

/** Returns the subject on which the gateway speaks for a principal. The server lets no other user publish there. */
function spokenFor(as: Identity, subject: string): string {
  return isPrincipal(as) ? mappedSubject({ ...as, via: GATEWAY }, subject) : subject;
}

/** Returns the error of the catalogue for a thrown value. The text of an unexpected error is only in the log. */
export function errorOfFault(thrown: unknown, logger: Logger): ReplyError & { readonly code: ErrorCode } {
  if (!(thrown instanceof Fault)) logger.error({ err: thrown }, `unexpected: ${messageOf(thrown)}`);
  const error = faultAsError(thrown);
  return { ...error, code: isErrorCode(error.code) ? error.code : "INTERNAL" };
}
