/**
 * Makes tarballs that install without this workspace: `node deploy/pack.ts [folder]` (default
 * `.build/tarballs`) prints their paths.
 *
 * In the workspace, TypeScript sources run directly, but Node strips no types below `node_modules`. The tarballs
 * therefore contain JavaScript with declarations, one module per source file under the same path, so that stack traces
 * name the source. The command is bundled into a few modules (bundle.ts). In the manifests, version numbers replace the versions `workspace:` and `catalog:`, and `.js`
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
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { consoleFolder } from "@bioxen/console";
import { OLDEST_NODE } from "@bioxen/kernel";
import { buildBundle } from "../packages/guest-agent/scripts/build.ts";
import { bundleCommand, copyPackages, nameWorkers } from "./bundle.ts";
import { packageServer, SERVER_PACKAGE } from "./server-package.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BUILD = join(ROOT, ".build");
/** Folder of the compiled modules and declarations. Below it, each has the same path as its source in the workspace. */
export const EMITTED = join(BUILD, "js");

interface Manifest {
  readonly keywords?: readonly string[] | undefined;
  readonly type?: string | undefined;
  readonly engines?: { readonly node: string } | undefined;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly homepage?: string | undefined;
  readonly bugs?: string | undefined;
  readonly repository?:
    | { readonly type?: string; readonly url?: string; readonly directory?: string }
    | undefined;
  readonly sideEffects?: boolean | readonly string[] | undefined;
  readonly exports?: Readonly<Record<string, string>> | undefined;
  /**
   * Internal imports of the package, each with a target per condition: `{"#platform": {"browser": …, "default": …}}`.
   */
  readonly imports?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined;
  readonly bin?: Readonly<Record<string, string>> | undefined;
  readonly dependencies?: Readonly<Record<string, string>> | undefined;
  readonly optionalDependencies?: Readonly<Record<string, string>> | undefined;
  readonly peerDependencies?: Readonly<Record<string, string>> | undefined;
  readonly peerDependenciesMeta?: object | undefined;
}

const ENGINES = { node: `>=${OLDEST_NODE}` };
const KEYWORDS = ["bioxen", "cell", "simulation", "hypervisor", "nats", "event-sourcing"];
/** The package of the command: it is bundled, so that a call starts fast. */
const COMMAND = "packages/cli";
/** The package of the guest agent: its tarball also has the agent as one file, which runs in a machine by itself. */
const AGENT = "packages/guest-agent";
/** The package of the console: its tarball has the built files in place of the sources. */
const CONSOLE = "packages/console";

const manifestIn = (folder: string) =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

/**
 * Empties the build folder and compiles all packages into it. Declarations keep the comments, which editors show; modules
 * lose them, because every client would install them twice.
 */
export function compile(): void {
  rmSync(BUILD, { recursive: true, force: true });
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  for (const emitted of [["--emitDeclarationOnly"], ["--declaration", "false", "--removeComments"]]) {
    const args = [tsc, "-p", join(ROOT, "tsconfig.build.json"), ...emitted];
    execFileSync(process.execPath, args, { stdio: "inherit" });
  }
  for (const path of globSync("**/*.js", { cwd: EMITTED })) nameWorkers(join(EMITTED, path));
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

function packedManifest(folder: string): Manifest {
  const { dependencies, optionalDependencies, peerDependencies, exports, imports, bin, ...rest } =
    manifestIn(folder);
  const { name, version, description, license, sideEffects, peerDependenciesMeta } = rest;
  const { homepage, bugs, repository } = manifestIn(ROOT);
  const server = folder.endsWith("local-stack") ? { [SERVER_PACKAGE.name]: SERVER_PACKAGE.version } : {};
  const paths = Object.entries(exports ?? {}).map(([path, source]) => [
    path,
    { types: source.replace(/\.ts$/, ".d.ts"), default: compiled(source) },
  ]);
  return {
    name,
    version,
    description,
    keywords: KEYWORDS,
    license,
    homepage,
    bugs,
    repository: { ...repository, directory: relative(ROOT, folder) },
    type: "module",
    sideEffects: Array.isArray(sideEffects) ? sideEffects.map(compiled) : sideEffects,
    engines: ENGINES,
    exports: Object.fromEntries(paths),
    imports:
      imports &&
      Object.fromEntries(Object.entries(imports).map(([name, sources]) => [name, allCompiled(sources)])),
    bin: bin && allCompiled(bin),
    dependencies: numbered(dependencies, folder),
    optionalDependencies: optionalDependencies && { ...numbered(optionalDependencies, folder), ...server },
    peerDependencies: numbered(peerDependencies, folder),
    peerDependenciesMeta,
  };
}

/**
 * Copies the files of a package, without its tests, into a folder for packing: compiled modules, files that modules
 * read, manifest, licence and README. Returns the folder.
 */
async function stage(folder: string): Promise<string> {
  const staged = join(BUILD, "packages", basename(folder));
  const manifest = packedManifest(join(ROOT, folder));
  const packed = folder === COMMAND ? await stageCommand(staged, manifest) : manifest;
  if (folder !== COMMAND) stageModules(folder, staged);
  if (folder === AGENT) {
    await buildBundle(staged);
    copyFileSync(join(ROOT, AGENT, "bioxen-cell.service"), join(staged, "bioxen-cell.service"));
  }
  if (folder === CONSOLE) cpSync(await consoleFolder(), join(staged, "dist"), { recursive: true });
  if (folder === "packages/nats") await copyPackages(ROOT, staged);
  copyFileSync(join(ROOT, folder, "README.md"), join(staged, "README.md"));
  copyFileSync(join(ROOT, "LICENSE"), join(staged, "LICENSE"));
  writeFileSync(join(staged, "package.json"), `${JSON.stringify(packed, undefined, 2)}\n`);
  return staged;
}

function stageModules(folder: string, staged: string): void {
  cpSync(join(EMITTED, folder), staged, { recursive: true });
  for (const path of globSync("src/**/*.{json,lua}", { cwd: join(ROOT, folder) })) {
    mkdirSync(dirname(join(staged, path)), { recursive: true });
    copyFileSync(join(ROOT, folder, path), join(staged, path));
  }
}

/** Stages the bundle of the command. Returns its manifest: only what the bundle imports is a dependency. */
async function stageCommand(staged: string, manifest: Manifest): Promise<Manifest> {
  const { imported } = await bundleCommand(ROOT, join(staged, "src"));
  for (const name of ["index.d.ts", "run-program.d.ts"]) {
    copyFileSync(join(EMITTED, COMMAND, "src", name), join(staged, "src", name));
  }
  const all = Object.entries(manifest.dependencies ?? {});
  return {
    ...manifest,
    dependencies: Object.fromEntries(all.filter(([name]) => imported.includes(name))),
    // The Node.js that runs the command where the installed one is too old (packages/cli/src/pinned-node.ts).
    optionalDependencies: manifestIn(ROOT).optionalDependencies,
  };
}

/**
 * Packs all compiled packages and services into the folder `target`, for use outside this workspace. Returns the paths
 * of the tarballs.
 */
export async function pack(target: string): Promise<string[]> {
  compile();
  mkdirSync(target, { recursive: true });
  const folders = globSync(["packages/*/package.json", "services/*/package.json"], { cwd: ROOT })
    .map(dirname)
    .filter((folder) => existsSync(join(EMITTED, folder)))
    .sort();
  const staged: string[] = [];
  for (const folder of folders) staged.push(await stage(folder));
  staged.push(...packageServer(ROOT, join(BUILD, "packages")));
  const args = ["pack", "--json", "--pack-destination", target, ...staged];
  const packed = JSON.parse(execFileSync("npm", args, { encoding: "utf8" })) as {
    readonly filename: string;
  }[];
  return packed.map(({ filename }) => join(target, filename));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const target = resolve(process.argv[2] ?? join(BUILD, "tarballs"));
  for (const path of await pack(target)) console.log(path);
}
