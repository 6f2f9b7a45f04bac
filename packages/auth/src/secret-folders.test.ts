import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type KeyDirectory, openKeyDirectory } from "./key-directory.ts";
import { readEntries } from "./key-files.ts";
import { fillSecretFolders } from "./secret-folders.ts";

let dir: string;
let keys: string;
let secrets: string;
let directory: KeyDirectory;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-secrets-"));
  [keys, secrets] = [join(dir, "keys"), join(dir, "secrets")];
  directory = await openKeyDirectory({ dir: keys, agents: ["rack-7", "rack-8"] });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const prepare = async (...folders: string[]) => {
  for (const folder of folders) await mkdir(join(secrets, folder), { recursive: true });
};
const filesIn = async (folder: string) => {
  const found = await readdir(join(secrets, folder), { recursive: true, withFileTypes: true });
  return found.filter((one) => one.isFile()).map((one) => one.name);
};
const textOf = (...path: string[]) => readFile(join(dir, ...path), "utf8");

it("gives each user its own seed and nothing else", async () => {
  await prepare("services/lifecycle", "services/gateway", "agents/rack-7", "principals/admin");
  await fillSecretFolders(directory, secrets);
  for (const [folder, key] of [
    ["services/lifecycle", "services/lifecycle.creds"],
    ["services/gateway", "services/gateway.creds"],
    ["agents/rack-7", "agents/rack-7.creds"],
    ["principals/admin", "admin.creds"],
  ] as const) {
    expect(await filesIn(folder)).toEqual(["nats.creds"]);
    expect(await textOf("secrets", folder, "nats.creds")).toBe(await textOf("keys", key));
    expect((await stat(join(secrets, folder, "nats.creds"))).mode & 0o777).toBe(0o444);
  }
  expect(await readdir(join(secrets, "agents"))).toEqual(["rack-7"]);
});

it("replaces a key that has changed, and leaves no other file behind", async () => {
  await prepare("services/monitor");
  await fillSecretFolders(directory, secrets);
  const before = await textOf("secrets/services/monitor/nats.creds");
  await rm(join(keys, "services", "monitor.creds"));
  await fillSecretFolders(await openKeyDirectory({ dir: keys }), secrets);
  expect(await filesIn("services/monitor")).toEqual(["nats.creds"]);
  expect(await textOf("secrets/services/monitor/nats.creds")).not.toBe(before);
});

it("gives the provisioner what it needs to make the streams, and the key of no service, agent or principal", async () => {
  await prepare("provisioner");
  await fillSecretFolders(directory, secrets);
  expect((await filesIn("provisioner")).toSorted()).toEqual([
    "feed.creds",
    "principals.json",
    "provisioner.creds",
  ]);
  expect(await readEntries(join(secrets, "provisioner"))).toEqual(directory.entries);
});
