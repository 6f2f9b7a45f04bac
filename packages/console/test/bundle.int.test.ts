/**
 * The built files: their size, and that a strict Content-Security-Policy allows them.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, expect, it } from "vitest";
import { consoleFolder, sourcesDigest } from "../src/index.ts";

/** Largest size of everything that the first view loads, compressed: less than a second at 3 Mbit/s. */
const FIRST_VIEW_BYTES = 300_000;

let folder: string;
let page: string;
/** The files of the first view. */
let named: string[];
beforeAll(async () => {
  folder = await consoleFolder();
  page = readFileSync(join(folder, "index.html"), "utf8");
  named = [...page.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, path = ""]) => path);
});

it("loads at most 300 kB compressed for the first view", () => {
  expect(named.length).toBeGreaterThanOrEqual(3);
  const sizes = ["index.html", ...named].map((path) => gzipSync(readFileSync(join(folder, path))).length);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`first view: ${total} bytes compressed`);
  expect(total).toBeLessThan(FIRST_VIEW_BYTES);
});

it("has no script, style or handler inside of the page, and loads nothing from elsewhere", () => {
  expect(page).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=/i);
  expect(page).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
});

it("has no schema of the services in its first view, and no code of text anywhere", () => {
  const scripts = readdirSync(join(folder, "assets")).filter((name) => name.endsWith(".js"));
  const codeOf = (path: string) => readFileSync(join(folder, path), "utf8");
  // The replay of a log has schemas: it is loaded when a replay is asked for.
  for (const path of named) expect(codeOf(path), path).not.toContain("ZodError");
  for (const name of scripts)
    expect(codeOf(join("assets", name)), name).not.toMatch(/\beval\(|new Function\(/);
});

it("is the folder of the present sources, and is not built a second time", async () => {
  expect(folder.endsWith(sourcesDigest())).toBe(true);
  expect(await consoleFolder()).toBe(folder);
});
