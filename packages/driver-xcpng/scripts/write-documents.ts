/** Writes the generated document of this package: `pnpm run docs`. */
import { writeFileSync } from "node:fs";
import { refusalDocument } from "../src/driver/refusal-document.ts";

writeFileSync(new URL("../../../docs/how-to/xcpng-errors.md", import.meta.url), refusalDocument());
