/**
 * Bundles the command for its tarball. A process that loads a few files starts much faster than one that loads the two
 * hundred modules of the workspace, and a bundle leaves out what a command does not use.
 */
import { copyFileSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { builtinModules, createRequire } from "node:module";
import { basename, join } from "node:path";
import { rolldown } from "rolldown";

/**
 * Packages that stay outside of the bundle: they start processes of their own files, have native parts, or are needed by
 * another one of these packages as well.
 */
const OUTSIDE = ["@bioxen/local-stack", "@bioxen/fake-xapi", "@bioxen/certs", "@bioxen/driver-basic"];

export interface Bundled {
  /** Names of the packages that the bundle imports. */
  readonly imported: readonly string[];
}

/**
 * Writes the bundle of the command in `root`/packages/cli into the folder `target`: `bin.js`, `main.js`, `index.js`, the
 * worker that reads the log, and shared chunks, each with a source map.
 */
export async function bundleCommand(root: string, target: string): Promise<Bundled> {
  const sources = ["cli/src/bin", "cli/src/main", "cli/src/index", "nats/src/log-reader"];
  const entries = sources.map((path) => [basename(path), join(root, "packages", `${path}.ts`)]);
  const build = await rolldown({
    input: Object.fromEntries(entries) as Record<string, string>,
    platform: "node",
    external: OUTSIDE,
  });
  const { output } = await build.write({
    dir: target,
    format: "esm",
    sourcemap: true,
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
  });
  await build.close();
  const chunks = output.filter((file) => file.type === "chunk");
  const own = new Set(chunks.map(({ fileName }) => fileName));
  for (const { fileName } of chunks) nameWorkers(join(target, fileName));
  const imported = chunks.flatMap(({ imports, dynamicImports }) => [...imports, ...dynamicImports]);
  const isOutside = (name: string) =>
    !own.has(name) && !name.startsWith("node:") && !builtinModules.includes(name);
  return { imported: [...new Set(imported.filter(isOutside))].sort() };
}

/**
 * Changes `.ts` to `.js` in the URLs by which a compiled module names workers and programs. A compiler changes only
 * imports.
 */
export function nameWorkers(path: string): void {
  const text = readFileSync(path, "utf8");
  const named = text.replaceAll(/(new URL\("\.[^"]*)\.ts(", import\.meta\.url\))/g, "$1.js$2");
  if (named !== text) writeFileSync(path, named);
  if (/\.ts["'`][^\n]*import\.meta/.test(named)) throw new Error(`${path} names a source that is not packed`);
}

/** Packages of which `@bioxen/nats` contains a copy, by the name of the copy. */
const COPIED = { services: "@nats-io/services", kv: "@nats-io/kv" } as const;

/**
 * Puts a copy of the packages in {@link COPIED} into the staged `@bioxen/nats`, and lets its modules import the copies.
 * The released services package names an older core, which the workspace replaces by an override. A user's installation
 * has no override. As separate packages they would also be missing where each package is installed by itself.
 */
export async function copyPackages(root: string, staged: string): Promise<void> {
  const folder = join(root, "packages", "nats");
  const entryOf = (copy: string) => join(folder, `copied-${copy}.js`);
  const entries = Object.keys(COPIED).map((copy) => [copy, entryOf(copy)]);
  const texts = new Map<string, string>();
  for (const [copy, name] of Object.entries(COPIED)) {
    // The packages are CommonJS, and only their loaded form tells the names that they export.
    const loaded = createRequire(join(folder, "package.json"))(name) as object;
    texts.set(entryOf(copy), `export { ${Object.keys(loaded).join(", ")} } from "${name}";`);
  }
  const build = await rolldown({
    input: Object.fromEntries(entries) as Record<string, string>,
    plugins: [
      {
        name: "entries-in-memory",
        resolveId: (id) => (texts.has(id) ? id : null),
        load: (id) => texts.get(id) ?? null,
      },
    ],
    platform: "node",
    external: [/^@nats-io\/(?:nats-core|jetstream)/],
  });
  await build.write({ dir: join(staged, "src", "copied"), format: "esm", entryFileNames: "[name].js" });
  await build.close();
  for (const [copy, name] of Object.entries(COPIED)) {
    copyFileSync(
      join(folder, "node_modules", name, "LICENSE"),
      join(staged, "src", "copied", `LICENSE-${copy}`),
    );
    for (const path of globSync("src/*.js", { cwd: staged })) {
      const text = readFileSync(join(staged, path), "utf8");
      writeFileSync(join(staged, path), text.replaceAll(`"${name}"`, `"./copied/${copy}.js"`));
    }
  }
}
