/**
 * The names under which browsers may reach the gateway.
 *
 * A page of another site can resolve its own name to 127.0.0.1 (DNS rebinding). Its requests then come from this
 * machine, but their header Host has the name of the site. A page of another site can also send requests to the right
 * name; their header Origin has the name of the site. Both headers are set by the browser, and no script can change them.
 */

/** The names of the loopback interface. */
const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"] as const;

/** Returns true for an address that only programs of this machine reach. */
export function isLoopback(host: string): boolean {
  return /^(?:127(?:\.\d{1,3}){3}|localhost|\[?::1\]?)$/.test(host);
}

/** Name and port, as the header Host has them: `localhost:7480`, and for port 80 also `localhost`. */
const HOST = /^(?:\[[0-9a-f:]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?$/;

/** Returns true for a name, with or without a port, that a header Host can have. */
export function isHostName(text: string): boolean {
  return HOST.test(text);
}

/** The names that the gateway answers to. */
export class KnownHosts {
  readonly #hosts: ReadonlySet<string>;

  /** `names` are further names as the browser shows them, with their port where it is not the usual one. */
  constructor(port: number, names: readonly string[]) {
    this.#hosts = new Set([...LOOPBACK.map((name) => `${name}:${port}`), ...names]);
  }

  /** Returns true when a header Host names the gateway. */
  hasHost(host: string | undefined): boolean {
    return host !== undefined && this.#hosts.has(host.toLowerCase());
  }

  /**
   * Returns true when a page of the gateway sends the request: `origin` has the name in the header Host. A console behind
   * a proxy with TLS has the scheme https.
   */
  isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
    if (origin === undefined || host === undefined || !this.hasHost(host)) return false;
    return [`http://${host}`, `https://${host}`].some((own) => own.toLowerCase() === origin.toLowerCase());
  }
}
