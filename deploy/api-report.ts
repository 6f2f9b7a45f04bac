/**
 * Generates docs/api/client.md: the declarations of `@bioxen/client` that its users compile against. The file makes a
 * change of these declarations visible in a review. `node deploy/api-report.ts` writes the file, and a test compares
 * the file with the packed declarations.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile, EMITTED } from "./pack.ts";

const REPORT = fileURLToPath(new URL("../docs/api/client.md", import.meta.url));
const HEAD = `<!-- Written by \`node deploy/api-report.ts\`; a test compares it with the code. -->

# Declarations of @bioxen/client

The declarations without comments, one box per module. \`index\` is the main module and \`local\` the entry \`@bioxen/client/local\`; the other
modules have the types that these refer to. A removed or changed line may break a program, so that it needs a line in CHANGELOG.
[PROTOCOL](../PROTOCOL.md) has the types of \`@bioxen/contracts\`.
`;

/** Returns the report: the declarations of `@bioxen/client` that the last compilation wrote. */
export function apiReport(): string {
  const folder = join(EMITTED, "packages", "client", "src");
  const modules = readdirSync(folder).filter((name) => name.endsWith(".d.ts"));
  const ordered = modules.sort((a, b) => (a === "index.d.ts" ? -1 : b === "index.d.ts" ? 1 : a < b ? -1 : 1));
  const boxes = ordered.map((name) => {
    const text = readFileSync(join(folder, name), "utf8")
      .replaceAll(/^\s*\/\*\*[\s\S]*?\*\/\n/gm, "")
      .trim();
    return `## ${name.replace(".d.ts", "")}\n\n\`\`\`typescript\n${text}\n\`\`\`\n`;
  });
  return [HEAD, ...boxes].join("\n");
}

export function storedApiReport(): string {
  return readFileSync(REPORT, "utf8");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  compile();
  writeFileSync(REPORT, apiReport());
}
