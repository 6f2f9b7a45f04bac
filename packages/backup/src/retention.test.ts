import { mkdir, mkdtemp, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { BackupDirectory } from "./directory.ts";
import { FORMAT, MANIFEST_FILE, manifestText } from "./manifest.ts";
import { datedName, removeOlderBackups } from "./retention.ts";

const DAY_MS = 86_400_000;
const NOON_MS = Date.UTC(2026, 10, 29, 12);

const MANIFEST = manifestText({
  format: FORMAT,
  version: "0.2.0",
  createdAtMs: NOON_MS,
  generation: 1,
  log: { clusterId: "c", created: "2026-11-29T12:00:00Z", seq: 0 },
  streams: [],
});

const newParent = () => mkdtemp(join(tmpdir(), "bioxen-kept-"));

/** Makes the folder of a backup of this day; without the text of a manifest, one that was interrupted. */
async function backupOf(parent: string, day: number, manifest?: string): Promise<string> {
  const name = datedName(NOON_MS + day * DAY_MS);
  const directory = await BackupDirectory.forWriting(join(parent, name));
  if (manifest !== undefined) await writeFile(directory.pathOf({ path: MANIFEST_FILE }), manifest);
  return name;
}

it("keeps the youngest finished backups, and removes what is older", async () => {
  const parent = await newParent();
  const names = [];
  for (const day of [0, 1, 2, 3]) names.push(await backupOf(parent, day, MANIFEST));
  expect(await removeOlderBackups(parent, 2)).toEqual(names.slice(0, 2));
  expect((await readdir(parent)).sort()).toEqual(names.slice(2));
  expect(await removeOlderBackups(parent, 2)).toEqual([]);
});

it("an interrupted or damaged backup takes the place of no finished one", async () => {
  const parent = await newParent();
  const interrupted = await backupOf(parent, 0);
  const finished = [await backupOf(parent, 1, MANIFEST), await backupOf(parent, 3, MANIFEST)];
  const younger = [await backupOf(parent, 2, MANIFEST.replace("0.2.0", "0.2.1")), await backupOf(parent, 4)];
  expect(await removeOlderBackups(parent, 2)).toEqual([interrupted]);
  expect((await readdir(parent)).sort()).toEqual([...finished, ...younger].sort());
});

it("touches no folder of something else", async () => {
  const parent = await newParent();
  const foreign = datedName(NOON_MS - 9 * DAY_MS);
  await mkdir(join(parent, foreign));
  await mkdir(join(parent, "manual"));
  const kept = await backupOf(parent, 0, MANIFEST);
  expect(await removeOlderBackups(parent, 1)).toEqual([]);
  expect((await readdir(parent)).sort()).toEqual([foreign, kept, "manual"].sort());
});

it("names a folder by its time, to the second", () => {
  expect(datedName(NOON_MS)).toBe("20261129T120000Z");
});
