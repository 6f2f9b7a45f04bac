/**
 * Describes the certificates of a directory, and why one of them cannot be used.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { stat } from "node:fs/promises";
import { Fault } from "@bioxen/kernel";
import {
  AUTHORITY,
  certificateFile,
  existing,
  type Kind,
  keyFile,
  kindOf,
  readOf,
  stemsIn,
} from "./files.ts";
import { type CertificateFacts, factsOf, type Validity, validityOf } from "./inspect.ts";

export interface CertificateEntry extends CertificateFacts {
  readonly kind: Kind;
  /** Path of the certificate. */
  readonly file: string;
  /** Path of its private key. */
  readonly keyFile: string;
  readonly validity: Validity;
  /** Why the certificate should not be used as it is, besides its lifetime: a sentence for each reason. */
  readonly problems: readonly string[];
}

/**
 * Describes the certificates in the directory: authority, server, clients. Throws `Fault` BAD_REQUEST when the directory
 * has no authority, or when a certificate cannot be read.
 */
export async function showCertificates(dir: string, nowMs: number = Date.now()): Promise<CertificateEntry[]> {
  const stems = await stemsIn(dir);
  if (!stems.includes(AUTHORITY)) throw noAuthority(dir);
  const authority = await certificateIn(certificateFile(dir, AUTHORITY));
  return Promise.all(stems.map((stem) => entryOf(dir, stem, authority, nowMs)));
}

async function entryOf(
  dir: string,
  stem: string,
  authority: X509Certificate,
  nowMs: number,
): Promise<CertificateEntry> {
  const [file, key] = [certificateFile(dir, stem), keyFile(dir, stem)];
  const certificate = await certificateIn(file);
  const facts = factsOf(certificate.toString());
  const problems = [
    signatureProblem(certificate, authority),
    await keyProblem(key, certificate),
    await accessProblem(key),
  ];
  return {
    kind: kindOf(stem) ?? "client",
    file,
    keyFile: key,
    ...facts,
    validity: validityOf(facts, nowMs),
    problems: problems.filter((problem) => problem !== undefined),
  };
}

/** True when the directory exists and has the certificate of an authority. */
export async function hasAuthority(dir: string): Promise<boolean> {
  return (await existing(dir, [AUTHORITY])).includes(`${AUTHORITY}.pem`);
}

/** Returns the error for a directory in which `bioxen certs init` has made no authority. */
export function noAuthority(dir: string): Fault {
  const message = `${dir} has no ca.pem: make an authority with bioxen certs init --out ${dir}`;
  return new Fault("BAD_REQUEST", message, { retryable: false });
}

/** Reads a certificate. Throws `Fault` BAD_REQUEST, with the path, when the file has none. */
export async function certificateIn(path: string): Promise<X509Certificate> {
  const pem = await readOf(path);
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new Fault("BAD_REQUEST", `${path} has no certificate in PEM form`, { retryable: false, cause });
  }
}

/** Returns why the key at `path` is not that of the certificate; undefined when it is. */
export async function keyProblem(path: string, certificate: X509Certificate): Promise<string | undefined> {
  const pem = await readOf(path).catch(() => undefined);
  if (pem === undefined) return `its key ${path} is absent or cannot be read`;
  try {
    return certificate.checkPrivateKey(createPrivateKey(pem))
      ? undefined
      : `${path} is the key of another certificate`;
  } catch {
    return `${path} has no usable private key in PEM form`;
  }
}

function signatureProblem(certificate: X509Certificate, authority: X509Certificate): string | undefined {
  if (certificate.checkIssued(authority) && certificate.verify(authority.publicKey)) return undefined;
  return "it is not signed by the authority in ca.pem";
}

async function accessProblem(key: string): Promise<string | undefined> {
  // Windows has other access rights, and reports no such mode.
  if (process.platform === "win32") return undefined;
  const mode = await stat(key).then(
    (found) => found.mode,
    () => 0,
  );
  return (mode & 0o077) === 0 ? undefined : `other users can read its key: chmod 600 ${key}`;
}
