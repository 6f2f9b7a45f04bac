/**
 * The keys of a stack in a backup: one file, encrypted with a passphrase. Without the passphrase the file is of no use,
 * and without a passphrase no keys are written.
 *
 * The file is one line of JSON with the parameters, then the tag, then the ciphertext. The key comes from the passphrase
 * by scrypt, and the cipher is AES-256-GCM, which also authenticates the line of parameters.
 */
import { createCipheriv, createDecipheriv, hash, randomBytes, scrypt } from "node:crypto";
import { chmod, mkdir, open, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { Fault } from "@bioxen/kernel";
import * as z from "zod";
import type { BackupDirectory } from "./directory.ts";
import type { BackupFile } from "./manifest.ts";

const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const SALT_BYTES = 16;
/** Length that AES-GCM recommends, bytes. A salt, and so a key, is used for one file only. */
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Costs of scrypt: 128 MiB and half a second for each guess, the recommendation of OWASP. */
const COST = { N: 2 ** 17, r: 8, p: 1 } as const;
/** Memory that a file may ask for, bytes: a damaged line must not take all memory. */
const MAX_MEMORY_BYTES = 512 * 1024 * 1024;
/** Shortest passphrase, characters. scrypt does not protect a shorter one. */
export const MIN_PASSPHRASE = 12;

const headSchema = z.object({
  kdf: z.literal("scrypt"),
  N: z.int().min(2),
  r: z.int().min(1),
  p: z.int().min(1),
  cipher: z.literal(CIPHER),
  salt: z.base64(),
  iv: z.base64(),
});
const bundleSchema = z.record(z.string(), z.base64());

/** Reads a passphrase from a file, without the line break at its end. Throws `Fault` BAD_REQUEST for a short one. */
export async function readPassphrase(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw bad(`the file of the passphrase cannot be read: ${cause.code ?? cause.message}`);
  });
  const passphrase = text.replace(/\r?\n$/, "");
  if (passphrase.length >= MIN_PASSPHRASE) return passphrase;
  throw bad(`the passphrase is too short: use at least ${MIN_PASSPHRASE} characters`);
}

/** Writes the files of `keysDir`, encrypted. */
export async function writeKeys(
  directory: BackupDirectory,
  path: string,
  keysDir: string,
  passphrase: string,
): Promise<BackupFile> {
  const bytes = await sealed(await bundleOf(keysDir), passphrase);
  const handle = await open(directory.pathOf({ path }), "w", 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { path, sha256: hash("sha256", bytes, "hex"), bytes: bytes.length };
}

/** Writes the keys of a backup into the new directory `keysDir`. Throws `Fault` FORBIDDEN for a wrong passphrase. */
export async function restoreKeys(
  directory: BackupDirectory,
  file: BackupFile,
  keysDir: string,
  passphrase: string,
): Promise<void> {
  const bundle = await opened(await readFile(directory.pathOf(file)), passphrase);
  await mkdir(keysDir, { recursive: true, mode: 0o700 });
  for (const [name, content] of Object.entries(bundle)) {
    const path = join(keysDir, ...name.split("/"));
    if (relative(keysDir, path).startsWith("..")) throw bad(`the keys of the backup name the file ${name}`);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await chmod(dirname(path), 0o700);
    await writeFile(path, Buffer.from(content, "base64"), { mode: 0o600 });
  }
}

async function bundleOf(keysDir: string): Promise<Buffer> {
  const entries = await readdir(keysDir, { withFileTypes: true, recursive: true });
  const bundle: Record<string, string> = {};
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    bundle[relative(keysDir, path).split(sep).join("/")] = (await readFile(path)).toString("base64");
  }
  return Buffer.from(JSON.stringify(bundle));
}

async function sealed(plain: Buffer, passphrase: string): Promise<Buffer> {
  const [salt, iv] = [randomBytes(SALT_BYTES), randomBytes(IV_BYTES)];
  const head = {
    kdf: "scrypt",
    ...COST,
    cipher: CIPHER,
    salt: salt.toString("base64"),
    iv: iv.toString("base64"),
  };
  const line = Buffer.from(`${JSON.stringify(head)}\n`);
  const cipher = createCipheriv(CIPHER, await keyOf(passphrase, salt, COST), iv).setAAD(line);
  const text = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([line, cipher.getAuthTag(), text]);
}

async function opened(bytes: Buffer, passphrase: string): Promise<Readonly<Record<string, string>>> {
  const end = bytes.indexOf("\n") + 1;
  const line = bytes.subarray(0, end);
  const head = headSchema.parse(JSON.parse(line.toString("utf8")));
  const key = await keyOf(passphrase, Buffer.from(head.salt, "base64"), head);
  const decipher = createDecipheriv(CIPHER, key, Buffer.from(head.iv, "base64")).setAAD(line);
  decipher.setAuthTag(bytes.subarray(end, end + TAG_BYTES));
  const text = decipher.update(bytes.subarray(end + TAG_BYTES));
  try {
    const plain = Buffer.concat([text, decipher.final()]);
    return bundleSchema.parse(JSON.parse(plain.toString("utf8")));
  } catch (cause) {
    const message = "the keys of the backup cannot be decrypted: the passphrase is wrong";
    throw new Fault("FORBIDDEN", message, { retryable: false, cause });
  }
}

function keyOf(
  passphrase: string,
  salt: Buffer,
  { N, r, p }: { readonly N: number; readonly r: number; readonly p: number },
): Promise<Buffer> {
  const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);
  return derive(passphrase.normalize("NFC"), salt, KEY_BYTES, { N, r, p, maxmem: MAX_MEMORY_BYTES });
}

function bad(message: string): Fault {
  return new Fault("BAD_REQUEST", message, { retryable: false });
}
