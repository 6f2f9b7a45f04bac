/** Writes the generated documents of this package: `pnpm run docs`. */
import { readFileSync, writeFileSync } from "node:fs";
import { permissionsDocument } from "../src/document.ts";
import { withRoles } from "../src/roles-document.ts";

const document = (name: string): URL => new URL(`../../../docs/${name}`, import.meta.url);

writeFileSync(document("permissions.md"), permissionsDocument());
writeFileSync(document("security.md"), withRoles(readFileSync(document("security.md"), "utf8")));
