/**
 * The files of a directory of certificates: `ca.pem`, `server.pem`, `client-NAME.pem`, each with its key in `….key`.
 */
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "@bioxen/kernel";
import type { Certified } from "./issue.ts";

export const AUTHORITY = "ca";
export const SERVER = "server";
const CLIENT_PREFIX = "client-";

/** Access of the directory: its owner only. */
const DIRECTORY_MODE = 0o700;
/** Access of a private key: its owner only. */
const KEY_MODE = 0o600;
const CERTIFICATE_MODE = 0o644;

export type Kind = "authority" | "server" | "client";

/** Returns the name, without extension, of the files of a client's certificate and key. */
export const clientStem = (name: string) => `${CLIENT_PREFIX}${name}`;
export const certificateFile = (dir: string, stem: string) => join(dir, `${stem}.pem`);
export const keyFile = (dir: string, stem: string) => join(dir, `${stem}.key`);

export function kindOf(stem: string): Kind | undefined {
  if (stem === AUTHORITY) return "authority";
  if (stem === SERVER) return "server";
  return stem.startsWith(CLIENT_PREFIX) ? "client" : undefined;
}

/** Returns the stems of the certificates in the directory: authority, server, clients in the order of their names. */
export async function stemsIn(dir: string): Promise<string[]> {
  const names = await readdir(dir).catch((thrown: NodeJS.ErrnoException) => {
    throw unreadable(dir, thrown);
  });
  const stems = names.filter((name) => name.endsWith(".pem")).map((name) => name.slice(0, -".pem".length));
  const clients = stems.filter((stem) => kindOf(stem) === "client").sort();
  return [...[AUTHORITY, SERVER].filter((stem) => stems.includes(stem)), ...clients];
}

/** Returns the names of the files that exist for these stems. */
export async function existing(dir: string, stems: readonly string[]): Promise<string[]> {
  const names = await readdir(dir).catch((): string[] => []);
  return stems.flatMap((stem) => [`${stem}.pem`, `${stem}.key`]).filter((name) => names.includes(name));
}

/** Returns the text of a file. Throws `Fault` BAD_REQUEST, with the path, when it cannot be read. */
export async function readOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch((thrown: NodeJS.ErrnoException) => {
    throw unreadable(path, thrown);
  });
}

function unreadable(path: string, { code = "unknown error" }: NodeJS.ErrnoException): Fault {
  const reason = code === "ENOENT" ? "it does not exist" : code;
  return new Fault("BAD_REQUEST", `cannot read ${path}: ${reason}`, { retryable: false });
}

/** Creates the directory, which may exist. Its parent must exist. */
export async function makeCertificateDirectory(dir: string): Promise<void> {
  await mkdir(dir, { mode: DIRECTORY_MODE }).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "EEXIST") return;
    const reason = thrown.code === "ENOENT" ? "its parent directory does not exist" : thrown.code;
    throw new Fault("BAD_REQUEST", `cannot create ${dir}: ${reason}`, { retryable: false });
  });
}

export interface NewFiles {
  /** Certificates by stem, with their keys. A certificate without `key` keeps the key that it has. */
  readonly certificates: Readonly<Record<string, Pick<Certified, "cert"> & Partial<Certified>>>;
  /** True: replaces existing files. False: throws `Fault` CONFLICT when one exists, and changes nothing. */
  readonly replaces: boolean;
}

/**
 * Writes certificates and keys. All texts are written to drafts first, so that a full disk changes nothing. A reader
 * sees the old or the new content of each file.
 */
export async function writeFiles(dir: string, { certificates, replaces }: NewFiles): Promise<void> {
  const files = Object.entries(certificates).flatMap(([stem, { cert, key }]) => [
    ...(key === undefined ? [] : [{ path: keyFile(dir, stem), text: key, mode: KEY_MODE }]),
    { path: certificateFile(dir, stem), text: cert, mode: CERTIFICATE_MODE },
  ]);
  const draftOf = (path: string) => `${path}.${process.pid}.draft`;
  const placed: string[] = [];
  try {
    for (const { path, text, mode } of files) await writeFile(draftOf(path), text, { mode, flag: "wx" });
    for (const { path } of files) {
      if (replaces) await rename(draftOf(path), path);
      else {
        await link(draftOf(path), path);
        placed.push(path);
      }
    }
  } catch (thrown) {
    for (const path of placed) await rm(path, { force: true });
    throw problemOf(dir, thrown as NodeJS.ErrnoException);
  } finally {
    for (const { path } of files) await rm(draftOf(path), { force: true });
  }
}

function problemOf(dir: string, { code, message }: NodeJS.ErrnoException): Fault {
  if (code === "EEXIST") {
    const message = `another process writes certificates to ${dir}: try again`;
    return new Fault("CONFLICT", message, { retryable: true });
  }
  return new Fault("BAD_REQUEST", `cannot write to ${dir}: ${code ?? message}`, { retryable: false });
}
