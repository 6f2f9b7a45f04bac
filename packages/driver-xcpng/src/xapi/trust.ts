/**
 * Whom a connection may be with: a pool's certificates are self-signed more often than not, so one is trusted because an
 * operator named its fingerprint, or the authority that signed it.
 *
 * A fingerprint alone verifies nothing until the certificate is there to compare. So the first contact with a host is
 * a handshake that carries no byte of ours; the certificate it shows is compared, and becomes the only anchor of the agent
 * that every request then uses. Checking in `secureConnect` of the request itself does not work: a kept-alive socket never
 * fires it again. One agent per host: sockets of different pins never mix.
 */
import { Agent } from "node:https";
import { connect, type PeerCertificate } from "node:tls";
import { XapiUnreachable } from "./errors.ts";

export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

export type Trust =
  /** SHA-256 fingerprints by host; `*` is the pin of the address that was configured. */
  | { readonly kind: "pins"; readonly pins: ReadonlyMap<string, string> }
  /** PEM of the authority that signed the pool's certificates. */
  | { readonly kind: "ca"; readonly pem: string }
  /** Authorities this machine trusts anyway. */
  | { readonly kind: "system" }
  /** Whoever answers. Only where it was said in so many words. */
  | { readonly kind: "insecure" };

/** Longest first handshake, ms. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Connections kept open to one host. */
const MAX_SOCKETS = 64;
const IDLE_SOCKET_MS = 30_000;
const FINGERPRINT = /^[0-9A-F]{64}$/;

/** `AA:BB…` in upper case with colons; undefined unless it is 32 bytes in hexadecimal, with or without colons. */
export function normalFingerprint(text: string): string | undefined {
  const plain = text.trim().replaceAll(":", "").toUpperCase();
  return FINGERPRINT.test(plain) ? plain.replaceAll(/..(?!$)/g, "$&:") : undefined;
}

/** `SHA256` of the configured address, and `host=SHA256` of other members, by commas. Throws `RangeError`, every problem named. */
export function parsePins(text: string): ReadonlyMap<string, string> {
  const pins = new Map<string, string>();
  const problems: string[] = [];
  for (const part of text.split(",").filter((one) => one.trim() !== "")) {
    const split = part.lastIndexOf("=");
    const host = split < 0 ? "*" : part.slice(0, split).trim();
    const pin = normalFingerprint(part.slice(split + 1));
    if (pin === undefined)
      problems.push(`"${part.trim()}" is no SHA-256 fingerprint: 64 hexadecimal digits, colons allowed`);
    else if (pins.has(host))
      problems.push(`the fingerprint of ${host === "*" ? "the pool's address" : host} is given twice`);
    else pins.set(host, pin);
  }
  if (pins.size === 0 && problems.length === 0) problems.push("no fingerprint is given");
  if (problems.length > 0) throw new RangeError(problems.join("; "));
  return pins;
}

export class TrustedAgents {
  readonly #trust: Trust;
  readonly #configured: HostAddress;
  readonly #agents = new Map<string, Promise<Agent>>();

  constructor(trust: Trust, configured: HostAddress) {
    this.#trust = trust;
    this.#configured = configured;
  }

  /** The agent of this host. Throws `XapiUnreachable`: "trust" when it is not who it should be. */
  agentOf(address: HostAddress): Promise<Agent> {
    const key = `${address.host}:${address.port}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const made = this.#make(address);
    this.#agents.set(key, made);
    made.catch(() => this.#agents.delete(key));
    return made;
  }

  /** The certificate may have been replaced: compared again at the next contact. */
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
        const certificate = await shownBy(address);
        const shown = certificate.fingerprint256;
        if (shown !== pin) {
          throw new XapiUnreachable(
            "trust",
            `${address.host} shows a certificate with fingerprint ${shown}, not the configured ${pin}: if it was renewed, ` +
              "compare with `openssl x509 -in /etc/xensource/xapi-ssl.pem -noout -fingerprint -sha256` on the host and configure " +
              "the new one; if not, somebody else answers",
          );
        }
        // The certificate itself is the anchor, whoever signed it; its dates are still checked.
        const options = { ...common, ca: pemOf(certificate.raw), allowPartialTrustChain: true };
        const checkServerIdentity = (_host: string, peer: PeerCertificate): Error | undefined =>
          peer.fingerprint256 === pin ? undefined : new Error("another certificate than the pinned one");
        return new Agent({ ...options, checkServerIdentity });
      }
    }
  }

  #pinOf(address: HostAddress, pins: ReadonlyMap<string, string>): string {
    const own = pins.get(address.host);
    if (own !== undefined) return own;
    const general = pins.get("*");
    if (general !== undefined && address.host === this.#configured.host) return general;
    throw new XapiUnreachable(
      "trust",
      `the pool's master is ${address.host}, and no fingerprint of it is configured: add ` +
        `${address.host}=SHA256 to the fingerprints, or configure the authority of the pool's certificates`,
    );
  }
}

export function pemOf(der: Buffer): string {
  // No empty line at the end, whatever the length: OpenSSL takes none, and would trust nobody.
  const lines =
    der
      .toString("base64")
      .match(/.{1,64}/g)
      ?.join("\n") ?? "";
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

/** The certificate a host shows. Nothing is sent to it, so nothing is lost when it is somebody else. */
function shownBy({ host, port }: HostAddress): Promise<PeerCertificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
    const fail = (why: string, cause?: unknown): void => {
      socket.destroy();
      reject(new XapiUnreachable("connection", `${host}:${port} ${why}`, cause));
    };
    socket.setTimeout(HANDSHAKE_TIMEOUT_MS, () =>
      fail(`gave no certificate within ${HANDSHAKE_TIMEOUT_MS} ms`),
    );
    socket.once("error", (error) => fail(`cannot be reached: ${error.message}`, error));
    socket.once("secureConnect", () => {
      const certificate = socket.getPeerCertificate();
      socket.destroy();
      if (certificate.raw === undefined) fail("shows no certificate");
      else resolve(certificate);
    });
  });
}

/** What a failed handshake means, in words that say what to do; undefined when it was no matter of trust. */
export function trustProblem(error: unknown, { host }: HostAddress): string | undefined {
  const { code, message } = error as { code?: unknown; message?: unknown };
  switch (code) {
    case "CERT_HAS_EXPIRED":
      return `the certificate of ${host} has expired: renew it on the host (xe host-refresh-server-certificate, or host-emergency-reset-server-certificate), then configure its new fingerprint`;
    case "CERT_NOT_YET_VALID":
      return `the certificate of ${host} is not valid yet: one of the two clocks is wrong`;
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
      return `nobody trusted has signed the certificate of ${host}: configure its fingerprint, or the authority (CA) that signed it`;
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `the certificate of ${host} is of another name: configure its fingerprint instead of the authority (${String(message)})`;
    default:
      return message === "another certificate than the pinned one"
        ? `${host} shows another certificate than at the first contact`
        : undefined;
  }
}
