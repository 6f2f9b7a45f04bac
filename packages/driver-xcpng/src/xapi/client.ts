/**
 * A typed client of XAPI with one session.
 *
 * The client logs in at the first call. A server rejects a call with an unknown session without running it; the client
 * then logs in again and resends the call once. A pool member that is not the master names the master in its answer.
 * The client then calls the master if it trusts the master's certificate, and returns to the configured address when
 * the connection fails. After a broken connection, the client also resends a call once if the call only reads. All
 * other retries are up to the caller.
 */
import { hasCode, refusalIn, XapiError, XapiUnreachable } from "./errors.ts";
import { type ArgsOf, isRead, METHODS, type MethodName, type ResultOf } from "./methods.ts";
import type { SessionStore } from "./session-file.ts";
import { DEFAULT_LIMITS, Throttle, type ThrottleLimits } from "./throttle.ts";
import { addressOfUrl, parseAddress, Transport } from "./transport.ts";
import { type HostAddress, type Trust, TrustedAgents } from "./trust.ts";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface XapiClientOptions {
  /** `https://host[:port]` of a member of the pool, preferably its master. */
  readonly url: string;
  /** Called at each login, so that a changed password needs no restart. */
  readonly credentials: () => Promise<Credentials>;
  readonly trust: Trust;
  /** Name of this client in the pool's logs; XAPI limits sessions per originator. */
  readonly originator: string;
  readonly limits?: Partial<ThrottleLimits> | undefined;
  readonly sessions?: SessionStore | undefined;
  /** Deadline of a call, ms. Default {@link DEFAULT_CALL_TIMEOUT_MS}. */
  readonly callTimeoutMs?: number | undefined;
  /**
   * Called immediately before each call is sent, also before one that is resent; the call is not sent when the guard
   * rejects. `machine` is that of the call's options. Default: every call is sent.
   */
  readonly guard?:
    | ((method: MethodName, args: readonly unknown[], machine: string | undefined) => Promise<void>)
    | undefined;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * True for a call that waits at the server for an event, and for a read of the guard: the call that it guards has the
   * slot. Such a call bypasses the throttle. Default false.
   */
  readonly isUnthrottled?: boolean;
  /** Reference of the VM or snapshot to which the object of the call belongs, for the guard. */
  readonly machine?: string;
}

/** Default deadline of a call, ms. A busy master answers a read within 1 s; after 15 s the call counts as lost. */
const DEFAULT_CALL_TIMEOUT_MS = 15_000;
const API_VERSION = "2.20";
/**
 * Maximum number of redirects in one login. After more, the client assumes that the members name each other in a
 * circle.
 */
const MAX_REDIRECTS = 3;
/** Deadline of a logout, ms. It is short because it delays shutdown; the server ends idle sessions itself. */
const LOGOUT_TIMEOUT_MS = 3_000;

export class XapiClient {
  readonly #options: XapiClientOptions;
  readonly #configured: HostAddress;
  readonly #agents: TrustedAgents;
  readonly #transport: Transport;
  readonly #throttle: Throttle;
  readonly #callTimeoutMs: number;
  #address: HostAddress;
  #session: Promise<string> | undefined;
  #sessionNumber = 0;
  #closed = false;

  /** Throws `RangeError` when the URL is malformed, is not https or contains credentials. */
  constructor(options: XapiClientOptions) {
    this.#options = options;
    this.#configured = addressOfUrl(options.url);
    this.#address = this.#configured;
    this.#agents = new TrustedAgents(options.trust, this.#configured);
    this.#transport = new Transport(this.#agents);
    this.#throttle = new Throttle({ ...DEFAULT_LIMITS, ...options.limits });
    this.#callTimeoutMs = options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS;
  }

  /** Number of logins so far. Subscriptions and tokens of an earlier session are invalid. */
  get sessionNumber(): number {
    return this.#sessionNumber;
  }

  /** Returns whether requests to this host need a fingerprint that is not configured. */
  needsPin(host: string): boolean {
    return this.#agents.needsPin(host);
  }

  /**
   * Trusts the certificate with this SHA-256 fingerprint for requests to a host. Call it only with what the trusted
   * master says.
   */
  learnPin(host: string, fingerprint: string): void {
    this.#agents.learn(host, fingerprint);
  }

  /** The host to which the client currently sends calls. */
  get host(): string {
    return this.#address.host;
  }

  /**
   * Calls `method` and resolves with its result. Rejects with `XapiError` when the server rejects the call, and with
   * `XapiUnreachable` when the server gives no valid answer.
   */
  async call<M extends MethodName>(
    method: M,
    args: ArgsOf<M>,
    options: CallOptions = {},
  ): Promise<ResultOf<M>> {
    return this.#inLine(METHODS[method].weight, options, async () => {
      return (await this.#withSession(method, method, args, options)) as ResultOf<M>;
    });
  }

  /** Starts `method` as a task of the server and resolves with the task's reference. See `tasks.ts`. */
  async begin<M extends MethodName>(method: M, args: ArgsOf<M>, options: CallOptions = {}): Promise<string> {
    return this.#inLine(METHODS[method].weight, options, async () => {
      return String(await this.#withSession(method, `Async.${method}`, args, options));
    });
  }

  /** Sends `GET` to an HTTP handler of `host`, with the session in the query, and resolves with the body. */
  get(host: string, path: string, query: Readonly<Record<string, string>>): Promise<string> {
    return this.#inLine(1, {}, async () => {
      const address = parseAddress(host, this.#address.port);
      const session = await this.#login();
      const search = new URLSearchParams({ session_id: session, ...query }).toString();
      return this.#transport.get(address, `${path}?${search}`, `GET ${path}`, {
        timeoutMs: this.#callTimeoutMs,
      });
    });
  }

  /** Resolves with the reference of the current session, after a login if necessary. */
  session(): Promise<string> {
    return this.#login();
  }

  /** Ends the session. Never rejects: the server ends an idle session itself. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#throttle.close(new XapiUnreachable("closed", "the client is closed"));
    const session = await this.#session?.catch(() => undefined);
    if (session !== undefined) await this.endSession(session);
    this.#agents.close();
  }

  #inLine<T>(weight: number, options: CallOptions, work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new XapiUnreachable("closed", "the client is closed"));
    if (options.isUnthrottled !== true) return this.#throttle.run(weight, work);
    this.#throttle.count(weight);
    return work();
  }

  async #withSession(
    method: MethodName,
    wireMethod: string,
    args: readonly unknown[],
    options: CallOptions,
  ): Promise<unknown> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#options.guard?.(method, args, options.machine);
      const session = await this.#login();
      try {
        return await this.#send(wireMethod, [session, ...args], options);
      } catch (thrown) {
        const isLastAttempt = attempt > 1 || this.#closed;
        if (hasCode(thrown, "SESSION_INVALID", "HOST_IS_SLAVE") && !isLastAttempt) {
          await this.#forget(session, thrown);
          continue;
        }
        const isBroken = thrown instanceof XapiUnreachable && thrown.kind === "connection";
        if (isBroken) this.#resetAddress();
        if (isBroken && isRead(method) && !isLastAttempt) continue;
        throw thrown;
      }
    }
  }

  async #send(wireMethod: string, params: readonly unknown[], options: CallOptions): Promise<unknown> {
    const reply = await this.#transport.rpc(this.#address, wireMethod, params, {
      timeoutMs: options.timeoutMs ?? this.#callTimeoutMs,
      signal: options.signal,
    });
    const refusal = refusalIn(reply, wireMethod);
    if (refusal !== undefined) throw refusal;
    return reply["result"];
  }

  /**
   * Drops a session that the server rejected, unless a newer login has already replaced it. If the server named the
   * master of the pool, the next calls go there.
   */
  async #forget(session: string, refusal: XapiError): Promise<void> {
    const current = await this.#session?.catch(() => undefined);
    if (current !== session && current !== undefined) return;
    this.#session = undefined;
    const [master] = refusal.params;
    if (refusal.code === "HOST_IS_SLAVE" && master !== undefined) {
      this.#address = parseAddress(master, this.#configured.port);
    }
  }

  /** Sends the next calls to the configured member again, because that member names the current master. */
  #resetAddress(): void {
    if (this.#address === this.#configured) return;
    this.#address = this.#configured;
    this.#session = undefined;
  }

  #login(): Promise<string> {
    if (this.#closed) return Promise.reject(new XapiUnreachable("closed", "the client is closed"));
    if (this.#session !== undefined) return this.#session;
    const made = this.#logIn();
    this.#session = made;
    made.catch(() => {
      if (this.#session === made) this.#session = undefined;
    });
    return made;
  }

  async #logIn(): Promise<string> {
    const { username, password } = await this.#options.credentials();
    const params = [username, password, API_VERSION, this.#options.originator];
    for (let hop = 0; ; hop += 1) {
      try {
        const session = String(await this.#send("session.login_with_password", params, {}));
        this.#sessionNumber += 1;
        await this.#record(session);
        return session;
      } catch (thrown) {
        const master = hasCode(thrown, "HOST_IS_SLAVE") ? thrown.params[0] : undefined;
        if (master === undefined) {
          if (thrown instanceof XapiUnreachable && thrown.kind === "connection") this.#resetAddress();
          throw thrown;
        }
        if (hop >= MAX_REDIRECTS) {
          throw new XapiUnreachable(
            "protocol",
            `no master found after ${MAX_REDIRECTS} redirects (the last one to ${master}): check the pool's master with xe pool-list`,
          );
        }
        this.#address = parseAddress(master, this.#configured.port);
      }
    }
  }

  /** Records a new session. A session that cannot be recorded would be lost at a crash, so it is ended at once. */
  async #record(session: string): Promise<void> {
    try {
      await this.#options.sessions?.add(session);
    } catch (thrown) {
      await this.#logout(session).catch(() => undefined);
      throw thrown;
    }
  }

  /** Ends the session at the server. Resolves with true when the session has ended, now or before. */
  async #logout(session: string): Promise<boolean> {
    return this.#send("session.logout", [session], { timeoutMs: LOGOUT_TIMEOUT_MS }).then(
      () => true,
      (thrown) => thrown instanceof XapiError && thrown.code === "SESSION_INVALID",
    );
  }

  /**
   * Ends `session`, which is the current session or was left by a crash, and removes it from the session store. Never
   * rejects; on failure the session stays in the store.
   */
  async endSession(session: string): Promise<void> {
    if (await this.#logout(session)) await this.#options.sessions?.remove(session);
  }
}
