/**
 * The URLs of NATS servers, and the logins inside them: `nats://user:password@host:4222`, `tls://token@host`.
 *
 * A login is removed from its URL at once. The client of NATS gets the URL without the login, because its URL parser
 * takes a number in a password for the port. Error texts name the position of a malformed URL and quote nothing,
 * because any part of a malformed URL may contain a password.
 */

/** A login that a URL carries. */
export type UrlLogin =
  | { readonly kind: "password"; readonly user: string; readonly password: string }
  | { readonly kind: "token"; readonly token: string };

export interface ServerAddress {
  /** The URL without its user part: the only form for messages, logs and the client of NATS. */
  readonly url: string;
  /** Host and port, in the form in which the client of NATS names a server: `host:4222`, `[::1]:4222`. */
  readonly listen: string;
  /** True for `tls://` and `wss://`: the connection must be encrypted. */
  readonly secure: boolean;
  readonly login: UrlLogin | undefined;
}

export interface ServerList {
  readonly addresses: readonly ServerAddress[];
  /** Sentences without a subject, such as `URL 2 has no host`. They quote no part of a URL. */
  readonly problems: readonly string[];
}

const DEFAULT_PORT = "4222";
const WEB_PORTS: Readonly<Record<string, string>> = { ws: "80", wss: "443" };
const SCHEMES: readonly string[] = ["nats", "tls", "ws", "wss"];
const MAX_PORT = 65_535;

/**
 * Parses the URL or URLs of the servers. A text may name several, separated by commas; the elements of an array are one
 * URL each. Returns every problem.
 */
export function parseServers(servers: string | readonly string[]): ServerList {
  const parts = (typeof servers === "string" ? servers.split(",") : servers).map((part) => part.trim());
  const texts = parts.filter((part) => part !== "");
  if (texts.length === 0) return { addresses: [], problems: ["names no server"] };
  const addresses: ServerAddress[] = [];
  const problems: string[] = [];
  for (const [at, text] of texts.entries()) {
    const which = texts.length === 1 ? "the URL" : `URL ${at + 1}`;
    // The comma in the password of `nats://user:a,b@host` splits one URL into two texts. Without this check, `user:a`
    // would be taken for host and port.
    if (texts.length > 1 && text.includes("@") && !text.includes("://")) {
      problems.push(
        `${which} has a login and no scheme: write nats:// or tls:// before each URL, and %2C for a comma in a password`,
      );
      continue;
    }
    const parsed = addressOf(text);
    if (typeof parsed === "string") problems.push(`${which} ${parsed}`);
    else addresses.push(parsed);
  }
  return { addresses, problems };
}

/**
 * Returns the servers as messages, logs and output may show them: every URL without its user part, separated by commas.
 * A malformed list is not shown at all.
 */
export function shownServers(servers: string | readonly string[]): string {
  const { addresses, problems } = parseServers(servers);
  return problems.length > 0 ? "(a malformed URL)" : addresses.map(({ url }) => url).join(",");
}

/** True when one of the URLs carries a login. */
export function hasLogin(servers: string | readonly string[]): boolean {
  return parseServers(servers).addresses.some(({ login }) => login !== undefined);
}

/** Returns the address, or the problem of the URL. */
function addressOf(text: string): ServerAddress | string {
  const [, scheme = "", rest = ""] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(text) ?? [];
  const kind = scheme.toLowerCase() || "nats";
  if (!SCHEMES.includes(kind)) return `has an unknown scheme: use ${SCHEMES.join("://, ")}://`;
  if (/\s/.test(rest)) return "contains a blank";
  // The path of a WebSocket URL may contain an @. A NATS URL has no path, so its password may contain a slash.
  const isWeb = kind in WEB_PORTS;
  const pathAt = isWeb ? rest.search(/[/?#]/) : -1;
  const authority = pathAt === -1 ? rest : rest.slice(0, pathAt);
  const loginEnd = authority.lastIndexOf("@");
  const login = loginOf(authority.slice(0, Math.max(0, loginEnd)));
  if (login === "no user") return "has a password without a user";
  const host = hostOf(authority.slice(loginEnd + 1), isWeb ? (WEB_PORTS[kind] ?? "") : DEFAULT_PORT);
  if (host === undefined) return "has no valid host and port";
  const path = pathAt === -1 ? "" : rest.slice(pathAt);
  const shownScheme = scheme === "" ? "" : `${kind}://`;
  return {
    url: `${shownScheme}${authority.slice(loginEnd + 1).replace(/\/+$/, "")}${path}`,
    listen: host,
    secure: kind === "tls" || kind === "wss",
    login,
  };
}

function loginOf(text: string): UrlLogin | "no user" | undefined {
  if (text === "") return undefined;
  const colon = text.indexOf(":");
  if (colon === 0) return "no user";
  if (colon === -1) return { kind: "token", token: decoded(text) };
  return { kind: "password", user: decoded(text.slice(0, colon)), password: decoded(text.slice(colon + 1)) };
}

/** Decodes percent escapes such as `%40`. Returns a text with a malformed escape unchanged. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Returns `host:port`; a text without a port gets the default `port`. Returns undefined for a malformed text. */
function hostOf(text: string, port: string): string | undefined {
  const [, host = "", written] = /^(\[[0-9a-f:.]+\]|[^\s:/?#@[\]]+)(?::(\d+))?\/*$/i.exec(text) ?? [];
  if (host === "" || Number(written ?? port) > MAX_PORT || Number(written ?? port) === 0) return undefined;
  return `${host.toLowerCase()}:${Number(written ?? port)}`;
}
