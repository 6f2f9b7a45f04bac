/**
 * Files that only their owner can read, and that are written whole or not at all.
 */
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault, messageOf } from "@bioxen/kernel";
import { type UserKey, userKeyOf } from "@bioxen/nats";
import type * as z from "zod";

const OWNER_ONLY_DIRECTORY = 0o700;
const OWNER_ONLY_FILE = 0o600;

/** Makes the directory, or takes the rights of others away from an existing one. */
export async function makeSecretDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: OWNER_ONLY_DIRECTORY });
  await chmod(path, OWNER_ONLY_DIRECTORY);
}

/** Writes a file, by default one that only its owner can read, at no time with other content or other rights. */
export async function writeSecret(path: string, text: string, mode = OWNER_ONLY_FILE): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(8).toString("hex")}.tmp`);
  try {
    await writeFile(temporary, text, { mode, flag: "wx" });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
}

/** Returns the content; undefined when the file is absent. Throws `Fault` CONFLICT when it cannot be read. */
export async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Fault("CONFLICT", `cannot read ${path}: ${messageOf(cause)}`, { retryable: false, cause });
  }
}

function unusable(path: string, problem: string): Fault {
  const message = `${path} ${problem}: restore it, or move it away and run bioxen auth rotate for its user`;
  return new Fault("CONFLICT", message, { retryable: false });
}

/** Returns the key in the file; undefined when the file is absent. Throws `Fault` CONFLICT for another content. */
export async function readKey(path: string): Promise<UserKey | undefined> {
  const text = await textOf(path);
  if (text === undefined) return undefined;
  const seed = /\bSU[A-Z2-7]{56}\b/.exec(text)?.[0];
  if (seed === undefined) throw unusable(path, "has no seed of a user");
  try {
    return userKeyOf(seed);
  } catch {
    throw unusable(path, "has a damaged seed");
  }
}

/** Writes the seed of a key. `whose` names the user for a person who opens the file. */
export async function writeKey(path: string, whose: string, { seed }: UserKey): Promise<void> {
  await writeSecret(path, `# BioXen: ${whose}. Keep this file secret.\n${seed}\n`);
}

/** Returns the parsed content; undefined when the file is absent. Throws `Fault` CONFLICT for another content. */
export async function readJson<S extends z.ZodType>(
  path: string,
  schema: S,
): Promise<z.output<S> | undefined> {
  const text = await textOf(path);
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw unusable(path, "is not JSON");
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw unusable(path, "has not the expected fields");
  return parsed.data;
}

export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeSecret(path, `${JSON.stringify(value, undefined, 2)}\n`);
}
