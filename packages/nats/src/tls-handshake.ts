/**
 * Finds out why a server ends the TLS handshake. With TLS 1.3 a server checks the client's certificate only after the
 * client has finished its part. The client of NATS then sees no reason, and reports a time-out after two seconds.
 */

import { readFileSync } from "node:fs";
import { createConnection, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { TlsSettings } from "./connection-settings.ts";
import { tlsOptions } from "./secret-files.ts";
import type { ServerAddress } from "./server-url.ts";

/** Longest time for one check of a server's TLS handshake, ms. */
const LOOK_TIMEOUT_MS = 1_500;

export interface HandshakeFailure {
  /** Error code of Node. */
  readonly code: string;
  /** Reason of the TLS library, such as `tlsv1 alert unknown ca`; for other errors the text of the error. */
  readonly reason: string;
}

/**
 * Tries a TLS handshake with a server that requires client certificates, and resolves with the error that ends the
 * handshake. Resolves with undefined when the server requires no certificate, accepts the certificate of `tls`, or is
 * unreachable.
 */
export async function handshakeFailure(
  { listen }: ServerAddress,
  tls: TlsSettings | undefined,
): Promise<HandshakeFailure | undefined> {
  const colon = listen.lastIndexOf(":");
  const host = listen.slice(0, colon).replaceAll(/[[\]]/g, "");
  const socket = createConnection({ host, port: Number(listen.slice(colon + 1)) });
  const deadline = setTimeout(() => socket.destroy(), LOOK_TIMEOUT_MS);
  try {
    const { tls_verify } = await infoOf(socket);
    return tls_verify === true ? await alertOf(socket, host, tls) : undefined;
  } catch {
    return undefined;
  } finally {
    clearTimeout(deadline);
    socket.destroy();
  }
}

/** Reads the first line of the server, `INFO {…}`. */
function infoOf(socket: Socket): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    let text = "";
    const read = (chunk: Buffer) => {
      text += chunk.toString("utf8");
      const [, json] = /^INFO ([^\r\n]+)\r\n/.exec(text) ?? [];
      if (json === undefined) return;
      socket.off("data", read);
      try {
        resolve(JSON.parse(json) as Record<string, unknown>);
      } catch (thrown) {
        reject(thrown as Error);
      }
    };
    socket.on("data", read);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed")));
  });
}

/** An error of Node's TLS. `reason` is OpenSSL's; the message also has the file and line in OpenSSL's sources. */
interface TlsError extends NodeJS.ErrnoException {
  readonly reason?: string;
}

/**
 * Resolves with the error that ends the handshake. Resolves with undefined when the server accepts the client's
 * certificate, or when the socket is closed at the deadline.
 */
function alertOf(
  socket: Socket,
  host: string,
  tls: TlsSettings | undefined,
): Promise<HandshakeFailure | undefined> {
  return new Promise((resolve) => {
    const { caFile, certFile, keyFile, ...texts } = tlsOptions(tls, true, () => host) ?? {};
    const content = (path: string | undefined) => (path === undefined ? undefined : readFileSync(path));
    const secured = connectTls({
      socket,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...texts,
      ...(caFile === undefined ? {} : { ca: content(caFile) }),
      ...(certFile === undefined ? {} : { cert: content(certFile) }),
      ...(keyFile === undefined ? {} : { key: content(keyFile) }),
    });
    secured.once("error", ({ message, code = "", reason = message.trim() }: TlsError) =>
      resolve({ code, reason }),
    );
    // The server sends a ticket for the next session once it has accepted the certificate.
    secured.once("session", () => resolve(undefined));
    secured.once("close", () => resolve(undefined));
  });
}
