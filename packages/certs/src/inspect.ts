/**
 * Reads certificates: subject, names, lifetime and fingerprint.
 *
 * This module uses Node only. It is an entry of its own, because `bioxen doctor` reads certificates and makes none: the
 * library that makes them takes 0.2 s to load.
 */
import { X509Certificate } from "node:crypto";

export const DAY_MS = 86_400_000;
/** A certificate that expires within this time is reported as expiring, ms: two weeks to replace it by hand. */
export const EXPIRING_MS = 14 * DAY_MS;

/** One certificate. */
export interface CertificateFacts {
  /** Common name of the subject; the whole subject when it has no common name. */
  readonly subject: string;
  /** DNS names and IP addresses for which the certificate is valid; empty for a certificate without names. */
  readonly names: readonly string[];
  readonly notBeforeMs: number;
  readonly expiresAtMs: number;
  /** SHA-256 of the certificate as `AA:BB:…`. */
  readonly fingerprint: string;
}

export type Validity = "valid" | "expiring" | "expired" | "not yet valid";

/** Returns the facts of the first certificate in a PEM text. Throws an error when the text has no certificate. */
export function factsOf(pem: string): CertificateFacts {
  const certificate = new X509Certificate(pem);
  return {
    subject: commonNameOf(certificate.subject),
    names: namesOf(certificate.subjectAltName),
    notBeforeMs: Date.parse(certificate.validFrom),
    expiresAtMs: Date.parse(certificate.validTo),
    fingerprint: certificate.fingerprint256,
  };
}

/** Returns the facts of each certificate in a PEM text. Throws an error when a certificate is malformed. */
export function allFactsOf(pem: string): CertificateFacts[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map(factsOf);
}

export function validityOf(
  { notBeforeMs, expiresAtMs }: Pick<CertificateFacts, "notBeforeMs" | "expiresAtMs">,
  nowMs: number,
): Validity {
  if (nowMs < notBeforeMs) return "not yet valid";
  if (nowMs >= expiresAtMs) return "expired";
  return expiresAtMs - nowMs < EXPIRING_MS ? "expiring" : "valid";
}

/** Returns when the certificate expires, such as `2027-11-29 (in 364 days)` or `2026-11-01 (28 days ago)`. */
export function expiryWords(expiresAtMs: number, nowMs: number): string {
  const date = new Date(expiresAtMs).toISOString().slice(0, 10);
  const days = Math.round(Math.abs(expiresAtMs - nowMs) / DAY_MS);
  const counted = `${days} ${days === 1 ? "day" : "days"}`;
  return `${date} (${expiresAtMs > nowMs ? `in ${counted}` : `${counted} ago`})`;
}

function commonNameOf(subject: string): string {
  return /^CN=(.*)$/m.exec(subject)?.[1] ?? subject.replaceAll("\n", ", ");
}

/** Parses Node's text of the names, such as `DNS:localhost, IP Address:127.0.0.1`. */
function namesOf(text: string | undefined): string[] {
  if (text === undefined) return [];
  return text.split(", ").map((entry) => {
    const name = entry.slice(entry.indexOf(":") + 1);
    // Node writes ::1 as 0:0:0:0:0:0:0:1.
    return entry.startsWith("IP Address:") && name.includes(":")
      ? new URL(`http://[${name}]`).hostname.slice(1, -1)
      : name;
  });
}
