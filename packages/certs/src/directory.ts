/**
 * A directory with a development authority and the certificates that it has signed: makes, extends and renews it.
 *
 * A renewed certificate keeps its private key. A single renamed file then replaces it, so that no reader finds a
 * certificate without its key.
 */
import { Fault } from "@bioxen/kernel";
import {
  type CertificateEntry,
  certificateIn,
  keyProblem,
  noAuthority,
  showCertificates,
} from "./describe.ts";
import {
  AUTHORITY,
  certificateFile,
  clientStem,
  existing,
  keyFile,
  kindOf,
  makeCertificateDirectory,
  readOf,
  SERVER,
  stemsIn,
  writeFiles,
} from "./files.ts";
import { type CertificateFacts, DAY_MS, factsOf, validityOf } from "./inspect.ts";
import { type Certified, makeAuthority, makeLeaf } from "./issue.ts";
import { clientProblem, hostProblem, serverNames } from "./names.ts";

/** Default lifetime of a certificate, days. */
export const DEFAULT_DAYS = 365;
/** Longest lifetime of a certificate, days: clients of Apple refuse server certificates that are valid for longer. */
export const MAX_DAYS = 825;

export interface Wanted {
  readonly dir: string;
  /** DNS names and IP addresses of the server, besides those of the machine itself. */
  readonly hosts?: readonly string[] | undefined;
  readonly clients?: readonly string[] | undefined;
  /** Lifetime of the new certificates, days; default {@link DEFAULT_DAYS}. */
  readonly days?: number | undefined;
  readonly nowMs?: number | undefined;
}

export interface Initial extends Wanted {
  /** True: replaces an existing authority, and the certificates of the same names. */
  readonly force?: boolean | undefined;
}

/**
 * Makes an authority, a certificate for the server, and one for each client. The directory is created when it does not
 * exist; its parent must exist. Returns all certificates of the directory.
 *
 * Throws `Fault` BAD_REQUEST that names every invalid host and client, and `Fault` CONFLICT when one of the files
 * exists, unless `force` is true. Nothing is written then.
 */
export async function initCertificates(initial: Initial): Promise<CertificateEntry[]> {
  const { dir, hosts = [], clients = [], days = DEFAULT_DAYS, nowMs = Date.now(), force = false } = initial;
  refuseInvalid(hosts, clients);
  if (!force) await refuseExisting(dir, [AUTHORITY, SERVER, ...clients.map(clientStem)]);
  const lifetime = { lifetimeMs: days * DAY_MS, nowMs };
  const authority = await makeAuthority(nowMs);
  const names = serverNames(hosts);
  const commonName = names[0] ?? "localhost";
  const server = await makeLeaf(authority, { kind: "server", commonName, names, ...lifetime });
  const certificates = {
    [AUTHORITY]: authority,
    [SERVER]: server,
    ...(await clientCertificates(authority, clients, lifetime)),
  };
  await makeCertificateDirectory(dir);
  await writeFiles(dir, { certificates, replaces: force });
  return showCertificates(dir, nowMs);
}

/**
 * Makes certificates for further clients, and signs a certificate of the server for further hosts. Returns all
 * certificates of the directory. Throws `Fault` BAD_REQUEST for invalid names and for a directory without an authority,
 * and `Fault` CONFLICT for a client that has a certificate.
 */
export async function addCertificates(wanted: Wanted): Promise<CertificateEntry[]> {
  const { dir, hosts = [], clients = [], days, nowMs = Date.now() } = wanted;
  refuseInvalid(hosts, clients);
  if (hosts.length + clients.length === 0) {
    throw new Fault("BAD_REQUEST", "nothing to add: name a host or a client", { retryable: false });
  }
  const authority = await authorityIn(dir, nowMs);
  await refuseExisting(dir, clients.map(clientStem));
  const lifetime = { lifetimeMs: (days ?? DEFAULT_DAYS) * DAY_MS, nowMs };
  const certificates = await clientCertificates(authority, clients, lifetime);
  if (hosts.length > 0) {
    const facts = await factsIn(dir, SERVER);
    const extended = { ...facts, names: serverNames([...facts.names, ...hosts]) };
    const server = await signedAgain(authority, { dir, stem: SERVER, facts: extended, days, nowMs });
    await writeFiles(dir, { certificates: { [SERVER]: server }, replaces: true });
  }
  await writeFiles(dir, { certificates, replaces: false });
  return showCertificates(dir, nowMs);
}

export interface Renewal {
  readonly dir: string;
  /** Renews only certificates that expire within this number of days; default: all. */
  readonly withinDays?: number | undefined;
  /** Lifetime of the new certificates, days; default: that of the certificate before. */
  readonly days?: number | undefined;
  readonly nowMs?: number | undefined;
}

export interface Renewed {
  readonly certificates: readonly CertificateEntry[];
  /** Paths of the certificates that were renewed. */
  readonly renewed: readonly string[];
}

/**
 * Signs new certificates of servers and clients with the names and private keys that they have. The authority is not
 * renewed, because its clients would have to trust another one. Throws `Fault` BAD_REQUEST when the directory has no
 * authority, and `Fault` CONFLICT when the authority has expired or a key is not that of its certificate. Nothing is
 * written then.
 */
export async function renewCertificates(renewal: Renewal): Promise<Renewed> {
  const { dir, withinDays = Number.POSITIVE_INFINITY, days, nowMs = Date.now() } = renewal;
  const authority = await authorityIn(dir, nowMs);
  const certificates: Record<string, Pick<Certified, "cert">> = {};
  for (const stem of await stemsIn(dir)) {
    if (kindOf(stem) === "authority") continue;
    const facts = await factsIn(dir, stem);
    if (facts.expiresAtMs - nowMs > withinDays * DAY_MS) continue;
    certificates[stem] = await signedAgain(authority, { dir, stem, facts, days, nowMs });
  }
  await writeFiles(dir, { certificates, replaces: true });
  return {
    certificates: await showCertificates(dir, nowMs),
    renewed: Object.keys(certificates).map((stem) => certificateFile(dir, stem)),
  };
}

async function clientCertificates(
  authority: Certified,
  names: readonly string[],
  lifetime: { readonly lifetimeMs: number; readonly nowMs: number },
): Promise<Record<string, Certified>> {
  const made: Record<string, Certified> = {};
  for (const name of names) {
    const options = { kind: "client", commonName: name, names: [name], ...lifetime } as const;
    made[clientStem(name)] = await makeLeaf(authority, options);
  }
  return made;
}

interface SignedAgain {
  readonly dir: string;
  readonly stem: string;
  readonly facts: CertificateFacts;
  readonly days: number | undefined;
  readonly nowMs: number;
}

/** Returns a certificate for the names in `facts`, with the private key that the directory has for it. */
async function signedAgain(authority: Certified, again: SignedAgain): Promise<Pick<Certified, "cert">> {
  const { dir, stem, facts, days, nowMs } = again;
  const { subject: commonName, names, notBeforeMs, expiresAtMs } = facts;
  const path = keyFile(dir, stem);
  await refuseKeyProblem(dir, stem);
  const daysBefore = Math.max(1, Math.round((expiresAtMs - notBeforeMs) / DAY_MS));
  const kind = stem === SERVER ? "server" : "client";
  const lifetimeMs = (days ?? daysBefore) * DAY_MS;
  const key = await readOf(path);
  const { cert } = await makeLeaf(authority, { kind, commonName, names, lifetimeMs, nowMs, key }).catch(
    (cause: unknown) => {
      const message = `${path} is not a key of bioxen certs: renew its certificate with the tool that made it`;
      throw new Fault("CONFLICT", message, { retryable: false, cause });
    },
  );
  return { cert };
}

/** Returns the authority of the directory. Throws a `Fault` when it is absent, malformed or expired. */
async function authorityIn(dir: string, nowMs: number): Promise<Certified> {
  if (!(await stemsIn(dir)).includes(AUTHORITY)) throw noAuthority(dir);
  await refuseKeyProblem(dir, AUTHORITY);
  if (validityOf(await factsIn(dir, AUTHORITY), nowMs) === "expired") {
    const message = `the authority of ${dir} has expired: make another one with bioxen certs init --force`;
    throw new Fault("CONFLICT", message, { retryable: false });
  }
  return { cert: await readOf(certificateFile(dir, AUTHORITY)), key: await readOf(keyFile(dir, AUTHORITY)) };
}

async function factsIn(dir: string, stem: string): Promise<CertificateFacts> {
  return factsOf((await certificateIn(certificateFile(dir, stem))).toString());
}

async function refuseKeyProblem(dir: string, stem: string): Promise<void> {
  const file = certificateFile(dir, stem);
  const problem = await keyProblem(keyFile(dir, stem), await certificateIn(file));
  if (problem !== undefined) throw new Fault("CONFLICT", `${file}: ${problem}`, { retryable: false });
}

function refuseInvalid(hosts: readonly string[], clients: readonly string[]): void {
  const repeated = clients.filter((name, at) => clients.indexOf(name) < at);
  const problems = [
    ...hosts.map(hostProblem),
    ...clients.map(clientProblem),
    ...repeated.map((name) => `client ${name}: is named twice`),
  ].filter((problem) => problem !== undefined);
  if (problems.length > 0) throw new Fault("BAD_REQUEST", problems.join("\n"), { retryable: false });
}

async function refuseExisting(dir: string, stems: readonly string[]): Promise<void> {
  const found = await existing(dir, stems);
  if (found.length === 0) return;
  const hasAuthority = stems.includes(AUTHORITY);
  const remedy = hasAuthority
    ? "add to it with bioxen certs add, renew it with bioxen certs renew, or replace it with --force"
    : "renew it with bioxen certs renew";
  throw new Fault("CONFLICT", `${dir} already has ${found.join(", ")}: ${remedy}`, { retryable: false });
}
