/**
 * The files that the Lua worker reads: the WebAssembly module and the sources of the sandbox. The build of a single file
 * replaces this module by one that contains them.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export type SandboxFile = "arguments" | "string" | "table" | "base" | "cell";

/** Returns the path of the WebAssembly module. */
export function luaModuleFile(): string {
  return createRequire(import.meta.url).resolve("wasmoon/dist/glue.wasm");
}

/** Returns the Lua source of one part of the sandbox. */
export function sandboxFile(name: SandboxFile): Uint8Array {
  return readFileSync(new URL(`./sandbox/${name}.lua`, import.meta.url));
}
