import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { moveStreams } from "./store-account.ts";

let store: string;
beforeEach(async () => {
  store = await mkdtemp(join(tmpdir(), "bioxen-store-"));
});
afterEach(() => rm(store, { recursive: true, force: true }));

const put = async (account: string, stream: string) => {
  await mkdir(join(store, "jetstream", account), { recursive: true });
  await writeFile(join(store, "jetstream", account, stream), "");
};
const found = async () => (await readdir(store, { recursive: true })).sort();

it("moves the streams to the account of the next server, and back", async () => {
  await put("$G", "log");
  await moveStreams(store, true);
  expect(await found()).toEqual(["jetstream", "jetstream/LOG", "jetstream/LOG/log"]);
  await moveStreams(store, true);
  await moveStreams(store, false);
  expect(await found()).toEqual(["jetstream", "jetstream/$G", "jetstream/$G/log"]);
});

it("does nothing in a new store", async () => {
  await moveStreams(store, true);
  expect(await found()).toEqual([]);
});

it("moves nothing over other streams, and names both folders", async () => {
  await put("$G", "log");
  await put("LOG", "other");
  const before = await found();
  await expect(moveStreams(store, true)).rejects.toMatchObject({
    code: "CONFLICT",
    message: expect.stringMatching(/\$G or .*LOG away/),
  });
  expect(await found()).toEqual(before);
});

it.each([
  ["$SYS", "$G", true],
  ["SYS", "LOG", false],
])("moves no streams of a cluster, whose state is in %s", async (system, account, hasKeys) => {
  await put(account, "log");
  await mkdir(join(store, "jetstream", system, "_js_"), { recursive: true });
  const before = await found();
  await expect(moveStreams(store, hasKeys)).rejects.toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining("streams of a cluster"),
  });
  expect(await found()).toEqual(before);
});
