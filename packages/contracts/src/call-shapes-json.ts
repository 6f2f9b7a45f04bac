/** Generates call-shapes.json, the part of the catalogue that a caller needs: `pnpm run docs` writes the file. */
import { requiredFields } from "./call.ts";
import type { CallShape } from "./call-shape.ts";
import { ENDPOINTS } from "./endpoints/catalogue.ts";
import type { Endpoint } from "./endpoints/endpoint.ts";

/** Returns the text of the file, with one endpoint on each line. */
export function callShapesJson(): string {
  const lines = Object.entries<Endpoint>(ENDPOINTS).map(([name, { subject, result, pages }]) => {
    const shape: CallShape = { subject, required: requiredFields(result), pages };
    return `  ${JSON.stringify(name)}: ${JSON.stringify(shape)}`;
  });
  return `{\n${lines.join(",\n")}\n}\n`;
}
