/**
 * The first connection of a process. The process waits for an absent server, which may still be starting. It does not
 * wait for a server that refuses: with the same settings, the server would refuse again.
 *
 * The servers are dialled one after the other, because the client of NATS reports only its last failure. With a list of
 * servers, the client could report a server that is down, and not the login that another server refused.
 */
import { Fault, messageOf } from "@bioxen/kernel";
import {
  AuthorizationError,
  type ConnectionOptions,
  type NatsConnection,
  TimeoutError,
  UserAuthenticationExpiredError,
} from "@nats-io/nats-core";
import { connect, handshakeFailure } from "#platform";
import { ConnectionRefused, type SettingNames } from "./connection-settings.ts";
import type { Dialling } from "./dial.ts";
import type { ServerAddress } from "./server-url.ts";
import { sleep } from "./sleep.ts";

/** Wait after every server of the list has failed, before all of them are tried again, ms. */
const RETRY_WAIT_MS = 250;
/**
 * Longest attempt to connect to one server, ms; then the next server is tried. No other time limit ends an attempt
 * whose connection is cut during the NATS handshake.
 */
const DIAL_TIMEOUT_MS = 2_000;
const SHORTEST_DIAL_MS = 100;

/** Errors of Node's TLS about the server's certificate that do not begin with `CERT_`. */
const CERTIFICATE_ERRORS: readonly string[] = [
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "HOSTNAME_MISMATCH",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
];

export interface FirstConnectionOptions {
  readonly dialling: Dialling;
  readonly client: ConnectionOptions & { readonly name: string };
  readonly timeoutMs: number;
}

/**
 * Tries the servers in random order, and returns a connection to the first server that accepts. Throws
 * {@link ConnectionRefused} when no server of the list accepts and at least one of them refuses. Throws `Fault`
 * UNAVAILABLE when no server answers within `timeoutMs`.
 */
export async function firstConnection(options: FirstConnectionOptions): Promise<NatsConnection> {
  const { dialling, client, timeoutMs } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const refusals: ConnectionRefused[] = [];
    let last: unknown;
    for (const address of shuffled(dialling.addresses)) {
      const left = deadline - performance.now();
      const timeout = Math.max(SHORTEST_DIAL_MS, Math.min(DIAL_TIMEOUT_MS, left));
      try {
        if (dialling.wantsTls) await checkHandshake(dialling, address);
        const connection = await connect({
          ...client,
          ...dialling.options(client.name, [address]),
          timeout,
          // With the servers that a cluster announces, the client of NATS goes from one refusal to the next without end.
          ignoreClusterUpdates: true,
        });
        useAll(connection, dialling.addresses);
        return connection;
      } catch (cause) {
        const refusal = await refusalOf(dialling, address, cause);
        if (refusal === undefined) last = cause;
        else refusals.push(refusal);
      }
    }
    const [first] = refusals;
    if (first !== undefined) throw first;
    if (performance.now() + RETRY_WAIT_MS >= deadline) {
      throw new Fault("UNAVAILABLE", `no NATS server answers at ${dialling.shown}: ${messageOf(last)}`, {
        retryable: true,
        cause: last,
      });
    }
    await sleep(RETRY_WAIT_MS);
  }
}

/** Gives the connection all servers of the list, in addition to the servers that the cluster has announced to it. */
function useAll(connection: NatsConnection, addresses: readonly ServerAddress[]): void {
  const listed = addresses.map(({ listen }) => listen);
  const announced = (connection.info?.connect_urls ?? []).filter((listen) => !listed.includes(listen));
  if (addresses.length + announced.length === 1) return;
  connection.setServers([...addresses.map(({ url }) => url), ...announced]);
}

/** Returns true when the server has refused the login; false when the login only timed out. */
export function isRefusedLogin(cause: unknown): cause is Error {
  if (cause instanceof UserAuthenticationExpiredError) return true;
  return cause instanceof AuthorizationError && !/authentication timeout/i.test(cause.message);
}

/** Returns the refusal by which the attempt failed; undefined when the server did not refuse, and a retry may help. */
async function refusalOf(
  dialling: Dialling,
  address: ServerAddress,
  cause: unknown,
): Promise<ConnectionRefused | undefined> {
  if (cause instanceof ConnectionRefused) return cause;
  if (isRefusedLogin(cause)) return new ConnectionRefused("login", dialling.refusedLogin(), cause);
  const { names } = dialling;
  const reached = `the NATS server ${address.url} was reached`;
  const tls = (text: string) => new ConnectionRefused("tls", `${reached}, but ${text}`, cause);
  if (/does not support 'tls'/.test(messageOf(cause))) {
    return tls(
      `offers no TLS, and ${dialling.tlsWish} asks for it: enable TLS on the server, or connect without it`,
    );
  }
  const code = codeOf(cause);
  if (isCertificateError(code)) {
    return tls(`its certificate is not accepted (${messageOf(cause)}): ${certificateRemedy(code, names)}`);
  }
  // A time-out can hide a failed TLS handshake: the server may require TLS although the settings do not. With settings
  // that require TLS, the handshake was checked before.
  return cause instanceof TimeoutError && !dialling.wantsTls
    ? refusedHandshake(dialling, address)
    : undefined;
}

function certificateRemedy(code: string, names: SettingNames): string {
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return `name the server in ${names.servers} as its certificate does`;
  }
  if (code === "CERT_HAS_EXPIRED") return "renew the certificate of the server";
  if (code === "CERT_NOT_YET_VALID") return "compare the clocks of both machines";
  return `name the authority that signed it with ${names.ca}`;
}

/** Throws {@link ConnectionRefused} when the server ends the TLS handshake because of the client's certificate. */
async function checkHandshake(dialling: Dialling, address: ServerAddress): Promise<void> {
  const refusal = await refusedHandshake(dialling, address);
  if (refusal !== undefined) throw refusal;
}

async function refusedHandshake(
  { names, settings }: Dialling,
  address: ServerAddress,
): Promise<ConnectionRefused | undefined> {
  const failure = await handshakeFailure(address, settings.tls);
  if (failure === undefined || isCertificateError(failure.code)) return undefined;
  const problem =
    settings.tls?.cert === undefined
      ? `asks for a client certificate: name certificate and key with ${names.cert} and ${names.key}`
      : `ended the TLS handshake (${failure.reason}): check the client certificate of ${names.cert}`;
  return new ConnectionRefused("tls", `the NATS server ${address.url} was reached, but ${problem}`);
}

function isCertificateError(code: string): boolean {
  return code.startsWith("CERT_") || CERTIFICATE_ERRORS.includes(code);
}

/** Returns the first error code of Node in an error and its causes; empty when none of them has a code. */
function codeOf(thrown: unknown): string {
  for (let at = thrown; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === "string") return code;
  }
  return "";
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
