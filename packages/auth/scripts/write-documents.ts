/** Writes the generated document of this package: `pnpm run docs`. */
import { writeFileSync } from "node:fs";
import { permissionsDocument } from "../src/document.ts";

writeFileSync(new URL("../../../docs/permissions.md", import.meta.url), permissionsDocument());
