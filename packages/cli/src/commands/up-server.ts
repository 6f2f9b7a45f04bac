/**
 * How clients reach the server of `bioxen up`: TLS, and a listener for browsers.
 */
import type { LocalStackOptions } from "@bioxen/local-stack";
import { type Command, InvalidArgumentError } from "commander";
import { usage } from "../outcome.ts";
import { portOption } from "../parse.ts";

export interface ServerOptions {
  readonly tls?: boolean;
  readonly mtls?: boolean;
  readonly websocket?: number;
  readonly allowedOrigin?: readonly string[];
}

export function withServerOptions(command: Command): Command {
  return command
    .option("--tls", "encrypt all connections; certificates are made in certs of the data directory")
    .option("--mtls", "as --tls, and accept only clients with a certificate of the stack's authority")
    .option("--websocket <port>", "also listen for browsers on this port of 127.0.0.1", portOption)
    .option(
      "--allowed-origin <url...>",
      "origins whose pages may connect by WebSocket, such as http://localhost:8080",
      originOption,
    );
}

/** Adds one origin, such as `https://console.example`, to those before. */
function originOption(text: string, before: readonly string[] = []): string[] {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isWeb = url?.protocol === "http:" || url?.protocol === "https:";
  // An origin has no path. `URL` writes one for a host without a path.
  if (url === undefined || !isWeb || url.href !== `${url.origin}/` || text.includes("*")) {
    throw new InvalidArgumentError("must be scheme, host and port of a page, such as http://localhost:8080.");
  }
  return [...before, url.origin];
}

/** Returns the options of the stack. A listener without origins, or origins without a listener, are wrong usage. */
export function serverOptionsOf(options: ServerOptions): Pick<LocalStackOptions, "tls" | "websocket"> {
  const { tls, mtls, websocket: port, allowedOrigin: allowedOrigins = [] } = options;
  if (port !== undefined && allowedOrigins.length === 0) {
    throw usage("--websocket needs --allowed-origin: every page on the web could connect otherwise");
  }
  if (port === undefined && allowedOrigins.length > 0) throw usage("--allowed-origin needs --websocket");
  return {
    tls: mtls === true ? "mutual" : tls === true ? "server" : undefined,
    websocket: port === undefined ? undefined : { port, allowedOrigins },
  };
}
