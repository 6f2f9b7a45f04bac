/** Writes a package with a cell model in plain JavaScript. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { filesOf } from "./template.ts";

/** The form of a model's name, which is also that of the package. */
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** The model that every agent has. */
const BUILT_IN = "weisse";

export interface CreatedModel {
  readonly name: string;
  /** The written files, relative to the folder. */
  readonly files: readonly string[];
}

/**
 * Writes a package into the folder, whose last part is the name of the model. Throws an error that names every problem;
 * nothing is then written.
 */
export async function createCellModel(folder: string): Promise<CreatedModel> {
  const path = resolve(folder);
  const name = basename(path);
  const problems: string[] = [];
  if (!NAME.test(name)) {
    problems.push(`${name} is no name of a model: use a-z, 0-9 and '-', 63 characters at most`);
  }
  if (name === BUILT_IN) problems.push(`${name} is the name of the built-in model: choose another one`);
  const present = await readdir(path).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return [];
    throw new Error(`${folder} is not a folder that can be read: ${thrown.code}`, { cause: thrown });
  });
  if (present.length > 0) problems.push(`${folder} is not empty: name a new folder`);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  const files = filesOf(name);
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(path, file)), { recursive: true });
    await writeFile(join(path, file), text);
  }
  return { name, files: Object.keys(files) };
}
