/**
 * Makes X.509 certificates with P-256 keys: those of an authority, and those that it signs.
 *
 * Keys and signatures come from WebCrypto in Node, which makes no certificates. The library encodes the certificates.
 */
// The library finds its parts by decorators, which need this polyfill. It must be loaded before the library.
import "reflect-metadata";
import {
  createPrivateKey,
  createPublicKey,
  KeyObject,
  randomBytes,
  webcrypto,
  X509Certificate,
} from "node:crypto";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";
import { DAY_MS } from "./inspect.ts";

/** A certificate with its private key, both in PEM. */
export interface Certified {
  readonly cert: string;
  readonly key: string;
}

export interface LeafOptions {
  readonly kind: "server" | "client";
  readonly commonName: string;
  /** DNS names and IP addresses for which the certificate is valid. */
  readonly names: readonly string[];
  readonly lifetimeMs: number;
  readonly nowMs: number;
  /** Private key to certify, in PEM; default: a new one. */
  readonly key?: string | undefined;
}

/** Lifetime of an authority, ms: ten years, as other tools for development certificates have it. */
const AUTHORITY_LIFETIME_MS = 3_650 * DAY_MS;
/** Time before its issue from which a certificate is valid, ms: the clock of another machine may be behind. */
const BACKDATED_MS = 5 * 60_000;
/** Length of a serial number, bytes. RFC 5280 allows 20. */
const SERIAL_BYTES = 16;
/** Length of the part of an authority's name that tells it from other authorities, bytes. */
const AUTHORITY_ID_BYTES = 4;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const { subtle } = webcrypto;

/** Makes a new authority. Its name is unique, because TLS libraries look up an issuer by its name. */
export async function makeAuthority(nowMs: number): Promise<Certified> {
  const keys = await newKeys();
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: named(`BioXen development CA ${randomBytes(AUTHORITY_ID_BYTES).toString("hex")}`),
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(nowMs + AUTHORITY_LIFETIME_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      // It signs certificates of servers and clients, and no further authority.
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: pemOf(cert), key: pemOfKey(keys.privateKey) };
}

/**
 * Makes a certificate that `authority` signs. It expires with the authority at the latest. Throws an error when the
 * authority's key or the given key is not a P-256 key.
 */
export async function makeLeaf(authority: Certified, options: LeafOptions): Promise<Certified> {
  const issuer = new x509.X509Certificate(authority.cert);
  const keys = options.key === undefined ? await newKeys() : await keysOf(options.key);
  const { kind, nowMs } = options;
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: named(options.commonName),
    // The parsed name keeps its bytes: Go compares the bytes of both names, and finds no authority otherwise.
    issuer: issuer.subjectName,
    notBefore: new Date(Math.max(issuer.notBefore.getTime(), nowMs - BACKDATED_MS)),
    notAfter: new Date(Math.min(issuer.notAfter.getTime(), nowMs + options.lifetimeMs)),
    signingKey: (await keysOf(authority.key)).privateKey,
    publicKey: keys.publicKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(usagesOf(kind)),
      new x509.SubjectAlternativeNameExtension(
        options.names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { cert: pemOf(cert), key: options.key ?? pemOfKey(keys.privateKey) };
}

/** A server of a cluster is also the client of the other servers. */
function usagesOf(kind: LeafOptions["kind"]): x509.ExtendedKeyUsageType[] {
  const client = x509.ExtendedKeyUsage.clientAuth;
  return kind === "client" ? [client] : [x509.ExtendedKeyUsage.serverAuth, client];
}

function named(commonName: string): x509.Name {
  return new x509.Name([{ CN: [{ utf8String: commonName }] }]);
}

function serialNumber(): string {
  const serial = randomBytes(SERIAL_BYTES);
  // A serial number is a positive integer without a leading zero byte.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial.toString("hex");
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

async function keysOf(pem: string): Promise<webcrypto.CryptoKeyPair> {
  const key = createPrivateKey(pem);
  const [pkcs8, spki] = [
    key.export({ type: "pkcs8", format: "der" }),
    createPublicKey(key).export({ type: "spki", format: "der" }),
  ];
  return {
    privateKey: await subtle.importKey("pkcs8", pkcs8, ALGORITHM, true, ["sign"]),
    publicKey: await subtle.importKey("spki", spki, ALGORITHM, true, ["verify"]),
  };
}

function pemOfKey(key: webcrypto.CryptoKey): string {
  return String(KeyObject.from(key).export({ type: "pkcs8", format: "pem" }));
}

/** Returns the certificate in PEM as OpenSSL writes it, with a line break at the end. */
function pemOf(cert: x509.X509Certificate): string {
  return new X509Certificate(cert.toString("pem")).toString();
}
