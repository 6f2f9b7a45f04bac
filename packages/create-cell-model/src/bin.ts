#!/usr/bin/env node
/** `npm create @bioxen/cell-model FOLDER`: writes the package, and says what comes next. */
import { createCellModel } from "./create.ts";

const EXIT_USAGE = 2;
const [folder, ...others] = process.argv.slice(2);

if (folder === undefined || folder.startsWith("-") || others.length > 0) {
  console.error("usage: create-cell-model FOLDER\nWrites a package with a cell model in plain JavaScript.");
  process.exitCode = EXIT_USAGE;
} else {
  try {
    const { name, files } = await createCellModel(folder);
    console.log(`${folder} has the cell model ${name}: ${files.join(", ")}

Next:
  cd ${folder}
  npm install --save-dev @bioxen/testkit vitest
  npm test`);
  } catch (thrown) {
    console.error(thrown instanceof Error ? thrown.message : String(thrown));
    process.exitCode = EXIT_USAGE;
  }
}
