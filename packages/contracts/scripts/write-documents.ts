/** Writes the generated documents: `pnpm run docs`. */
import { writeFileSync } from "node:fs";
import { callShapesJson } from "../src/call-shapes-json.ts";
import { protocolDocument } from "../src/documents.ts";
import { errorsDocument } from "../src/errors-document.ts";
import { asyncApiDocument } from "../src/protocol/asyncapi.ts";

writeFileSync(new URL("../../../docs/PROTOCOL.md", import.meta.url), protocolDocument());
writeFileSync(new URL("../../../docs/errors.md", import.meta.url), errorsDocument());
writeFileSync(new URL("../../../docs/asyncapi.json", import.meta.url), asyncApiDocument());
writeFileSync(new URL("../src/call-shapes.json", import.meta.url), callShapesJson());
