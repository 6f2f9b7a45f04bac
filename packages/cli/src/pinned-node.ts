/**
 * Runs `bioxen` with the Node.js of an optional package, for a machine whose own Node.js is too old. The command then
 * has two processes. This one forwards signals, and ends as the other one ends.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { MAIN_PATH } from "./main-path.ts";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Exit code of a command that did not run, because no usable Node.js was found. */
const EXIT_NO_NODE = 1;

/** `problem` says why the running Node.js is not usable. */
export function runWithPinnedNode(problem: string): void {
  const name = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const node = binaryOf(name);
  if (node === undefined) {
    process.stderr.write(
      `${problem}. The package ${name}, which brings a newer one, is not installed. Install a newer Node.js, or that package: npm install -g ${name}@24\n`,
    );
    process.exitCode = EXIT_NO_NODE;
    return;
  }
  const child = spawn(node, [MAIN_PATH, ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
  child.once("error", ({ message }) => {
    process.stderr.write(`${problem}, and ${node} does not run: ${message}\n`);
    process.exitCode = EXIT_NO_NODE;
  });
  child.once("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? EXIT_NO_NODE);
    for (const forwarded of FORWARDED) process.removeAllListeners(forwarded);
    process.kill(process.pid, signal);
  });
}

/** Returns the path of the Node.js in this package; undefined when the package is not installed. */
function binaryOf(name: string): string | undefined {
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    return join(dirname(manifest), "bin", process.platform === "win32" ? "node.exe" : "node");
  } catch {
    return undefined;
  }
}
