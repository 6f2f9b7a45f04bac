/**
 * `bioxen backup`: writes, verifies and restores backups of a BioXen.
 */

import { join, resolve } from "node:path";
import {
  type BackupDirectory,
  createBackup,
  datedName,
  filesOf,
  MAX_KEPT_BACKUPS,
  type Manifest,
  MIN_PASSPHRASE,
  readPassphrase,
  removeOlderBackups,
  verifyBackup,
  writeKeys,
} from "@bioxen/backup";
import { BIOXEN_VERSION } from "@bioxen/contracts";
import { localStackAt, openStreamSource } from "@bioxen/nats";
import { type Command, Option } from "commander";
import { damaged, verifiedManifest, whileLocked } from "../backup-directory.ts";
import { BackupProgress, backupWords, bytesInWords } from "../backup-words.ts";
import { type KeysOption, withKeysOption } from "../keys-option.ts";
import { recordFileOf } from "../log-inspection.ts";
import { CommandEnd, EXIT_REFUSED, endOf, usage } from "../outcome.ts";
import { integerIn } from "../parse.ts";
import { conclude, globalsOf, say, sayJson, withSession } from "../run.ts";
import type { GlobalOptions, Session } from "../session.ts";
import { addRestoreCommand } from "./backup-restore.ts";

interface CreateFlags extends KeysOption {
  readonly incremental?: boolean;
  readonly keep?: number;
  readonly withKeys?: boolean;
  readonly passphraseFile?: string;
}

export function addBackupCommands(program: Command): void {
  const backup = program.command("backup").description("backups of everything that a BioXen stores");
  withKeysOption(backup.command("create"))
    .description(
      "write a backup into a directory while commands go on; a previous one is replaced at the end",
    )
    .argument("<dir>", "directory of the backup; made when it does not exist")
    .option("--incremental", "add what is new since the backup in the directory, if there is one")
    .addOption(
      new Option("--keep <n>", "write a dated folder below the directory, and keep the n youngest of them")
        .argParser(integerIn({ min: 1, max: MAX_KEPT_BACKUPS }))
        .conflicts("incremental"),
    )
    .option("--with-keys", "also write the keys of the stack, encrypted with the passphrase")
    .option("--passphrase-file <file>", `file with the passphrase, of at least ${MIN_PASSPHRASE} characters`)
    .action(async (dir: string, flags: CreateFlags, command: Command) => {
      // No principal may read the stored states of all guests.
      await withSession(command, (session, globals) => create(session, globals, dir, flags), {
        as: "provisioner",
      });
    });
  backup
    .command("verify")
    .description("check every file, message and guest state of a backup")
    .argument("<dir>", "directory of the backup")
    .action((dir: string, _flags: unknown, command: Command) => verify(dir, globalsOf(command)));
  addRestoreCommand(backup);
}

async function create(
  session: Session,
  { json }: GlobalOptions,
  dir: string,
  flags: CreateFlags,
): Promise<void> {
  const progress = new BackupProgress("copying");
  const target = flags.keep === undefined ? dir : join(dir, datedName(Date.now()));
  const source = await openStreamSource(session.bus, await recordFileOf(session));
  const keys = await keysToWrite(session, flags);
  const startedAtMs = performance.now();
  const written = await whileLocked(target, async (directory) => {
    const present = await presentManifest(directory);
    const previous = flags.incremental === true ? present : undefined;
    await directory.removeLeftovers(present);
    const generation = (present?.generation ?? 0) + 1;
    const manifest = await createBackup({
      source,
      directory,
      previous,
      generation,
      version: BIOXEN_VERSION,
      nowMs: Date.now,
      onStep: progress.seen,
    });
    const withKeys = { ...manifest, ...(await keysPart(directory, generation, keys)) };
    const whole =
      withKeys.keys === undefined && previous?.keys ? { ...withKeys, keys: previous.keys } : withKeys;
    await directory.publish(whole);
    return { manifest: whole, previous };
  }).finally(() => progress.end());
  const { manifest, previous } = written;
  const known = new Set(previous === undefined ? [] : filesOf(previous).map(({ path }) => path));
  const files = filesOf(manifest);
  const added = files.filter(({ path }) => !known.has(path)).reduce((sum, { bytes }) => sum + bytes, 0);
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const result = {
    dir: resolve(target),
    seq: manifest.log.seq,
    clusterId: manifest.log.clusterId,
    keys: manifest.keys !== undefined,
    incremental: previous !== undefined,
    files: files.length,
    bytes: total,
    bytesAdded: added,
    elapsedMs: Math.round(performance.now() - startedAtMs),
    ...(flags.keep === undefined ? {} : { removed: await olderRemoved(dir, target, flags.keep) }),
  };
  if (json === true) return sayJson({ ok: true, ...result });
  say(`backup of ${backupWords(manifest)}`);
  say(`${files.length} files, ${bytesInWords(total)}; ${bytesInWords(added)} new, in ${result.elapsedMs} ms`);
  if (result.removed !== undefined) say(`removed: ${result.removed.join(", ") || "none"}`);
}

/** Removes older backups once the new one is known to be sound. Returns the names of the removed ones. */
async function olderRemoved(parent: string, newest: string, keep: number): Promise<string[]> {
  await verifiedManifest(newest);
  return removeOlderBackups(parent, keep);
}

interface KeysToWrite {
  readonly keysDir: string;
  readonly passphrase: string;
}

async function keysToWrite(session: Session, flags: CreateFlags): Promise<KeysToWrite | undefined> {
  const { withKeys = false, passphraseFile } = flags;
  if (withKeys !== (passphraseFile !== undefined)) {
    throw usage("--with-keys and --passphrase-file need each other: keys are written encrypted only");
  }
  if (passphraseFile === undefined) return undefined;
  const keysDir = flags.keys ?? (await localStackAt(session.server))?.keysDir;
  if (keysDir === undefined) throw usage("this server has no keys here: name their directory with --keys");
  return { keysDir, passphrase: await readPassphrase(passphraseFile) };
}

/** Writes the keys, and returns their part of the manifest. */
async function keysPart(
  directory: BackupDirectory,
  generation: number,
  keys: KeysToWrite | undefined,
): Promise<Pick<Manifest, "keys">> {
  if (keys === undefined) return {};
  const path = `keys-${String(generation).padStart(6, "0")}.enc`;
  return { keys: await writeKeys(directory, path, keys.keysDir, keys.passphrase) };
}

/** Returns the manifest of the backup in the directory; undefined when none was ever finished there. */
async function presentManifest(directory: BackupDirectory): Promise<Manifest | undefined> {
  try {
    return await directory.manifest();
  } catch (thrown) {
    const { kind } = thrown as { readonly kind?: string };
    if (kind === "incomplete" || kind === "absent") return undefined;
    throw damaged([`${(thrown as Error).message}: choose another directory`]);
  }
}

async function verify(dir: string, { json }: GlobalOptions): Promise<void> {
  const progress = new BackupProgress("verifying");
  try {
    const { manifest, ...report } = await verifyBackup(resolve(dir), progress.seen);
    progress.end();
    const { state, problems, leftovers, files, bytes } = report;
    if (json === true) {
      const { seq, clusterId } = manifest?.log ?? {};
      sayJson({ ok: true, state, seq, clusterId, files, bytes, problems, leftovers });
    } else {
      if (manifest !== undefined) say(`${backupWords(manifest)}: ${files} files, ${bytesInWords(bytes)}`);
      say(state === "valid" ? "the backup is valid" : `the backup is ${state}`);
      for (const problem of problems) say(`  ${problem}`);
      if (leftovers.length > 0) say(`${leftovers.length} files of an interrupted backup are no part of it`);
    }
    if (state !== "valid") throw new CommandEnd(EXIT_REFUSED, "");
  } catch (thrown) {
    progress.end();
    conclude(endOf(thrown), json === true);
  }
}
