/**
 * Reads the files that the settings of a connection name: credentials, certificates and keys. An error text contains
 * the path of the file and the reason, and never the file's content.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ConnectionOptions as TlsConnectOptions } from "node:tls";
import type { TlsOptions } from "@nats-io/nats-core";
import {
  OPTION_NAMES,
  type SettingNames,
  type SettingProblem,
  type TlsSettings,
} from "./connection-settings.ts";
import { isSecretText } from "./credentials.ts";
import { identityCheck } from "./server-identity.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ENOTDIR: "no such file",
  ENAMETOOLONG: "no such file",
};

/**
 * Returns `creds` itself when it is a credential, and otherwise the content of the file at that path. Throws an `Error`
 * when the file cannot be read.
 */
export function readCredentials(creds: string): string {
  return isSecretText(creds) ? creds : readText(creds);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    const { code = "unknown error" } = thrown as NodeJS.ErrnoException;
    throw new Error(`cannot read ${path}: ${REASONS[code] ?? code}`);
  }
}

/** Returns every problem of the certificates and the private key, each with the name of its setting. */
export function tlsProblems(tls: TlsSettings | undefined, names: SettingNames): SettingProblem[] {
  if (tls === undefined) return [];
  const problems: SettingProblem[] = [];
  const parsed = <T>(setting: "ca" | "cert" | "key", parse: (pem: string) => T): T | undefined => {
    const value = tls[setting];
    if (value === undefined) return undefined;
    const isText = isSecretText(value);
    if (isText && names[setting] !== OPTION_NAMES[setting]) {
      problems.push({ path: names[setting], message: "must be the path of a file, not its content" });
      return undefined;
    }
    try {
      const pem = isText ? value : readText(value);
      try {
        return parse(pem);
      } catch {
        const kind = setting === "key" ? "private key without a passphrase" : "certificate";
        throw new Error(`${isText ? "the text" : value} has no usable ${kind} in PEM form`);
      }
    } catch (thrown) {
      problems.push({ path: names[setting], message: (thrown as Error).message });
      return undefined;
    }
  };
  parsed("ca", (pem) => new X509Certificate(pem));
  const cert = parsed("cert", (pem) => new X509Certificate(pem));
  const key = parsed("key", (pem): KeyObject => createPrivateKey(pem));
  for (const [one, other] of [
    ["cert", "key"],
    ["key", "cert"],
  ] as const) {
    if (tls[one] !== undefined && tls[other] === undefined) {
      problems.push({ path: names[other], message: `is missing: a certificate and its key go together` });
    }
  }
  if (cert !== undefined && key !== undefined && !cert.checkPrivateKey(key)) {
    problems.push({ path: names.key, message: `is not the key of the certificate in ${names.cert}` });
  }
  return problems;
}

/**
 * Returns the TLS options for the client of NATS; undefined when TLS is not wanted. The client reads the files again
 * for every connection. Without certificate authorities in the settings, those that Node trusts are in force. `dialled`
 * returns the host that the client connects to now.
 */
export function tlsOptions(
  tls: TlsSettings | undefined,
  isAskedFor: boolean,
  dialled: () => string | undefined,
): TlsOptions | undefined {
  // The client passes the option on to Node's TLS, but its type does not have it.
  const options: TlsOptions & Pick<TlsConnectOptions, "checkServerIdentity"> = {
    checkServerIdentity: identityCheck(dialled),
  };
  if (tls === undefined) return isAskedFor ? options : undefined;
  const { ca, cert, key } = tls;
  return {
    ...options,
    ...(ca === undefined ? {} : isSecretText(ca) ? { ca } : { caFile: ca }),
    ...(cert === undefined ? {} : isSecretText(cert) ? { cert } : { certFile: cert }),
    ...(key === undefined ? {} : isSecretText(key) ? { key } : { keyFile: key }),
  };
}
