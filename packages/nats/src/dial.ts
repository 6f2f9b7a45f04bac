/**
 * How the bus and the reading thread connect to NATS: the settings become options of the NATS client.
 *
 * One connection has one list of servers, but each URL may have a login of its own. The client asks for a login
 * without naming the server. The client announces the next server through a hook, so the hook remembers that server.
 */
import type { IdentityMode } from "@bioxen/contracts";
import {
  type Auth,
  type ConnectionOptions,
  type Server,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/nats-core";
import { readCredentials, TRANSPORT, tlsOptions, tlsProblems } from "#platform";
import {
  type ConnectionSettings,
  ConnectionSettingsError,
  OPTION_NAMES,
  type SettingNames,
  type SettingProblem,
} from "./connection-settings.ts";
import { CredentialSource, isSecretText } from "./credentials.ts";
import { parseServers, type ServerAddress, type UrlLogin } from "./server-url.ts";

export interface BusOptions extends ConnectionSettings {
  /** Name of the service or tool, shown by the server's monitoring. */
  readonly name: string;
  /** Name of the service whose connection it is; absent for tools and clients. Calls carry it. */
  readonly service?: string;
  /** Whether the server names agents in the subjects of their telemetry; default `open`: it does not. */
  readonly identities?: IdentityMode;
  readonly connectTimeoutMs?: number;
  /** Longest wait for one answer of JetStream, ms; default: the client's, 5 s. */
  readonly requestTimeoutMs?: number;
}

/** Returns the host of an address such as `127.0.0.1:4222` or `[::1]:4222`. */
function hostOf(address: string | undefined): string | undefined {
  return address?.slice(0, address.lastIndexOf(":")).replaceAll(/[[\]]/g, "");
}

/** A JetStream domain is one token of a subject. */
const DOMAIN = /^[^\s.*>]+$/;

/** Returns everything that is wrong with the settings; empty when a connection can be tried. Reads the files. */
export function connectionProblems(settings: ConnectionSettings): readonly SettingProblem[] {
  try {
    new Dialling(settings);
    return [];
  } catch (thrown) {
    if (thrown instanceof ConnectionSettingsError) return thrown.problems;
    throw thrown;
  }
}

/** The checked settings of one connection, and the logins with which the client dials each server. */
export class Dialling {
  readonly settings: ConnectionSettings;
  readonly names: SettingNames;
  readonly addresses: readonly ServerAddress[];
  readonly #credentials: CredentialSource | undefined;
  /** The server that the client dialled last, as the client names it. */
  #dialled: string | undefined;

  /** Throws {@link ConnectionSettingsError} with every problem of the settings. */
  constructor(settings: ConnectionSettings) {
    this.settings = settings;
    this.names = settings.names ?? OPTION_NAMES;
    const { addresses, problems } = parseServers(settings.servers);
    this.addresses = addresses;
    const found = problems.map((message): SettingProblem => ({ path: this.names.servers, message }));
    if (TRANSPORT === "tcp" && addresses.some(({ url }) => /^wss?:/.test(url))) {
      found.push({
        path: this.names.servers,
        message: "ws:// and wss:// are for browsers: use nats:// or tls://",
      });
    }
    this.#credentials = this.#openCredentials(found);
    found.push(...tlsProblems(settings.tls, this.names));
    if (settings.domain !== undefined && !DOMAIN.test(settings.domain)) {
      found.push({ path: this.names.domain, message: "must be one word without blank, dot, * and >" });
    }
    if (found.length > 0) throw new ConnectionSettingsError(found);
  }

  #openCredentials(problems: SettingProblem[]): CredentialSource | undefined {
    const { creds } = this.settings;
    if (creds === undefined) return undefined;
    const path = this.names.creds;
    const isText = isSecretText(creds);
    // A secret in a variable or a flag can be read in the list of processes.
    if (isText && path !== OPTION_NAMES.creds) {
      problems.push({ path, message: "must be the path of a file, not the credentials themselves" });
      return undefined;
    }
    try {
      return new CredentialSource(() => readCredentials(creds));
    } catch (thrown) {
      const { message } = thrown as Error;
      const subject = message.startsWith("cannot read") || isText ? "" : `${creds} `;
      problems.push({ path, message: `${subject}${message}` });
      return undefined;
    }
  }

  /** The URLs of the servers without their user parts, separated by commas. */
  get shown(): string {
    return this.addresses.map(({ url }) => url).join(",");
  }

  /** True when the connection must be encrypted: one URL begins with `tls://`, or certificates are given. */
  get wantsTls(): boolean {
    return this.settings.tls !== undefined || this.addresses.some(({ secure }) => secure);
  }

  /** The name of the setting that requires TLS, for error texts. */
  get tlsWish(): string {
    const { tls } = this.settings;
    if (tls === undefined || this.addresses.some(({ secure }) => secure))
      return `tls:// in ${this.names.servers}`;
    return tls.ca === undefined ? this.names.cert : this.names.ca;
  }

  /** Returns the options of the client for these servers; every connection reads the credentials again. */
  options(name: string, addresses: readonly ServerAddress[] = this.addresses): ConnectionOptions {
    const tls = tlsOptions(this.settings.tls, this.wantsTls, () => hostOf(this.#dialled));
    return {
      servers: addresses.map(({ url }) => url),
      name,
      // Without this option, the client gives up for good after two refused logins in a row.
      ignoreAuthErrorAbort: true,
      reconnectToServer: (pool) => this.#remember(pool),
      authenticator: (nonce) => this.#authenticate(nonce),
      ...(tls === undefined ? {} : { tls }),
    };
  }

  #remember([next]: readonly Server[]): null {
    this.#dialled = next?.listen;
    return null;
  }

  /** True when the file of the credentials has others than those of the last login. */
  get hasNewCredentials(): boolean {
    return this.#credentials?.hasChanged ?? false;
  }

  #authenticate(nonce?: string): Auth {
    if (this.#credentials !== undefined) return this.#credentials.current().authenticate(nonce);
    const login = this.#login();
    if (login === undefined) return undefined;
    return login.kind === "token"
      ? tokenAuthenticator(login.token)()
      : usernamePasswordAuthenticator(login.user, login.password)();
  }

  /**
   * The login for the server that the client dials. For a server that only the cluster has announced, this is the first
   * login in the list of servers.
   */
  #login(): UrlLogin | undefined {
    const own = this.addresses.find(({ listen }) => listen === this.#dialled);
    return own === undefined ? this.addresses.find(({ login }) => login !== undefined)?.login : own.login;
  }

  /** Returns the sentence about a login that the server refused: user, setting and remedy, and never a secret. */
  refusedLogin(): string {
    const server = this.addresses.find(({ listen }) => listen === this.#dialled)?.url ?? this.#dialled;
    const reached = `the NATS server ${server ?? this.shown} was reached, but refused the login`;
    const { names } = this;
    if (this.#credentials !== undefined) {
      const { user, expiresAtMs } = this.#credentials.last;
      const { creds = "" } = this.settings;
      const where = isSecretText(creds) ? names.creds : `${names.creds} (${creds})`;
      return expiresAtMs !== undefined && expiresAtMs <= Date.now()
        ? `${reached} of user ${user}: the credentials of ${where} expired at ${new Date(expiresAtMs).toISOString()}: renew them`
        : `${reached} of user ${user}: check the credentials of ${where}`;
    }
    const login = this.#login();
    if (login?.kind === "password")
      return `${reached} of user ${login.user}: check user and password in ${names.servers}`;
    if (login?.kind === "token") return `${reached} by token: check the token in ${names.servers}`;
    if (this.settings.tls?.cert !== undefined)
      return `${reached} by certificate: check the certificate of ${names.cert}, or name credentials with ${names.creds}`;
    return `${reached} without credentials: name a credentials file with ${names.creds}, or write user:password@ or token@ before the host in ${names.servers}`;
  }
}
