/**
 * Builds the guest agent as one file: `node packages/guest-agent/scripts/build.ts [folder]` (default `.build/cell`)
 * writes `bioxen-cell.mjs`, which needs Node.js 20 or newer and nothing else. With `--executable` it also writes
 * `bioxen-cell`, which needs no Node.js: the binary of the Node.js that runs this script with the agent in it.
 *
 * The file contains the Lua worker as source text. The worker contains the WebAssembly module and the sandbox. Three
 * modules are replaced for this; the build fails if one of them is not found.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Plugin, rolldown } from "rolldown";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const DRIVER = fileURLToPath(new URL("../../driver-basic/", import.meta.url));
export const BUNDLE = "bioxen-cell.mjs";
const EXECUTABLE = "bioxen-cell";
const SANDBOX = ["arguments", "base", "cell", "string", "table"];

/** What the sources use and Node.js 20 lacks. */
const FOR_NODE_20 = `Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((a, b) => { resolve = a; reject = b; });
  return { promise, resolve, reject };
};`;

/** The only place where wasmoon reads the module, and what replaces it. */
const WASM_READ = 'ia=(b,c)=>{b=oa(b)?new URL(b):na.normalize(b);return fs.readFileSync(b,c?void 0:"utf8")};';
const WASM_INLINE = 'ia=()=>new Uint8Array(Buffer.from(globalThis.bioxenLuaModule,"base64"));';

/** What the build uses of postject, which has no declarations. */
interface Postject {
  inject(path: string, name: string, blob: Buffer, options: { readonly sentinelFuse: string }): Promise<void>;
}

/** Writes the agent into the folder `target` as one file. Returns its path. */
export async function buildBundle(target: string): Promise<string> {
  const code = await bundled(join(PACKAGE, "src", "bin.ts"), "esm", [await workerInline()]);
  mkdirSync(target, { recursive: true });
  const path = join(target, BUNDLE);
  writeFileSync(path, `${code}\n/*!\n${licences()}\n*/\n`);
  chmodSync(path, 0o755);
  return path;
}

/**
 * Writes the agent into the folder `target` as an executable. Returns its path. Throws if the binary of this Node.js
 * has no place for a program.
 */
export async function buildExecutable(target: string): Promise<string> {
  mkdirSync(target, { recursive: true });
  const path = join(target, EXECUTABLE);
  const script = join(target, "bioxen-cell.cjs");
  const blob = join(target, "bioxen-cell.blob");
  const config = join(target, "sea-config.json");
  writeFileSync(script, await bundled(join(PACKAGE, "src", "bin.ts"), "cjs", [await workerInline()]));
  const settings = { main: script, output: blob, disableExperimentalSEAWarning: true };
  writeFileSync(config, JSON.stringify(settings));
  execFileSync(process.execPath, ["--experimental-sea-config", config], { stdio: "pipe" });
  copyFileSync(process.execPath, path);
  chmodSync(path, 0o755);
  // The names that Node.js looks for: https://nodejs.org/api/single-executable-applications.html
  const { inject } = createRequire(import.meta.url)("postject") as Postject;
  await inject(path, "NODE_SEA_BLOB", readFileSync(blob), {
    sentinelFuse: "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2",
  });
  for (const left of [script, blob, config]) rmSync(left);
  return path;
}

/** Returns the licences of the packages that the file contains. */
function licences(): string {
  const folders = [join(DRIVER, "node_modules", "wasmoon"), join(PACKAGE, "node_modules", "zod")];
  return folders
    .map((folder) => `${basename(folder)}\n\n${readFileSync(join(folder, "LICENSE"), "utf8")}`)
    .join("\n");
}

/** Name of the worker's entry. A thread that gets its source as text runs it as a script, which has no `await` of its own. */
const WORKER = "lua-worker-script";
const workerScript: Plugin = {
  name: WORKER,
  resolveId: (id) => (id === WORKER ? id : null),
  load: (id) =>
    id === WORKER
      ? `import { runLuaWorker } from ${JSON.stringify(join(DRIVER, "src", "lua-messages.ts"))}; void runLuaWorker();`
      : null,
};

/** Replaces the module that starts the worker's thread by one that contains the worker. */
async function workerInline(): Promise<Plugin> {
  const worker = await bundled(WORKER, "cjs", [workerScript, filesInline(), moduleInline()]);
  return replacing(
    join(DRIVER, "src", "lua-thread.ts"),
    () => `import { Worker } from "node:worker_threads";
const source = ${JSON.stringify(worker)};
export const startLuaThread = (_url, options) => new Worker(source, { ...options, eval: true });`,
  );
}

/** Replaces the module that reads files by one that contains them. */
function filesInline(): Plugin {
  const require = createRequire(join(DRIVER, "package.json"));
  const wasm = readFileSync(require.resolve("wasmoon/dist/glue.wasm")).toString("base64");
  const sources = SANDBOX.map((name) => [
    name,
    readFileSync(join(DRIVER, "src/sandbox", `${name}.lua`), "utf8"),
  ]);
  return replacing(
    join(DRIVER, "src", "lua-files.ts"),
    () => `const sources = ${JSON.stringify(Object.fromEntries(sources))};
globalThis.bioxenLuaModule = ${JSON.stringify(wasm)};
export const luaModuleFile = () => "glue.wasm";
export const sandboxFile = (name) => Buffer.from(sources[name]);`,
  );
}

/** Lets wasmoon take the module from memory. */
function moduleInline(): Plugin {
  const require = createRequire(join(DRIVER, "package.json"));
  return replacing(require.resolve("wasmoon"), (text) => {
    if (text.split(WASM_READ).length !== 2) throw new Error("wasmoon reads its module in another way");
    return text.replace(WASM_READ, WASM_INLINE);
  });
}

function replacing(path: string, edit: (text: string) => string): Plugin {
  let isFound = false;
  return {
    name: `replace ${path}`,
    load(id) {
      if (id !== path) return null;
      isFound = true;
      return { code: edit(readFileSync(path, "utf8")), moduleType: "js" };
    },
    buildEnd(error) {
      if (error === undefined && !isFound) throw new Error(`the build has no module ${path}`);
    },
  };
}

async function bundled(entry: string, format: "esm" | "cjs", plugins: Plugin[]): Promise<string> {
  const build = await rolldown({ input: entry, platform: "node", plugins });
  const intro = FOR_NODE_20;
  const { output } = await build.generate({ format, intro, codeSplitting: false, comments: { legal: true } });
  await build.close();
  const [chunk, ...others] = output;
  if (others.length > 0)
    throw new Error(`${entry} is not one file: ${others.map(({ fileName }) => fileName)}`);
  const outside = chunk.imports.filter((name) => !name.startsWith("node:"));
  if (outside.length > 0) throw new Error(`${entry} imports ${outside.join(", ")}`);
  return chunk.code;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  const [folder = join(dirname(dirname(PACKAGE)), ".build", "cell")] = args.filter(
    (arg) => !arg.startsWith("--"),
  );
  console.log(await buildBundle(resolve(folder)));
  if (args.includes("--executable")) console.log(await buildExecutable(resolve(folder)));
}
