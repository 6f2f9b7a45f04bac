/**
 * Makes tarballs that install without this workspace: `node deploy/pack.ts [folder]` (default
 * `.build/tarballs`) prints their paths.
 *
 * In the workspace, TypeScript sources run directly, but Node strips no types below `node_modules`. The tarballs
 * therefore contain JavaScript with declarations, one module per source file under the same path, so that stack traces
 * name the source. In the manifests, version numbers replace the versions `workspace:` and `catalog:`, and `.js`
 * replaces `.ts` in `exports` and `bin`. The script publishes nothing.
 */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BUILD = join(ROOT, ".build");
/** Folder of the compiled modules and declarations. Below it, each has the same path as its source in the workspace. */
export const EMITTED = join(BUILD, "js");

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports?: Readonly<Record<string, string>>;
  /**
   * Internal imports of the package, each with a target per condition: `{"#platform": {"browser": …, "default": …}}`.
   */
  readonly imports?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: object;
}

/**
 * Node versions that a packed package accepts: only the tested versions. In addition, Node older than 22.15 would make
 * npm skip the optional nats-server package.
 */
const ENGINES = { node: ">=24" };

const manifestIn = (folder: string) =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

/** Empties the build folder and compiles all packages into it. */
export function compile(): void {
  rmSync(BUILD, { recursive: true, force: true });
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  execFileSync(process.execPath, [tsc, "-p", join(ROOT, "tsconfig.build.json")], { stdio: "inherit" });
  for (const path of globSync("**/*.js", { cwd: EMITTED })) nameWorkers(join(EMITTED, path));
}

/**
 * Changes `.ts` to `.js` in the URLs by which a compiled module names workers and programs. The compiler itself changes
 * only imports.
 */
function nameWorkers(path: string): void {
  const text = readFileSync(path, "utf8");
  const named = text.replaceAll(/(new URL\("\.[^"]*)\.ts(", import\.meta\.url\))/g, "$1.js$2");
  if (named !== text) writeFileSync(path, named);
  if (/\.ts["'`][^\n]*import\.meta/.test(named)) throw new Error(`${path} names a source that is not packed`);
}

/**
 * Returns the dependencies of a package with real versions in place of `workspace:` and `catalog:`. The version is that
 * of the package in the workspace, or the installed and tested version of an external package.
 */
function numbered(wanted: Readonly<Record<string, string>> | undefined, folder: string) {
  if (wanted === undefined) return undefined;
  const entries = Object.entries(wanted).map(([name, range]): [string, string] => {
    const isOpen = range.startsWith("workspace:") || range.startsWith("catalog:");
    return [name, isOpen ? manifestIn(realpathSync(join(folder, "node_modules", name))).version : range];
  });
  return Object.fromEntries(entries);
}

const compiled = (source: string) => source.replace(/\.ts$/, ".js");
const allCompiled = (sources: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(sources).map(([name, source]) => [name, compiled(source)]));

function packedManifest(folder: string): object {
  const { dependencies, optionalDependencies, peerDependencies, exports, imports, bin, ...rest } =
    manifestIn(folder);
  const { name, version, license, peerDependenciesMeta } = rest;
  const paths = Object.entries(exports ?? {}).map(([path, source]) => [
    path,
    { types: source.replace(/\.ts$/, ".d.ts"), default: compiled(source) },
  ]);
  return {
    name,
    version,
    license,
    type: "module",
    engines: ENGINES,
    exports: Object.fromEntries(paths),
    imports:
      imports &&
      Object.fromEntries(Object.entries(imports).map(([name, sources]) => [name, allCompiled(sources)])),
    bin: bin && allCompiled(bin),
    dependencies: numbered(dependencies, folder),
    optionalDependencies: numbered(optionalDependencies, folder),
    peerDependencies: numbered(peerDependencies, folder),
    peerDependenciesMeta,
  };
}

/**
 * Copies the files of a package, without its tests, into a folder for packing: compiled modules, files that modules
 * read, manifest, licence and README. Returns the folder.
 */
function stage(folder: string): string {
  const staged = join(BUILD, "packages", basename(folder));
  cpSync(join(EMITTED, folder), staged, { recursive: true });
  for (const path of globSync("src/**/*.{json,lua}", { cwd: join(ROOT, folder) })) {
    mkdirSync(dirname(join(staged, path)), { recursive: true });
    copyFileSync(join(ROOT, folder, path), join(staged, path));
  }
  copyFileSync(join(ROOT, folder, "README.md"), join(staged, "README.md"));
  copyFileSync(join(ROOT, "LICENSE"), join(staged, "LICENSE"));
  writeFileSync(
    join(staged, "package.json"),
    `${JSON.stringify(packedManifest(join(ROOT, folder)), undefined, 2)}\n`,
  );
  return staged;
}

/**
 * Packs all compiled packages and services into the folder `target`, for use outside this workspace. Returns the paths
 * of the tarballs.
 */
export function pack(target: string): string[] {
  compile();
  mkdirSync(target, { recursive: true });
  const folders = globSync(["packages/*/package.json", "services/*/package.json"], { cwd: ROOT })
    .map(dirname)
    .filter((folder) => existsSync(join(EMITTED, folder)))
    .sort()
    .map(stage);
  const args = ["pack", "--json", "--pack-destination", target, ...folders];
  const packed = JSON.parse(execFileSync("npm", args, { encoding: "utf8" })) as {
    readonly filename: string;
  }[];
  return packed.map(({ filename }) => join(target, filename));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const target = resolve(process.argv[2] ?? join(BUILD, "tarballs"));
  for (const path of pack(target)) console.log(path);
}
