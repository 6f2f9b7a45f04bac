/** Writes the generated documents of the command: a part of `pnpm docs`. */
import { writeFileSync } from "node:fs";
import { fleetSchemaDocument } from "../src/apply/fleet-schema.ts";

writeFileSync(new URL("../../../docs/fleet.schema.json", import.meta.url), fleetSchemaDocument());
