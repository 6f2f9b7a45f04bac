/**
 * The schemas of certificates in the output of `bioxen certs` and `bioxen up`.
 */
import * as z from "zod";

const certificate = z.object({
  kind: z.enum(["authority", "server", "client"]),
  file: z.string(),
  keyFile: z.string(),
  subject: z.string(),
  names: z.array(z.string()),
  notBeforeMs: z.int(),
  expiresAtMs: z.int(),
  fingerprint: z.string().meta({ description: "SHA-256 of the certificate, as AA:BB:…" }),
  /** `expiring`: for less than 14 days. */
  validity: z.enum(["valid", "expiring", "expired", "not yet valid"]),
  problems: z.array(z.string()),
});

export const certificates = { dir: z.string(), certificates: z.array(certificate) };

/** Files with which clients connect to a stack with TLS; `cert` and `key` with mutual TLS. */
export const tlsFiles = z.object({ ca: z.string(), cert: z.string().optional(), key: z.string().optional() });
