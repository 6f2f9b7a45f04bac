/**
 * Builds the console: `node scripts/build.ts [folder]`. Without a folder, into the one that the gateway serves.
 */
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { consoleFolder } from "../src/index.ts";

const [outDir] = process.argv.slice(2);
if (outDir === undefined) console.log(await consoleFolder());
else {
  const configFile = fileURLToPath(new URL("../vite.config.ts", import.meta.url));
  const root = fileURLToPath(new URL("../app", import.meta.url));
  await build({ configFile, root, logLevel: "error", build: { outDir, emptyOutDir: true } });
}
