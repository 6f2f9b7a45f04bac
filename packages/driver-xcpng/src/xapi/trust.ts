/**
 * Trust in a pool's TLS certificates. Most are self-signed, so an operator configures the fingerprint of a certificate
 * or the authority that signed it.
 *
 * Pinning needs the certificate itself. The first contact with a host is therefore a bare TLS handshake that sends no
 * data. If the presented certificate matches the pin, it becomes the only trust anchor of the HTTPS agent for that
 * host. A check in the `secureConnect` event of a request is not enough, because a reused socket does not emit it
 * again. Each host has its own agent, so that sockets with different pins never mix.
 */
import { Agent } from "node:https";
import { connect, type PeerCertificate } from "node:tls";
import { XapiUnreachable } from "./errors.ts";

export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

export type Trust =
  /** Accepts the certificates with these SHA-256 fingerprints, by host. The host `*` is the configured address. */
  | { readonly kind: "pins"; readonly pins: ReadonlyMap<string, string> }
  /** Accepts certificates that one authority signed; `pem` is the certificate of that authority. */
  | { readonly kind: "ca"; readonly pem: string }
  /** Accepts certificates from the authorities that this machine trusts. */
  | { readonly kind: "system" }
  /** Accepts every certificate; used only with BIOXEN_XCPNG_INSECURE=yes. */
  | { readonly kind: "insecure" };

/** Deadline of the handshake at the first contact, ms. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Maximum number of sockets to one host. It exceeds the throttle's limit of calls in flight, so it delays no call. */
const MAX_SOCKETS = 64;
/** An idle socket is closed after this time, ms. */
const IDLE_SOCKET_MS = 30_000;
const FINGERPRINT = /^[0-9A-F]{64}$/;
/** What `openssl x509 -fingerprint -sha256` prints before the fingerprint, at the end of the text before the last `=`. */
const OPENSSL_PREFIX = /(?:^|=)\s*sha-?256 fingerprint\s*$/i;
/** Message of the error that the identity check returns to Node when a host's certificate differs from its pin. */
const NOT_PINNED = "the certificate is not the pinned one";

/**
 * Returns the fingerprint in the form `AA:BB…`; undefined unless `text` is 32 bytes in hexadecimal, with or without
 * colons.
 */
export function normalFingerprint(text: string): string | undefined {
  const plain = text.trim().replaceAll(":", "").toUpperCase();
  return FINGERPRINT.test(plain) ? plain.replaceAll(/..(?!$)/g, "$&:") : undefined;
}

/**
 * Parses a comma-separated list: `SHA256` for the configured address, `host=SHA256` for other members. The line that
 * openssl prints (`sha256 Fingerprint=AA:BB…`) may stand for `SHA256`. Throws `RangeError` that lists every problem.
 */
export function parsePins(text: string): ReadonlyMap<string, string> {
  const pins = new Map<string, string>();
  const problems: string[] = [];
  for (const part of text.split(",").filter((one) => one.trim() !== "")) {
    const split = part.lastIndexOf("=");
    const host = part.slice(0, Math.max(0, split)).replace(OPENSSL_PREFIX, "").trim() || "*";
    const pin = normalFingerprint(part.slice(split + 1));
    if (pin === undefined)
      problems.push(
        `"${part.trim()}" is not a SHA-256 fingerprint: use 64 hexadecimal digits, with or without colons`,
      );
    else if (pins.has(host))
      problems.push(
        `the fingerprint of ${host === "*" ? "the pool's address" : host} is listed twice: remove one`,
      );
    else pins.set(host, pin);
  }
  if (pins.size === 0 && problems.length === 0) problems.push("the list of fingerprints is empty");
  if (problems.length > 0) throw new RangeError(problems.join("; "));
  return pins;
}

export class TrustedAgents {
  readonly #trust: Trust;
  readonly #configured: HostAddress;
  readonly #agents = new Map<string, Promise<Agent>>();
  /** Fingerprints by host, from the records of a pool that is trusted. A configured fingerprint precedes them. */
  readonly #learned = new Map<string, string>();

  constructor(trust: Trust, configured: HostAddress) {
    this.#trust = trust;
    this.#configured = configured;
  }

  /**
   * Resolves with the HTTPS agent for this host. Rejects with `XapiUnreachable`, of kind "trust" when the host's
   * certificate is not trusted.
   */
  agentOf(address: HostAddress): Promise<Agent> {
    const key = `${address.host}:${address.port}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const made = this.#make(address);
    this.#agents.set(key, made);
    made.catch(() => this.#agents.delete(key));
    return made;
  }

  /**
   * Returns whether a host needs a fingerprint of its own: certificates are pinned one by one, and none is configured
   * for it.
   */
  needsPin(host: string): boolean {
    return this.#trust.kind === "pins" && !this.#trust.pins.has(host);
  }

  /** Trusts this certificate of a host from now on, unless a fingerprint is configured for the host. */
  learn(host: string, fingerprint: string): void {
    const before = this.#learned.get(host);
    this.#learned.set(host, fingerprint);
    if (before === undefined || before === fingerprint) return;
    for (const key of this.#agents.keys()) {
      if (key.startsWith(`${host}:`)) this.forget({ host, port: Number(key.slice(host.length + 1)) });
    }
  }

  /** Drops the host's agent, so that the next request compares its certificate again. */
  forget(address: HostAddress): void {
    const key = `${address.host}:${address.port}`;
    void this.#agents.get(key)?.then(
      (agent) => agent.destroy(),
      () => undefined,
    );
    this.#agents.delete(key);
  }

  close(): void {
    for (const made of this.#agents.values()) {
      made.then(
        (agent) => agent.destroy(),
        () => undefined,
      );
    }
    this.#agents.clear();
  }

  async #make(address: HostAddress): Promise<Agent> {
    const common = { keepAlive: true, maxSockets: MAX_SOCKETS, timeout: IDLE_SOCKET_MS };
    switch (this.#trust.kind) {
      case "system":
        return new Agent(common);
      case "ca":
        return new Agent({ ...common, ca: this.#trust.pem });
      case "insecure":
        return new Agent({ ...common, rejectUnauthorized: false });
      case "pins": {
        const pin = this.#pinOf(address, this.#trust.pins);
        const certificate = await certificateOf(address);
        const shown = certificate.fingerprint256;
        if (shown !== pin) {
          throw new XapiUnreachable(
            "trust",
            `the certificate of ${address.host} has fingerprint ${shown}, but ${pin} is configured. If the certificate was ` +
              "renewed, compare with `openssl x509 -in /etc/xensource/xapi-ssl.pem -noout -fingerprint -sha256` on the host and " +
              "configure the new fingerprint; if not, another machine answers at this address",
          );
        }
        // The certificate itself is the trust anchor, so its issuer does not matter; its dates are still checked.
        const options = { ...common, ca: pemOf(certificate.raw), allowPartialTrustChain: true };
        const checkServerIdentity = (_host: string, peer: PeerCertificate): Error | undefined =>
          peer.fingerprint256 === pin ? undefined : new Error(NOT_PINNED);
        return new Agent({ ...options, checkServerIdentity });
      }
    }
  }

  #pinOf(address: HostAddress, pins: ReadonlyMap<string, string>): string {
    const own = pins.get(address.host);
    if (own !== undefined) return own;
    const general = pins.get("*");
    if (general !== undefined && address.host === this.#configured.host) return general;
    const learned = this.#learned.get(address.host);
    if (learned !== undefined) return learned;
    throw new XapiUnreachable(
      "trust",
      `no fingerprint is known for the host ${address.host} of the pool: add ${address.host}=SHA256 to the ` +
        "fingerprints, or configure the authority of the pool's certificates",
    );
  }
}

/** Encodes a certificate in DER as PEM. */
export function pemOf(der: Buffer): string {
  // The base64 text never ends with an empty line, because OpenSSL rejects a certificate with such a line.
  const lines =
    der
      .toString("base64")
      .match(/.{1,64}/g)
      ?.join("\n") ?? "";
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

/** Resolves with the certificate that a host presents in a handshake. No application data is sent to the host. */
function certificateOf({ host, port }: HostAddress): Promise<PeerCertificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
    const fail = (why: string, cause?: unknown): void => {
      socket.destroy();
      reject(new XapiUnreachable("connection", `${host}:${port} ${why}`, cause));
    };
    socket.setTimeout(HANDSHAKE_TIMEOUT_MS, () =>
      fail(`did not complete a TLS handshake within ${HANDSHAKE_TIMEOUT_MS} ms`),
    );
    socket.once("error", (error) => fail(`is unreachable: ${error.message}`, error));
    socket.once("secureConnect", () => {
      const certificate = socket.getPeerCertificate();
      socket.destroy();
      if (certificate.raw === undefined) fail("presented no certificate");
      else resolve(certificate);
    });
  });
}

/**
 * Returns a sentence about the cause of a failed handshake and its remedy; undefined when the failure is not about
 * trust.
 */
export function trustProblem(error: unknown, { host }: HostAddress): string | undefined {
  const { code, message } = error as { code?: unknown; message?: unknown };
  switch (code) {
    case "CERT_HAS_EXPIRED":
      return `the certificate of ${host} has expired: renew it on the host (xe host-refresh-server-certificate, or host-emergency-reset-server-certificate), then configure its new fingerprint`;
    case "CERT_NOT_YET_VALID":
      return `the certificate of ${host} is not valid yet: correct the clock of the host or of this machine`;
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
      return `the certificate of ${host} is not signed by a trusted authority: configure its fingerprint, or the authority (CA) that signed it`;
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `the certificate of ${host} is for another name (${String(message)}): configure its fingerprint instead of the authority`;
    default:
      return message === NOT_PINNED
        ? `the certificate of ${host} has changed since the first contact`
        : undefined;
  }
}
