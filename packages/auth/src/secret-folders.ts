/**
 * The keys of a directory in folders of their own, one for each user of the server. A container mounts the folder of its
 * user, and finds no other secret there.
 *
 * | folder | gets |
 * |---|---|
 * | `services/<name>`, `agents/<id>`, `principals/<name>` | `nats.creds`, the seed of that user |
 * | `provisioner` | a key directory that is enough for `bioxen auth provision` |
 */
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { KeyDirectory } from "./key-directory.ts";
import { KEYED_SERVICES, KeyFiles } from "./key-files.ts";
import { textOf, writeSecret } from "./secret-files.ts";

/** Name of the file with the seed in the folder of a user. */
export const CREDENTIALS_FILE = "nats.creds";
/**
 * The process in the container is not the owner of the file. What keeps the file from others is its folder, as with the
 * secrets of a container engine.
 */
const READABLE_FILE = 0o444;

/** Copies the files of each user into the folder of that user below `secrets`. A folder that does not exist gets none. */
export async function fillSecretFolders({ dir, entries }: KeyDirectory, secrets: string): Promise<void> {
  const files = new KeyFiles(dir);
  const users = [
    ...KEYED_SERVICES.map((name) => [files.service(name, ""), join("services", name)] as const),
    ...entries.map((entry) => {
      const { name, agentId } = entry;
      const folder = agentId === undefined ? join("principals", name) : join("agents", agentId);
      return [files.entry(entry), folder] as const;
    }),
  ];
  for (const [file, folder] of users) {
    const target = join(secrets, folder);
    // A key that was moved away stays in the folder that got it before.
    if ((await isFolder(target)) && (await textOf(file)) !== undefined)
      await copy(file, join(target, CREDENTIALS_FILE));
  }
  const provisioner = new KeyFiles(join(secrets, "provisioner"));
  if (!(await isFolder(provisioner.dir))) return;
  await mkdir(join(provisioner.dir, "server"), { recursive: true });
  for (const user of ["provisioner", "feed"] as const) {
    await copy(files.server(user), provisioner.server(user));
  }
  await copy(files.entries, provisioner.entries);
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function copy(file: string, target: string): Promise<void> {
  await writeSecret(target, await readFile(file, "utf8"), READABLE_FILE);
}
