/**
 * The xenstore of a guest: what it may read and write, as xenopsd and xenstored set it (xapi-project/xen-api, commit
 * e2ee48d, domain.ml `set_xsdata`; xenstored's quota of a value).
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { GuestXenstore, MAX_VALUE_BYTES } from "../src/guest-xenstore.ts";

let folder: string;
let xenstore: GuestXenstore;
let seen: Readonly<Record<string, string>>[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fake-xenstore-"));
  seen = [];
  const data = { "vm-data/bioxen/vm-id": "x1", "other/key": "not in the domain" };
  xenstore = new GuestXenstore(join(folder, "guest"), data, (now) => seen.push(now));
});
afterEach(() => {
  xenstore.close();
  rmSync(folder, { recursive: true });
});

/** Runs a tool in the guest; "failed" when it ends with another status than 0. */
function run(tool: string, ...args: readonly string[]): string {
  try {
    return execFileSync(join(xenstore.tools, tool), args, { stdio: ["ignore", "pipe", "ignore"] }).toString();
  } catch {
    return "failed";
  }
}

it("a guest reads vm-data of its record, and nothing else of it (`allowed_xsdata_prefixes`)", () => {
  expect(run("xenstore-read", "vm-data/bioxen/vm-id")).toBe("x1\n");
  expect(run("xenstore-read", "other/key")).toBe("failed");
  expect(run("xenstore-read", "vm-data/absent")).toBe("failed");
});

it("a guest writes below vm-data only, and a value only up to the quota", () => {
  expect(run("xenstore-write", "vm-data/note", "x".repeat(MAX_VALUE_BYTES))).toBe("");
  expect(run("xenstore-write", "vm-data/note", "x".repeat(MAX_VALUE_BYTES + 1))).toBe("failed");
  expect(run("xenstore-write", "data/note", "x")).toBe("failed");
  expect(run("xenstore-read", "vm-data/note")).toBe(`${"x".repeat(MAX_VALUE_BYTES)}\n`);
});

it("VM.set_xenstore_data of a running VM replaces the tree, and takes the guest's right to write (`set_xsdata`)", () => {
  expect(run("xenstore-write", "vm-data/note", "mine")).toBe("");
  xenstore.replace({ "vm-data/bioxen/vm-id": "x2" });
  expect(run("xenstore-read", "vm-data/bioxen/vm-id")).toBe("x2\n");
  expect(run("xenstore-read", "vm-data/note"), "what the guest wrote is gone").toBe("failed");
  expect(run("xenstore-write", "vm-data/note", "again")).toBe("failed");
});
