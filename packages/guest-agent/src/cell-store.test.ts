import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CellStore } from "./cell-store.ts";
import { MAX_DAMAGED_FILES } from "./limits.ts";
import { decodeCell, encodeCell, type StoredCell } from "./stored-cell.ts";

const cellAt = (simMinutes: number): StoredCell => ({
  spec: {
    vmId: "cell-1",
    incarnation: 1,
    fence: 10,
    biologicalType: "syn3a",
    seed: 42,
    allocation: { ribosomes: 300 },
    program: "print('é\\n')",
    config: {},
  },
  timeScale: 0.5,
  paused: false,
  applied: { allocation: '{"ribosomes":300}' },
  simMinutes,
  checkpointBase64: "AAAA",
});

let dir: string;
let logged: string[];
let store: CellStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-store-"));
  logged = [];
  store = new CellStore(join(dir, "state"), (line) => logged.push(line));
  await store.open();
});
afterEach(() => rm(dir, { recursive: true, force: true }));
const path = (name: string) => join(dir, "state", name);

it("gives back what was stored last, for its owner only", async () => {
  expect(await store.load()).toBeUndefined();
  for (const minutes of [1, 2, 3]) await store.save(cellAt(minutes));
  expect(await store.load()).toEqual(cellAt(3));
  expect(decodeCell(await readFile(path("cell.previous"), "utf8"))).toEqual(cellAt(2));
  expect((await readdir(path(""))).sort()).toEqual(["cell", "cell.previous"]);
  expect((await stat(path("cell"))).mode & 0o777).toBe(0o600);
});

it("ignores what a crash during a write leaves", async () => {
  await store.save(cellAt(1));
  await writeFile(path("cell.new"), encodeCell(cellAt(2)).slice(0, 100));
  await writeFile(path("cell.previous.new"), "");
  expect(await store.load()).toEqual(cellAt(1));
  await store.save(cellAt(3));
  expect(await store.load()).toEqual(cellAt(3));
});

it("finds every changed byte, and sets the file aside", async () => {
  const text = encodeCell(cellAt(7));
  for (let at = 0; at < text.length; at += 1) {
    const changed = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
    expect(typeof decodeCell(changed), `byte ${at}`).toBe("string");
    expect(typeof decodeCell(text.slice(0, at)), `cut at ${at}`).toBe("string");
  }
  await store.save(cellAt(1));
  await store.save(cellAt(2));
  await writeFile(path("cell"), text.slice(0, -2));
  expect(await store.load(), "the file before it").toEqual(cellAt(1));
  expect(logged).toEqual([
    expect.stringMatching(/^the stored cell cell is damaged: .*; kept as cell\.damaged-/),
  ]);
  const [damaged = ""] = await store.damaged();
  expect(await readFile(path(damaged), "utf8")).toBe(text.slice(0, -2));
});

it("keeps a bounded number of damaged files", async () => {
  for (let i = 0; i < MAX_DAMAGED_FILES + 3; i += 1) {
    await writeFile(path("cell"), `damaged ${i}`);
    expect(await store.load()).toBeUndefined();
  }
  const names = await store.damaged();
  expect(names.length).toBeLessThanOrEqual(MAX_DAMAGED_FILES);
  expect(await readFile(path(names.at(-1) ?? ""), "utf8")).toBe(`damaged ${MAX_DAMAGED_FILES + 2}`);
});
