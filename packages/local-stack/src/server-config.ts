/**
 * The configuration of the stack's nats-server, as a text, and its check by the server itself.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { Fault, messageOf } from "@bioxen/kernel";
import type { ServerBinary } from "./server-binary.ts";
import { serverEnvironment } from "./server-environment.ts";

/** The server and its WebSocket listener are reachable from this machine only. */
export const HOST = "127.0.0.1";
/**
 * Limit of the server's file store. It is above the size of every disk, so that the disk itself is the limit. The
 * server's default limit is three quarters of the disk space that is free at its start, and the data that it already
 * stores counts towards that limit. A store above three sevenths of the disk would therefore refuse every append after
 * a restart.
 */
const MAX_FILE_STORE = "1024TB";
/** Longest check of a configuration, ms: the server reads a few files. */
const CHECK_TIMEOUT_MS = 20_000;

/** Paths of the PEM files of a server with TLS. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  /** Authority of the clients: when given, the server accepts only clients with a certificate of this authority. */
  readonly clientAuthority?: string | undefined;
}

/** A listener for browsers. */
export interface WebSocketOptions {
  readonly port: number;
  /** Origins of the pages that may connect, such as `http://localhost:8080`. At least one. */
  readonly allowedOrigins: readonly string[];
}

export interface ServerSettings {
  readonly dataDir: string;
  readonly port: number;
  readonly durability: "always" | "relaxed";
  readonly tls?: ServerTls | undefined;
  readonly websocket?: WebSocketOptions | undefined;
}

/** A text in the syntax of the server's configuration, which is that of JSON for texts and lists of texts. */
const quoted = (value: string | readonly string[]) => JSON.stringify(value);

export function configOf({ dataDir, port, durability, tls, websocket }: ServerSettings): string {
  // `always`: an acknowledged append is on disk. By default the server syncs every 2 minutes, so that a power cut can
  // lose up to 2 minutes of appends.
  const sync = durability === "always" ? "\n  sync_interval: always" : "";
  return `listen: ${quoted(`${HOST}:${port}`)}
jetstream {
  store_dir: ${quoted(join(dataDir, "jetstream"))}
  max_file_store: ${MAX_FILE_STORE}${sync}
}
${tls === undefined ? "" : tlsBlock(tls)}${websocket === undefined ? "" : webSocketBlock(websocket, tls)}`;
}

function tlsBlock({ cert, key, clientAuthority }: ServerTls): string {
  const verify =
    clientAuthority === undefined ? "" : `\n  ca_file: ${quoted(clientAuthority)}\n  verify: true`;
  return `tls {
  cert_file: ${quoted(cert)}
  key_file: ${quoted(key)}${verify}
}
`;
}

/**
 * An empty list of origins would admit every page on the web, so that a list is required. `same_origin` is no substitute:
 * a page whose host name was pointed to 127.0.0.1 (DNS rebinding) has the origin of the listener. A request without an
 * origin comes from no browser, and the server admits it.
 */
function webSocketBlock({ port, allowedOrigins }: WebSocketOptions, tls: ServerTls | undefined): string {
  if (allowedOrigins.length === 0) throw new TypeError("a WebSocket listener needs an allowed origin");
  const encryption = tls === undefined ? "no_tls: true\n" : tlsBlock(tls);
  return `websocket {
listen: ${quoted(`${HOST}:${port}`)}
allowed_origins: ${quoted(allowedOrigins)}
${encryption}}
`;
}

export function webSocketUrl({ port }: WebSocketOptions, tls: ServerTls | undefined): string {
  return `${tls === undefined ? "ws" : "wss"}://${HOST}:${port}`;
}

/** Throws `Fault` BAD_REQUEST, with the words of the server, when the server does not accept the configuration. */
export async function checkConfiguration({ path }: ServerBinary, configFile: string): Promise<void> {
  try {
    // The arguments must not end like those of a running server (leftovers.ts).
    await promisify(execFile)(path, ["-c", configFile, "-t"], {
      timeout: CHECK_TIMEOUT_MS,
      env: serverEnvironment(),
    });
  } catch (cause) {
    const { stderr = "" } = cause as { readonly stderr?: string };
    const reason = stderr.trim() || messageOf(cause);
    const message = `nats-server does not accept its configuration: ${reason}`;
    throw new Fault("BAD_REQUEST", message, { retryable: false, cause });
  }
}
