/**
 * Makes a self-signed certificate like that of a new host: X.509 v3 with a P-256 key, encoded in DER here. Node creates
 * keys and signatures but no certificates, and a library would add many dependencies for one page of code.
 */
import { generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto";

export interface SelfSigned {
  /** The certificate, in PEM. */
  readonly certificate: string;
  /** The private key, in PEM. */
  readonly key: string;
  /** SHA-256 of the certificate, as `AA:BB:…`. */
  readonly fingerprint: string;
}

export interface CertificateOptions {
  readonly commonName?: string;
  /** IPv4 addresses in the subject's alternative names. Default 127.0.0.1. */
  readonly addresses?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

const DAY_MS = 86_400_000;
const VALID_DAYS = 3_650;

const TAG = {
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

/** Encodes an instant as UTCTime, which has two digits for the year and therefore ends in 2049. */
function timeOf(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return der(TAG.time, Buffer.from(digits.slice(2)));
}

function extensionsOf(addresses: readonly string[]): Buffer {
  const names = [
    der(0x82, Buffer.from("localhost")),
    ...addresses.map((address) => der(0x87, Buffer.from(address.split(".").map(Number)))),
  ];
  const notAnAuthority = sequence(oid(OID.constraints), der(TAG.octets, sequence()));
  const altName = sequence(oid(OID.altName), der(TAG.octets, sequence(...names)));
  return der(0xa3, sequence(notAnAuthority, altName));
}

/** Returns a new certificate for `localhost` and the addresses. By default it is valid from yesterday for 10 years. */
export function selfSigned(options: CertificateOptions = {}): SelfSigned {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const name = nameOf(options.commonName ?? "fake-xapi");
  const notBefore = options.notBefore ?? new Date(Date.now() - DAY_MS);
  const notAfter = options.notAfter ?? new Date(Date.now() + VALID_DAYS * DAY_MS);
  const algorithm = sequence(oid(OID.ecdsaSha256));
  const serial = randomBytes(16);
  serial[0] = 0x01;
  const toBeSigned = sequence(
    der(0xa0, der(TAG.integer, Buffer.from([2]))),
    der(TAG.integer, serial),
    algorithm,
    name,
    sequence(timeOf(notBefore), timeOf(notAfter)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    extensionsOf(options.addresses ?? ["127.0.0.1"]),
  );
  const signature = sign("sha256", toBeSigned, privateKey);
  const whole = sequence(toBeSigned, algorithm, der(TAG.bits, Buffer.from([0]), signature));
  const parsed = new X509Certificate(whole);
  return {
    certificate: parsed.toString(),
    key: String(privateKey.export({ type: "pkcs8", format: "pem" })),
    fingerprint: parsed.fingerprint256,
  };
}
