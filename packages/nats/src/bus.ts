/**
 * One connection to NATS with the few verbs that BioXen needs. Only this package imports NATS modules.
 *
 * The connection never gives up: it waits for an unreachable server, and the client renews the subscriptions. Calls
 * have deadlines of their own, so that a caller learns of an outage during the reconnect.
 */
import { heardSubjects, mappedParts } from "@bioxen/contracts";
import {
  type Caller,
  type CallOptions,
  Fault,
  type HearMessage,
  messageOf,
  type Publisher,
  type Reply,
  type Subscriber,
  servedPrincipal,
  traceOf,
} from "@bioxen/kernel";
import {
  headers,
  type Msg,
  type NatsConnection,
  NoRespondersError,
  PermissionViolationError,
  RequestError,
  TimeoutError,
} from "@nats-io/nats-core";
import { endAnsweredRequestsQuietly } from "./answered-requests.ts";
import { type BusOptions, Dialling } from "./dial.ts";
import { firstConnection, isRefusedLogin } from "./first-connection.ts";
import { ReconnectPace } from "./reconnect-pace.ts";
import { replyTo } from "./replies.ts";
import { hasLogin } from "./server-url.ts";
import { settledWithin } from "./settled-within.ts";

export type { BusOptions } from "./dial.ts";

/** Interval of pings, ms. After two unanswered pings the client reconnects. */
const PING_INTERVAL_MS = 10_000;
/**
 * Longest duration of each of the two steps that close a connection, ms. The first step waits until the server confirms
 * the sent messages; the second step ends the connection. A silent server confirms nothing.
 */
const CLOSE_DEADLINE_MS = 1_500;
/** Default of the longest wait for the first connection, ms. */
export const CONNECT_TIMEOUT_MS = 10_000;
/**
 * Names of the headers of a call, in this order: the id of the command that began the chain of causes, the id of the
 * direct cause, the message id, and the W3C trace context.
 */
export const CORRELATION_HEADER = "Bioxen-Correlation-Id";
export const CAUSATION_HEADER = "Bioxen-Causation-Id";
/** Header of a call of a service: the principal for which it acts. */
export const PRINCIPAL_HEADER = "Bioxen-On-Behalf-Of";
export const MESSAGE_ID_HEADER = "Nats-Msg-Id";
export const TRACE_HEADER = "traceparent";
/** The header of the vendors' part of the W3C trace context. */
export const TRACESTATE_HEADER = "tracestate";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export type BusStatus = "connected" | "disconnected";

/**
 * Connects to NATS. Throws `Fault` UNAVAILABLE when no server answers within `connectTimeoutMs`, `ConnectionRefused` at
 * once when a server refuses the login or TLS, and `ConnectionSettingsError` with every problem of the settings.
 */
export async function connectBus(options: BusOptions): Promise<Bus> {
  endAnsweredRequestsQuietly();
  const dialling = new Dialling(options);
  const pace = new ReconnectPace();
  const connection = await firstConnection({
    dialling,
    client: {
      name: options.name,
      maxReconnectAttempts: -1,
      reconnectDelayHandler: pace.delay,
      pingInterval: PING_INTERVAL_MS,
      // Otherwise the client collects a stack trace for every request, for an error that rarely follows.
      noAsyncTraces: true,
    },
    timeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
  });
  return new Bus(connection, options, { dialling, pace });
}

export class Bus implements Caller, Publisher, Subscriber {
  readonly connection: NatsConnection;
  /** The URLs of the servers, separated by commas, for use in output: the URLs contain no login. */
  readonly servers: string;
  /** Private, so that a printed or serialized bus shows no login. */
  readonly #options: BusOptions;
  #connected = true;
  #refusal: string | undefined;
  #refusedLogins = 0;
  readonly #dialling: Dialling;
  readonly #pace: ReconnectPace;
  readonly #statusListeners: ((status: BusStatus) => void)[] = [];
  readonly #refusalListeners: ((why: string) => void)[] = [];

  constructor(
    connection: NatsConnection,
    options: BusOptions,
    { dialling, pace }: { dialling: Dialling; pace: ReconnectPace },
  ) {
    this.connection = connection;
    this.#options = options;
    this.servers = dialling.shown;
    this.#dialling = dialling;
    this.#pace = pace;
    void this.#watchStatus();
  }

  /** The options of this connection, for code that opens another connection. The options may contain a login. */
  get options(): BusOptions {
    return this.#options;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Number of logins that the server has refused since the last connection. */
  get refusedLogins(): number {
    return this.#refusedLogins;
  }

  /** True when the file of the credentials has others than those with which the connection was made. */
  get hasNewCredentials(): boolean {
    return this.#dialling.hasNewCredentials;
  }

  /**
   * Makes the connection again, with the credentials as they are now. Subscriptions stay, and what arrives meanwhile is
   * lost. Resolves when the connection is made, and at the latest after `deadlineMs`. Never rejects.
   */
  async reconnect(deadlineMs: number): Promise<void> {
    const isMade = new Promise<void>((resolve) => {
      this.onStatus((status) => {
        if (status === "connected") resolve();
      });
    });
    await this.connection.reconnect();
    await settledWithin(isMade, deadlineMs);
  }

  get serverVersion(): string {
    return this.connection.info?.version ?? "unknown";
  }

  /** True when the server serves only clients that log in; false when it has a default user for all other clients. */
  get demandsLogin(): boolean {
    const { auth_required = false, tls_verify = false } = this.connection.info ?? {};
    const { servers, creds, tls } = this.#options;
    const hasOwnLogin = creds !== undefined || tls?.cert !== undefined || hasLogin(servers);
    return hasOwnLogin && (auth_required || tls_verify);
  }

  /** Largest payload that the server accepts, bytes. */
  get maxPayloadBytes(): number {
    return this.connection.info?.max_payload ?? 1_048_576;
  }

  /** The options of every call of this connection to JetStream. */
  get jetStreamOptions(): { readonly timeout?: number; readonly domain?: string } {
    const { requestTimeoutMs, domain } = this.options;
    return {
      ...(requestTimeoutMs === undefined ? {} : { timeout: requestTimeoutMs }),
      ...(domain === undefined ? {} : { domain }),
    };
  }

  onStatus(listener: (status: BusStatus) => void): void {
    this.#statusListeners.push(listener);
  }

  /**
   * Registers a listener for a login that the server refuses at a reconnect. Of several refusals in a row, only the
   * first calls the listener, with the reason. The bus keeps dialling, and reads the credentials again each time.
   */
  onRefusedLogin(listener: (why: string) => void): void {
    this.#refusalListeners.push(listener);
  }

  async call(subject: string, payload: unknown, options: CallOptions): Promise<Reply> {
    const bytes = encoder.encode(JSON.stringify(payload));
    if (bytes.byteLength > this.maxPayloadBytes) {
      throw new Fault(
        "TOO_LARGE",
        `the payload has ${bytes.byteLength} bytes, the server accepts ${this.maxPayloadBytes}: send less`,
        {
          retryable: false,
          details: { limit: this.maxPayloadBytes, bytes: bytes.byteLength },
        },
      );
    }
    const { timeoutMs } = options;
    try {
      const headers = commandHeaders(options, this.#options.service);
      return await replyTo(this.connection, subject, bytes, { timeoutMs, headers });
    } catch (cause) {
      if (this.#refusal !== undefined)
        throw new Fault("UNAVAILABLE", this.#refusal, { retryable: true, cause });
      throw cause instanceof Fault ? cause : asCallFault(subject, timeoutMs, cause);
    }
  }

  publish(subject: string, payload: unknown): void {
    this.connection.publish(subject, encoder.encode(JSON.stringify(payload)));
  }

  /**
   * Delivers every JSON message on `subject` (wildcards allowed). Ignores every other message without an error, because
   * its sender does not wait for a reply. On a server with keys, the server names the agent in the subject of telemetry;
   * `onMessage` gets the subject on which the agent published, and the agent's id.
   */
  subscribe(subject: string, onMessage: HearMessage): { stop(): void } {
    const heard = this.#options.identities === "mapped" ? heardSubjects(subject) : [subject];
    const callback = (error: Error | null, message: Msg): void => {
      if (error !== null && error !== undefined) return;
      let payload: unknown;
      try {
        payload = JSON.parse(decoder.decode(message.data));
      } catch {
        return;
      }
      const { subject: published = message.subject, identity } = mappedParts(message.subject) ?? {};
      onMessage(payload, published, identity?.name);
    };
    const subscriptions = heard.map((one) => this.connection.subscribe(one, { callback }));
    return {
      stop() {
        for (const subscription of subscriptions) subscription.unsubscribe();
      },
    };
  }

  /**
   * Drains the connection (sends buffered messages, waits for running handlers), and then closes it. Each of these two
   * steps takes at most `deadlineMs`, by default 1.5 s, even when the server does not answer. Never rejects.
   */
  async close(deadlineMs: number = CLOSE_DEADLINE_MS): Promise<void> {
    if (this.connection.isClosed()) return;
    await settledWithin(this.connection.drain(), deadlineMs);
    if (!this.connection.isClosed()) await settledWithin(this.connection.close(), deadlineMs);
  }

  async #watchStatus(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === "error" && isRefusedLogin(status.error)) this.#noteRefusal();
      if (status.type !== "disconnect" && status.type !== "reconnect") continue;
      const isConnected = status.type === "reconnect";
      // Ignore a repeated status. The client reports one disconnect for each refused attempt, and later the same
      // number of reconnects.
      if (isConnected === this.#connected) continue;
      this.#connected = isConnected;
      if (isConnected) {
        this.#pace.connected();
        this.#refusal = undefined;
        this.#refusedLogins = 0;
      }
      for (const listener of this.#statusListeners) listener(isConnected ? "connected" : "disconnected");
    }
  }

  #noteRefusal(): void {
    this.#pace.refused();
    this.#refusedLogins += 1;
    if (this.#refusal !== undefined) return;
    const why = this.#dialling.refusedLogin();
    this.#refusal = why;
    for (const listener of this.#refusalListeners) listener(why);
  }
}

function commandHeaders(options: CallOptions, service: string | undefined) {
  const h = headers();
  const { messageId, causation, traceHeaders = {} } = options;
  const { traceparent, tracestate } = traceOf(
    options.traceparent === undefined ? (causation ?? {}) : options,
  );
  if (messageId !== undefined) h.set(MESSAGE_ID_HEADER, messageId);
  if (causation !== undefined) {
    h.set(CORRELATION_HEADER, causation.correlationId);
    h.set(CAUSATION_HEADER, causation.causeId);
  }
  if (service !== undefined) {
    const served = causation && servedPrincipal(causation);
    if (served !== undefined) h.set(PRINCIPAL_HEADER, served);
  }
  if (traceparent !== undefined) h.set(TRACE_HEADER, traceparent);
  if (tracestate !== undefined) h.set(TRACESTATE_HEADER, tracestate);
  for (const [name, value] of Object.entries(traceHeaders)) h.set(name, value);
  return h;
}

function asCallFault(subject: string, timeoutMs: number, cause: unknown): Fault {
  const noResponders =
    cause instanceof NoRespondersError || (cause instanceof RequestError && cause.isNoResponders());
  if (noResponders)
    return new Fault("UNAVAILABLE", `no service answers on ${subject}: retry`, { retryable: true, cause });
  if (cause instanceof TimeoutError) {
    return new Fault("TIMEOUT", `no reply on ${subject} within ${timeoutMs} ms`, { retryable: true, cause });
  }
  if (isPermissionViolation(cause)) {
    const message = `the server does not let this login publish on ${subject}: use the credentials of another principal`;
    return new Fault("FORBIDDEN", message, { retryable: false, cause });
  }
  return new Fault("UNAVAILABLE", `cannot call ${subject}: ${messageOf(cause)}`, { retryable: true, cause });
}

function isPermissionViolation(cause: unknown): boolean {
  return (
    cause instanceof PermissionViolationError ||
    (cause instanceof Error && cause.cause instanceof PermissionViolationError)
  );
}
