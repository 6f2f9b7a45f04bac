/** The written model passes the contract of cell models, and no folder with files is touched. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { CellModel } from "@bioxen/cell-models";
import { cellModelContract } from "@bioxen/testkit/extensions";
import { afterAll, describe, expect, it } from "vitest";
import { createCellModel } from "./create.ts";

const dir = await mkdtemp(join(tmpdir(), "bioxen-template-"));
afterAll(() => rm(dir, { recursive: true }));

const created = await createCellModel(join(dir, "glucose-cell"));
const { cellModel } = (await import(pathToFileURL(join(dir, "glucose-cell", "index.js")).href)) as {
  readonly cellModel: CellModel;
};

describe("the written model", () => {
  cellModelContract(cellModel);
});

it("has the name of its folder", async () => {
  expect(created.name).toBe("glucose-cell");
  expect(cellModel.name).toBe("glucose-cell");
  expect((await readdir(join(dir, "glucose-cell"))).sort()).toEqual(["index.js", "package.json", "test"]);
});

it("refuses a folder with files, and a name that no model can have, with every problem", async () => {
  await expect(createCellModel(join(dir, "glucose-cell"))).rejects.toThrow("is not empty");
  await expect(createCellModel(join(dir, "weisse"))).rejects.toThrow("the built-in model");
  await expect(createCellModel(join(dir, "My Cell"))).rejects.toThrow("My Cell is no name of a model");
  await writeFile(join(dir, "file"), "");
  await expect(createCellModel(join(dir, "file"))).rejects.toThrow("ENOTDIR");
  expect((await readdir(dir)).sort()).toEqual(["file", "glucose-cell"]);
});
