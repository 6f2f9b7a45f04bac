import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "@bioxen/testkit/eventually";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addCode, addToken, CODE_MS, CODES, takeCode, tokensIn, validTokens } from "./gateway-grants.ts";
import { GatewayReader } from "./gateway-reader.ts";
import { addKey, revokeKey, rotateKey } from "./key-changes.ts";
import { openKeyDirectory } from "./key-directory.ts";
import { KeyFiles } from "./key-files.ts";

const HOUR_MS = 3_600_000;
const NOW_MS = 1_000_000;

let home: string;
let keys: string;
let dir: string;
let alice: { readonly name: string; readonly publicKey: string };
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "bioxen-grants-"));
  keys = join(home, "keys");
  await openKeyDirectory({ dir: keys });
  dir = new KeyFiles(keys).gatewayDir;
  alice = (await addKey(keys, { name: "alice", role: "tenant" })).entry;
});
afterEach(() => rm(home, { recursive: true, force: true }));

const digestOf = (secret: string) => createHash("sha256").update(secret).digest("hex");
const newToken = () => addToken(dir, { principal: alice, nowMs: NOW_MS, expiresAtMs: NOW_MS + HOUR_MS });
const newCode = (nowMs = NOW_MS) => addCode(dir, { principal: alice, nowMs });

describe("a token", () => {
  it("is in no file, and is found by its digest", async () => {
    const { token, entry } = await newToken();
    for (const file of await readdir(keys, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      expect(await readFile(join(file.parentPath, file.name), "utf8")).not.toContain(token);
    }
    const reader = new GatewayReader(dir);
    expect(reader.tokenOf(digestOf(token))).toEqual(entry);
    expect(reader.tokenOf(token)).toBeUndefined();
    expect(reader.tokenOf("constructor")).toBeUndefined();
  });

  it("holds until its expiry, and is then removed with the next new one", async () => {
    const { entry } = await newToken();
    expect(await validTokens(dir, NOW_MS + HOUR_MS - 1)).toEqual([entry]);
    expect(await validTokens(dir, NOW_MS + HOUR_MS)).toEqual([]);
    const later = { principal: alice, nowMs: NOW_MS + HOUR_MS, expiresAtMs: NOW_MS + 2 * HOUR_MS };
    const { entry: next } = await addToken(dir, later);
    expect(JSON.parse(await readFile(tokensIn(dir), "utf8"))).toEqual([next]);
  });

  it.each([
    ["rotated", () => rotateKey(keys, "alice")],
    ["revoked", () => revokeKey(keys, "alice")],
  ])("ends at once for a running gateway when its principal is %s", async (_how, change) => {
    const { token } = await newToken();
    const reader = new GatewayReader(dir);
    const holds = () => reader.find("alice")?.publicKey === reader.tokenOf(digestOf(token))?.publicKey;
    expect(holds()).toBe(true);
    await change();
    await eventually("the reader sees the change", () => !holds() || undefined, 2_000);
    expect(await validTokens(dir, NOW_MS)).toEqual([]);
  });

  it("is none in a damaged file", async () => {
    const { token } = await newToken();
    for (const text of ["", "[", "{}", '[{"digest": 1}]']) {
      await writeFile(tokensIn(dir), text);
      expect(new GatewayReader(dir).tokenOf(digestOf(token)), text).toBeUndefined();
    }
  });
});

describe("a one-time code", () => {
  it("is given to one of many that send it at the same time", async () => {
    const digest = digestOf(await newCode());
    const taken = await Promise.all(Array.from({ length: 20 }, () => takeCode(dir, digest)));
    expect(taken.filter((grant) => grant !== undefined)).toEqual([
      { name: "alice", publicKey: alice.publicKey, expiresAtMs: NOW_MS + CODE_MS },
    ]);
    expect(await takeCode(dir, digest)).toBeUndefined();
  });

  it("is removed after its expiry, when another one is made", async () => {
    await newCode();
    await newCode(NOW_MS + CODE_MS - 1);
    expect(await readdir(join(dir, CODES))).toHaveLength(2);
    await newCode(NOW_MS + CODE_MS);
    expect(await readdir(join(dir, CODES))).toHaveLength(2);
  });

  it("names no file outside of its folder", async () => {
    await newToken();
    for (const digest of ["../tokens", "../principals", "..", "", "/etc/passwd"])
      expect(await takeCode(dir, digest), digest).toBeUndefined();
    expect(await readdir(dir)).toEqual(expect.arrayContaining(["principals.json", "tokens.json"]));
  });
});
