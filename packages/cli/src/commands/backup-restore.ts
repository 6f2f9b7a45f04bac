/**
 * `bioxen backup restore`: makes a data directory for `bioxen up` from a backup, or fills an empty server elsewhere.
 */

import { join, resolve } from "node:path";
import { BackupDirectory, type Manifest, readPassphrase, restoreBackup, restoreKeys } from "@bioxen/backup";
import { KEYS, makeDataDirectory, type NewData } from "@bioxen/local-stack";
import { connectBus, openStreamTarget, type StreamTargetPlace } from "@bioxen/nats";
import type { Command } from "commander";
import { verifiedManifest } from "../backup-directory.ts";
import { BackupProgress, backupWords } from "../backup-words.ts";
import { Interrupted, Interruption } from "../interruption.ts";
import { CommandEnd, EXIT_REFUSED, endOf, usage } from "../outcome.ts";
import { conclude, globalsOf, say, sayJson } from "../run.ts";
import { type GlobalOptions, Session } from "../session.ts";

interface RestoreFlags {
  readonly data?: string;
  readonly sameCluster?: boolean;
  readonly passphraseFile?: string;
}

export function addRestoreCommand(backup: Command): void {
  backup
    .command("restore")
    .description(
      "restore a backup into a new data directory for `bioxen up`, or to the empty server of --server",
    )
    .argument("<dir>", "directory of the backup")
    .option("--data <dir>", "the new data directory: must not exist, or be empty")
    .option(
      "--same-cluster",
      "keep the id of the cluster: the restored BioXen owns the machines of the original; default: a new id",
    )
    .option(
      "--passphrase-file <file>",
      "file with the passphrase of the keys in the backup: restores them too",
    )
    .action(async (dir: string, flags: RestoreFlags, command: Command) => {
      const globals = globalsOf(command);
      const interruption = Interruption.listen({ withLauncher: true });
      try {
        await restore(dir, flags, globals, interruption);
      } catch (thrown) {
        const end =
          thrown instanceof Interrupted ? new CommandEnd(EXIT_REFUSED, thrown.message) : endOf(thrown);
        conclude(end, globals.json === true);
      } finally {
        interruption.end();
      }
    });
}

async function restore(
  dir: string,
  { data, sameCluster = false, passphraseFile }: RestoreFlags,
  globals: GlobalOptions,
  interruption: Interruption,
): Promise<void> {
  const isElsewhere = globals.fromFlags?.includes("server") === true;
  if ((data === undefined) === !isElsewhere) {
    throw usage("name either the new data directory with --data, or an empty server with --server");
  }
  if (passphraseFile !== undefined && data === undefined) throw usage("keys are restored with --data only");
  const passphrase = passphraseFile === undefined ? undefined : await readPassphrase(passphraseFile);
  const startedAtMs = performance.now();
  const progress = new BackupProgress("restoring");
  const fill = async (place: StreamTargetPlace) => {
    const manifest = await verifiedManifest(dir);
    const target = await openStreamTarget(place);
    const directory = BackupDirectory.forReading(resolve(dir));
    const options = { directory, manifest, target, sameCluster, onStep: progress.seen };
    return { manifest, restored: await restoreBackup(options) };
  };
  const intoDirectory = async ({ url, recordFile, dir: filled }: NewData) => {
    const result = await onServer(url, recordFile, fill);
    if (passphrase !== undefined)
      await keysInto(join(filled, KEYS), resolve(dir), result.manifest, passphrase);
    return result;
  };
  const { manifest, restored } = await (data === undefined
    ? interruption.during(toServer(globals, fill))
    : makeDataDirectory(data, intoDirectory, interruption.signal)
  ).finally(() => progress.end());
  const elapsedMs = Math.round(performance.now() - startedAtMs);
  const place = data === undefined ? {} : { data: resolve(data) };
  if (globals.json === true) return sayJson({ ok: true, ...restored, ...place, elapsedMs });
  say(`restored ${backupWords(manifest)}, in ${elapsedMs} ms`);
  say(words(manifest, restored.clusterId));
  say(data === undefined ? "Next: start the services" : `Next: bioxen up --data ${data}`);
}

async function keysInto(
  keysDir: string,
  backupDir: string,
  { keys }: Manifest,
  passphrase: string,
): Promise<void> {
  if (keys === undefined) throw usage("the backup has no keys: omit --passphrase-file");
  await restoreKeys(BackupDirectory.forReading(backupDir), keys, keysDir, passphrase);
}

function words({ log }: Manifest, clusterId: string): string {
  return clusterId === log.clusterId
    ? `The cluster id is that of the original: do not run both`
    : `The new cluster id is ${clusterId}: machines of the original in a pool belong to the original`;
}

async function onServer<T>(
  url: string,
  file: string,
  fill: (place: StreamTargetPlace) => Promise<T>,
): Promise<T> {
  const bus = await connectBus({ servers: url, name: "bioxen-restore" });
  return fill({ bus, file }).finally(() => bus.close());
}

async function toServer<T>(
  globals: GlobalOptions,
  fill: (place: StreamTargetPlace) => Promise<T>,
): Promise<T> {
  const session = await Session.open(globals, { as: "provisioner" });
  return fill({ bus: session.bus }).finally(() => session.close());
}
