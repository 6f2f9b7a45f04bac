/**
 * A certificate authority for tests: X.509 v3 with P-256 keys, encoded in DER here. Node creates keys and signatures
 * but no certificates, and a machine may have no openssl.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from "node:crypto";

/** A certificate with its private key, both in PEM. */
export interface Certified {
  readonly cert: string;
  readonly key: string;
}

export interface LeafOptions {
  readonly commonName: string;
  /** DNS names and IPv4 addresses for which the certificate is valid. */
  readonly names?: readonly string[];
  /** Instant from which the certificate is no longer valid; default: in a day. */
  readonly notAfter?: Date;
}

export interface Authority {
  /** The authority's own certificate, in PEM. */
  readonly ca: string;
  /** Returns a new certificate for a server or a client. */
  issue(options: LeafOptions): Certified;
}

const DAY_MS = 86_400_000;

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  time: 0x17,
  sequence: 0x30,
  set: 0x31,
};
const OID = {
  commonName: "550403",
  ecdsaSha256: "2a8648ce3d040302",
  altName: "551d11",
  constraints: "551d13",
};

/** Encodes an element in DER: tag, length, content. */
function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = Buffer.from(body.length.toString(16).padStart(body.length > 0xff ? 4 : 2, "0"), "hex");
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body]);
}

const sequence = (...content: readonly Buffer[]) => der(TAG.sequence, ...content);
const oid = (hex: string) => der(TAG.oid, Buffer.from(hex, "hex"));

function nameOf(commonName: string): Buffer {
  return sequence(der(TAG.set, sequence(oid(OID.commonName), der(TAG.utf8, Buffer.from(commonName)))));
}

/** Encodes an instant as UTCTime. */
function timeOf(date: Date): Buffer {
  return der(
    TAG.time,
    Buffer.from(
      date
        .toISOString()
        .replaceAll(/[-:T]|\.\d+/g, "")
        .slice(2),
    ),
  );
}

/** Returns the basic constraints extension, which says whether the certificate may sign other certificates. */
function constraints(isAuthority: boolean): Buffer {
  const value = isAuthority ? [der(TAG.boolean, Buffer.from([0xff]))] : [];
  return sequence(
    oid(OID.constraints),
    der(TAG.boolean, Buffer.from([0xff])),
    der(TAG.octets, sequence(...value)),
  );
}

function altName(names: readonly string[]): Buffer {
  const entries = names.map((name) =>
    /^[\d.]+$/.test(name)
      ? der(0x87, Buffer.from(name.split(".").map(Number)))
      : der(0x82, Buffer.from(name)),
  );
  return sequence(oid(OID.altName), der(TAG.octets, sequence(...entries)));
}

interface Signed {
  readonly subject: Buffer;
  readonly issuer: Buffer;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly notAfter: Date;
  readonly extensions: readonly Buffer[];
}

function certificateOf({ subject, issuer, publicKey, signingKey, notAfter, extensions }: Signed): string {
  const algorithm = sequence(oid(OID.ecdsaSha256));
  const serial = randomBytes(16);
  serial[0] = 0x01;
  const toBeSigned = sequence(
    der(0xa0, der(TAG.integer, Buffer.from([2]))),
    der(TAG.integer, serial),
    algorithm,
    issuer,
    sequence(timeOf(new Date(Math.min(Date.now(), notAfter.getTime()) - DAY_MS)), timeOf(notAfter)),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", toBeSigned, signingKey);
  return new X509Certificate(
    sequence(toBeSigned, algorithm, der(TAG.bits, Buffer.from([0]), signature)),
  ).toString();
}

const newKey = () => generateKeyPairSync("ec", { namedCurve: "prime256v1" });

/** Makes a new authority. */
export function certificateAuthority(commonName: string): Authority {
  const own = newKey();
  const issuer = nameOf(commonName);
  const inADay = () => new Date(Date.now() + DAY_MS);
  const ca = certificateOf({
    subject: issuer,
    issuer,
    publicKey: own.publicKey,
    signingKey: own.privateKey,
    notAfter: inADay(),
    extensions: [constraints(true)],
  });
  return {
    ca,
    issue({ commonName: subject, names = [], notAfter = inADay() }) {
      const { privateKey, publicKey } = newKey();
      const cert = certificateOf({
        subject: nameOf(subject),
        issuer,
        publicKey,
        signingKey: own.privateKey,
        notAfter,
        extensions: [constraints(false), ...(names.length === 0 ? [] : [altName(names)])],
      });
      return { cert, key: String(privateKey.export({ type: "pkcs8", format: "pem" })) };
    },
  };
}
