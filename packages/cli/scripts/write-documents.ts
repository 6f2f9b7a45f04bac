/** Writes the documents that are generated from the `bioxen` command. It is a part of `pnpm run docs`. */
import { writeFileSync } from "node:fs";
import { CLI_DOCUMENTS } from "../src/output/documents.ts";

for (const [name, text] of Object.entries(CLI_DOCUMENTS)) {
  writeFileSync(new URL(`../../../docs/${name}`, import.meta.url), await text());
}
